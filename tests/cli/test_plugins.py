"""Installed plugins are found, loaded once, and named when they fail."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path

import pytest
from basicsr.utils.registry import MODEL_REGISTRY
from tiny_run import write_data, write_options

from cclgan_plugin.cli.main import main
from cclgan_plugin.cli.plugins import GROUP, PluginError, load_plugins

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a distribution with one plugin, and its module, on Python's path."""
    # A plugin installed where the tests run must not change what they see.
    names = {entry.name for one in distributions() for entry in one.entry_points if entry.group == GROUP}
    assert names <= {'cclgan'}
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, code: str, module: str | None = None) -> None:
        metadata = tmp_path / f'{name}-1.2.dist-info'
        metadata.mkdir()
        (metadata / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n')
        (metadata / 'entry_points.txt').write_text(f'[{GROUP}]\n{name} = {module or name}\n')
        (tmp_path / f'{name}.py').write_text(code)
        monkeypatch.delitem(sys.modules, name, raising=False)

    return write


def test_plugins_of_other_packages_register_their_parts(install: Install) -> None:
    install(
        'foggy_plugin',
        'from basicsr.utils.registry import ARCH_REGISTRY\n'
        '@ARCH_REGISTRY.register()\n'
        'class FoggyNet:\n'
        '    pass\n',
    )
    from basicsr.utils.registry import ARCH_REGISTRY

    try:
        assert load_plugins() == ['cclgan', 'foggy_plugin']
        assert 'FoggyNet' in ARCH_REGISTRY
        # Loading again would register the part a second time, which BasicSR refuses.
        load_plugins()
    finally:
        ARCH_REGISTRY._obj_map.pop('FoggyNet', None)


def test_an_options_file_is_checked_with_the_plugins_it_needs(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(
        'foggy_models',
        'from basicsr.models.sr_model import SRModel\n'
        'from basicsr.utils.registry import MODEL_REGISTRY\n'
        '@MODEL_REGISTRY.register()\n'
        'class FoggyModel(SRModel):\n'
        '    pass\n',
    )
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path / 'data')
    write_options(tmp_path, model_type='FoggyModel')
    try:
        assert main(['data', 'check', 'tiny.yml', '--similarity', '1']) in (0, 1)  # it has looked at images
        assert 'images: ' in capsys.readouterr().out
    finally:
        MODEL_REGISTRY._obj_map.pop('FoggyModel', None)


def test_ours_is_loaded_once_although_it_is_a_plugin_too(install: Install) -> None:
    install('same_again', '', module='cclgan_plugin')
    assert load_plugins() == ['cclgan']


def test_a_plugin_that_fails_is_named_with_its_distribution_and_cause(
    install: Install, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    install('broken_plugin', 'import nowhere_to_be_found\n')
    with pytest.raises(PluginError) as caught:
        load_plugins()
    assert str(caught.value) == (
        'The BasicSR plugin "broken_plugin" (broken_plugin) of broken_plugin 1.2 cannot be loaded: '
        "ModuleNotFoundError: No module named 'nowhere_to_be_found'. Mend it or uninstall it "
        '(pip uninstall broken_plugin).'
    )
    (tmp_path / 'a.yml').write_text('name: a\n')
    assert main(['train', '-opt', str(tmp_path / 'a.yml')]) == 2
    assert 'error: The BasicSR plugin "broken_plugin"' in capsys.readouterr().err
