"""Encoders are built from a block of options, and a mistake in it is named with the nearest right word."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from cclgan_plugin.encoders import ENCODERS, CLIPEncoder, build_encoder
from cclgan_plugin.errors import OptionError


def test_builds_by_type_and_leaves_the_options_alone() -> None:
    options = {'type': 'CLIPEncoder', 'weights': 'random', 'weight': 0.5}
    encoder = build_encoder(options)
    assert isinstance(encoder, CLIPEncoder)
    assert (encoder.weights, encoder.weight, encoder.layer_weights) == ('random', 0.5, (1.0,))
    assert options == {'type': 'CLIPEncoder', 'weights': 'random', 'weight': 0.5}


def test_openmmlab_finds_the_encoders_in_the_scope_of_the_plugin() -> None:
    assert ENCODERS.scope == 'cclgan'
    assert isinstance(ENCODERS.build({'type': 'cclgan.CLIPEncoder', 'weights': 'random'}), CLIPEncoder)


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ('CLIPEncoder', ['keys and values', "'CLIPEncoder'"]),
        ({'weights': 'random'}, ['"type" is missing', 'VGG19Encoder']),
        ({'type': 'CLIPEncodr'}, ['unknown type "CLIPEncodr"', 'Did you mean "CLIPEncoder"?']),
        ({'type': 'CLIPEncoder', 'wieghts': 'x'}, ['"wieghts"', 'Did you mean "weights"?', 'model']),
        ({'type': 'CLIPEncoder', 'layers': ['a']}, ['unknown key "layers"']),
        ({'type': 'CLIPEncoder', 'weights': None}, ['weights', 'None']),
        ({'type': 'CLIPEncoder', 'model': 32}, ['model', '32']),
        ({'type': 'CLIPEncoder', 'weight': '1e-4'}, ['weight', "'1e-4'", 'number']),
        ({'type': 'CLIPEncoder', 'weight': True}, ['weight', 'True']),
        ({'type': 'CLIPEncoder', 'weight': -1.0}, ['weight', '-1.0', 'at least 0']),
        ({'type': 'CLIPEncoder', 'weight': float('nan')}, ['weight', 'nan', 'finite']),
        ({'type': 'VGG19Encoder', 'layers': []}, ['layers', '[]']),
        ({'type': 'VGG19Encoder', 'layers': 'relu1_1'}, ['layers', 'list']),
        ({'type': 'VGG19Encoder', 'layers': [1]}, ['layers', '1']),
        ({'type': 'VGG19Encoder', 'layers': ['relu1_1', 'relu1_1']}, ['layers', 'twice']),
        ({'type': 'VGG19Encoder', 'layers': ['relu3_5']}, ['"relu3_5"', 'Did you mean "relu3_', 'relu5_4']),
        (
            {'type': 'VGG19Encoder', 'layers': ['relu1_1'], 'layer_weights': [1, 2]},
            ['layer_weights', '2 num'],
        ),
        ({'type': 'VGG19Encoder', 'layers': ['relu1_1'], 'layer_weights': 3}, ['layer_weights', 'list']),
        ({'type': 'VGG19Encoder', 'layers': ['relu1_1'], 'layer_weights': ['x']}, ['layer_weights', "'x'"]),
        ({'type': 'RegisteredEncoder', 'weights': 'random', 'layers': ['a']}, ['"network" is missing']),
        (
            {'type': 'RegisteredEncoder', 'network': {'num': 1}, 'weights': 'random', 'layers': ['a']},
            ['network', '"type"'],
        ),
    ],
)
def test_a_mistake_is_named_with_what_was_expected(options: Any, words: list[str]) -> None:
    with pytest.raises(OptionError) as caught:
        build_encoder(options)
    for word in words:
        assert word in str(caught.value)


def test_building_an_encoder_imports_neither_open_clip_nor_torchvision() -> None:
    program = (
        'import sys\n'
        'import cclgan_plugin.encoders\n'
        "assert 'open_clip' not in sys.modules\n"
        'before = set(sys.modules)\n'
        "cclgan_plugin.encoders.build_encoder({'type': 'CLIPEncoder'})\n"
        "cclgan_plugin.encoders.build_encoder({'type': 'VGG19Encoder'})\n"
        "late = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "assert not late & {'open_clip', 'torchvision', 'timm', 'huggingface_hub'}, late\n"
    )
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    subprocess.run([sys.executable, '-c', program], check=True, timeout=120, env=environment)
