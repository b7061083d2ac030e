"""Weights that describe their network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from cclgan_plugin.archs import CCLGANGenerator
from cclgan_plugin.errors import WeightsError
from cclgan_plugin.inference.built_network import build_network
from cclgan_plugin.inference.weights_file import (
    NOTE,
    NetworkWeights,
    read_note,
    read_weights,
    write_weights,
)
from cclgan_plugin.options import registered

OPTIONS = {'width': 4, 'num_blocks': 1, 'residual': True}


@pytest.fixture
def weights(make_network):
    return NetworkWeights(
        'CCLGANGenerator', OPTIONS, make_network(**OPTIONS).state_dict(), {'licence': 'none'}
    )


def test_a_network_comes_back_without_a_yaml(weights, tmp_path, make_network):
    write_weights(tmp_path / 'a.safetensors', weights)
    found = read_weights(tmp_path / 'a.safetensors')
    assert (found.arch, found.options, found.info) == ('CCLGANGenerator', OPTIONS, {'licence': 'none'})
    x = torch.rand(1, 3, 20, 24)
    torch.testing.assert_close(build_network(found, 'a')(x), make_network(**OPTIONS)(x), rtol=0, atol=0)


def test_half_precision_halves_the_file_and_computes_in_float32(weights, tmp_path):
    write_weights(tmp_path / 'a.safetensors', weights)
    write_weights(tmp_path / 'b.safetensors', weights, half=True)
    sizes = [(tmp_path / name).stat().st_size for name in ('a.safetensors', 'b.safetensors')]
    assert sizes[1] < 0.6 * sizes[0]
    network = build_network(read_weights(tmp_path / 'b.safetensors'), 'b')
    assert {tensor.dtype for tensor in network.parameters()} == {torch.float32}


def test_a_weight_beyond_float16_is_refused(weights, tmp_path):
    weights.tensors['stem.conv.weight'] = weights.tensors['stem.conv.weight'] * 1e8
    with pytest.raises(WeightsError, match=r'stem\.conv\.weight: .* does not fit into float16'):
        write_weights(tmp_path / 'a.safetensors', weights, half=True)
    assert not list(tmp_path.iterdir())


def test_programs_that_see_tensors_only_find_the_description(weights, tmp_path):
    write_weights(tmp_path / 'a.safetensors', weights)
    note = read_note(load_file(tmp_path / 'a.safetensors')[NOTE])
    assert json.loads(note['options']) == OPTIONS


@pytest.mark.parametrize('note', [b'[' * 100_000, b'\xff', b'[]', b'{"cclgan_format": 1}', b'1' * 5000])
def test_a_damaged_description_among_the_tensors_is_named(note):
    with pytest.raises(WeightsError, match='"_description": the description of the network is damaged'):
        read_note(torch.tensor(list(note), dtype=torch.uint8))
    with pytest.raises(WeightsError, match='"_description": the description of the network is damaged'):
        read_note(torch.tensor([0.5]))


def _described(**changes):
    return {'cclgan_format': '1', 'arch': 'CCLGANGenerator', 'options': json.dumps(OPTIONS), **changes}


@pytest.mark.parametrize(
    ('metadata', 'message'),
    [
        ({'format': 'pt'}, 'does not say which network'),
        (_described(cclgan_format='2'), 'install a later cclgan-plugin'),
        (_described(cclgan_format='²'), 'written in version ² of the format'),
        (_described(cclgan_format='1' * 5000), 'written in version 1{20} of the format'),
        (_described(options='[' * 100_000), 'description of the network is damaged'),
        (_described(options='{"num_blocks": ' + '1' * 5000 + '}'), 'description of the network is damaged'),
        (_described(options='{'), 'description of the network is damaged'),
        (_described(options='[]'), 'description of the network is damaged'),
        (_described(arch='CCLGANGenerato'), 'Did you mean "CCLGANGenerator"'),
        (_described(options='{"widht": 4}'), 'refuses its options: .*widht'),
        (_described(options='{"width": 8}'), 'the weights do not fit CCLGANGenerator'),
        (_described(arch='CCLGANDiscriminator', options='{"width": 4}'), 'do not fit CCLGANDiscriminator'),
    ],
)
def test_files_of_other_kinds_are_named_with_what_is_wrong(weights, tmp_path, metadata, message):
    file = tmp_path / 'a.safetensors'
    save_file(weights.tensors, file, metadata=metadata)
    with pytest.raises(WeightsError, match=f'(?s)a.safetensors: .*{message}'):
        build_network(read_weights(file), str(file))


def test_weights_that_are_no_numbers_are_refused(weights, tmp_path):
    """Every picture would come out black."""
    first = next(iter(weights.tensors))
    tensors = {**weights.tensors, first: torch.full_like(weights.tensors[first], float('nan'))}
    with pytest.raises(
        WeightsError, match=r'x\.safetensors: CCLGANGenerator makes values that are no finite'
    ):
        build_network(NetworkWeights(weights.arch, weights.options, tensors), 'x.safetensors')


def test_a_network_that_makes_no_image_is_refused(tmp_path):
    from cclgan_plugin.archs import CCLGANDiscriminator

    tensors = CCLGANDiscriminator(width=4).state_dict()
    write_weights(tmp_path / 'd.safetensors', NetworkWeights('CCLGANDiscriminator', {'width': 4}, tensors))
    with pytest.raises(WeightsError, match=r'no network that derains: .* it makes \(1, 1, '):
        build_network(read_weights(tmp_path / 'd.safetensors'), 'd')


def test_a_description_takes_no_memory_that_the_weights_do_not_fill(weights, monkeypatch):
    """Of 115 GB, when a stranger writes so: the network is compared before it gets memory."""
    asked = []

    def built(**options):
        network = CCLGANGenerator(**options)
        asked.append(next(network.parameters()).device.type)
        return network

    monkeypatch.setattr('cclgan_plugin.options.registered.find', lambda *_: built)
    grown = NetworkWeights(weights.arch, OPTIONS | {'width': 8}, weights.tensors)
    with pytest.raises(WeightsError, match=r'x\.safetensors: the weights do not fit CCLGANGenerator'):
        build_network(grown, 'x.safetensors')
    assert asked == ['meta']
    build_network(weights, 'x.safetensors')
    assert asked == ['meta', 'meta', 'cpu']


class OnlyOnCPU(torch.nn.Module):
    """A network that cannot be built without memory, as SwinIR."""

    def __init__(self, width=2):
        super().__init__()
        torch.zeros(1).item()
        self.wide = torch.nn.Linear(width, width)


@pytest.mark.parametrize(
    ('arch', 'options'),
    [
        ('CCLGANGenerator', OPTIONS | {'num_blocks': 10**9}),
        ('CCLGANGenerator', OPTIONS | {'num_blocks': 900_000}),
        ('RRDBNet', {'num_in_ch': 3, 'num_out_ch': 3, 'num_feat': 4, 'num_grow_ch': 2, 'num_block': 900_000}),
        ('SwinIR', {'depths': [10**9], 'num_heads': [6]}),
        ('SwinIR', {'depths': [900_000, 900_000], 'num_heads': [6, 6]}),
        ('OnlyOnCPU', {'width': 60_000}),  # 14 GB, which nobody may touch
    ],
)
def test_a_description_takes_no_more_than_the_weights_are(weights, monkeypatch, arch, options):
    found = registered.find
    monkeypatch.setattr(
        'cclgan_plugin.options.registered.find',
        lambda group, name: OnlyOnCPU if name == 'OnlyOnCPU' else found(group, name),
    )
    message = rf'x\.safetensors: {arch} with its options is far larger than the \d+ tensors of the file'
    with pytest.raises(WeightsError, match=message):
        build_network(NetworkWeights(arch, options, weights.tensors), 'x.safetensors')
    # What is built afterwards is not counted any more.
    torch.nn.Sequential(*(torch.nn.Identity() for _ in range(2000)))


@pytest.mark.parametrize(
    ('arch', 'options', 'message'),
    [
        ('BasicVSR', {'spynet_path': '/etc/hostname'}, r'spynet_path names another file \("/etc/hostname"\)'),
        ('VGGFeatureExtractor', {'layer_name_list': ['relu1_1']}, 'fetches weights by itself'),
    ],
)
def test_weights_open_and_fetch_nothing_else(arch, options, message, monkeypatch):
    def fail(*_, **__):
        raise AssertionError('something was read')

    monkeypatch.setattr('torch.load', fail)
    monkeypatch.setattr('torch.hub.load_state_dict_from_url', fail)
    with pytest.raises(WeightsError, match=message):
        build_network(NetworkWeights(arch, options, {}), 'x.safetensors')


@pytest.mark.parametrize('content', [b'', b'{}', b'\x08\0\0\0\0\0\0\0{"a": 1}', b'\xff' * 100])
def test_damaged_files(tmp_path, content):
    (tmp_path / 'a.safetensors').write_bytes(content)
    with pytest.raises(WeightsError, match=r'a\.safetensors: (not a readable|the file does not say)'):
        read_weights(tmp_path / 'a.safetensors')


def test_a_truncated_file(weights, tmp_path):
    file = tmp_path / 'a.safetensors'
    write_weights(file, weights)
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(WeightsError, match=r'not a readable \.safetensors file'):
        read_weights(file)


@pytest.mark.parametrize('path', ['missing.safetensors', '.'])
def test_missing_files(tmp_path, path):
    with pytest.raises(WeightsError, match=r'there is no such file|this is a folder'):
        read_weights(Path(tmp_path, path))
