"""BasicSR's pipelines read their options through the plugin's parser."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
from basicsr import test, train
from basicsr.utils import options

from cclgan_plugin.mends import command_line


def test_force_yml_runs_code_without_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / 'a.yml'
    file.write_text('name: a\nnum_gpu: 0\ndatasets: {}\npath: {}\nmanual_seed: 0\n')
    attack = f'manual_seed=[__import__("os").mkdir("{tmp_path}/pwned")]'
    monkeypatch.setattr(sys, 'argv', ['train.py', '-opt', str(file), '--force_yml', attack])
    options.parse_options.unmended(str(tmp_path), is_train=False)
    assert (tmp_path / 'pwned').is_dir()


def test_both_pipelines_use_the_plugins_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    parse = importlib.import_module('cclgan_plugin.options.parse')
    asked: list[Any] = []
    monkeypatch.setattr(parse, 'parse_options', lambda root, is_train: asked.append((root, is_train)))
    monkeypatch.setattr(parse, 'copy_opt_file', lambda file, folder: asked.append((file, folder)))
    train.parse_options('root', is_train=True)
    test.parse_options('root', is_train=False)
    options.parse_options('root')
    train.copy_opt_file('file', 'folder')
    assert asked == [('root', True), ('root', False), ('root', True), ('file', 'folder')]
    assert command_line.parse_options is options.parse_options
