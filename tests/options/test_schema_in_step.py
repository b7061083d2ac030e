"""The schema, the constructors and the shipped file say the same about every key and default."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from cclgan_plugin.data.unpaired_settings import UnpairedSettings
from cclgan_plugin.options import registered
from cclgan_plugin.options.inherit import load_options
from cclgan_plugin.options.schema import BLOCKS, CCLGANOptions, Options
from cclgan_plugin.options.walk import model_in

ROOT = Path(__file__).parents[2]
#: Keys of torch's Adam and BasicSR's metrics that nobody needs in a table.
LEFT_OUT = {
    'Adam': {'foreach', 'maximize', 'capturable', 'differentiable', 'fused', 'decoupled_weight_decay'},
    'calculate_psnr': {'input_order'},
    'calculate_ssim': {'input_order'},
    'calculate_niqe': {'input_order'},
}
#: Keys that BasicSR's validation reads out of a metric's block, not the metric.
READ_ELSEWHERE = {'better'}


@pytest.mark.parametrize('kind_and_name', [key for key in BLOCKS if key[0] != 'dataset'], ids='-'.join)
def test_the_keys_of_a_block_are_those_of_its_constructor(kind_and_name: Any) -> None:
    """Names, which are required, and defaults; so a table can be believed."""
    kind, name = kind_and_name
    fields = BLOCKS[kind, name].model_fields
    signature = registered.signature_of(kind, name)
    assert signature is not None
    keys = fields.keys() - {'type'} - (READ_ELSEWHERE if kind == 'metric' else set())
    assert keys == set(signature.known) - LEFT_OUT.get(name, set())
    parameters = inspect.signature(registered.find(kind, name)).parameters  # type: ignore[arg-type]
    for key in keys:
        default = parameters[key].default
        # Two required keys of ours have a default in torch or the other way round: lr and nothing else.
        assert fields[key].is_required() == (default is inspect.Parameter.empty), key
        if default is not inspect.Parameter.empty:
            ours = fields[key].get_default(call_default_factory=True)
            assert (list(default) if isinstance(default, tuple) else default) == ours, key


def test_the_keys_of_the_unpaired_dataset_are_those_it_reads() -> None:
    """Beside them stand only the loader's keys and the name."""
    fields = BLOCKS['dataset', 'UnpairedImageDataset'].model_fields
    loader = {
        'num_worker_per_gpu', 'batch_size_per_gpu', 'dataset_enlarge_ratio', 'persistent_workers',
        'prefetch_mode', 'num_prefetch_queue', 'pin_memory', 'small_set',
    }  # fmt: skip
    settings = UnpairedSettings.__dataclass_fields__
    assert fields.keys() - {'type', 'name'} - loader == settings.keys() - {'manual_seed'}
    for key in settings.keys() & fields.keys() - {'io_backend', 'dataroot_lq', 'dataroot_gt'}:
        assert fields[key].get_default() == settings[key].default, key


def test_every_option_has_a_meaning() -> None:
    """One line for the tables, for every field of every model, and a docstring for every model."""

    def models(model: type[Options]) -> list[type[Options]]:
        inner = [model_in(field.annotation) for field in model.model_fields.values()]
        return [model, *(m for i in inner if i is not None for m in models(i))]

    for model in {m for top in (CCLGANOptions, *BLOCKS.values()) for m in models(top)}:
        assert model.__doc__
        for key, field in model.model_fields.items():
            assert field.description, f'{model.__name__}.{key}'
            assert '\n' not in field.description
            assert '|' not in field.description, 'would break a table'


def test_defaults_are_those_of_the_paper_s_file() -> None:
    """Where train_cclgan.yml spells a default out, it is that default."""
    values = load_options(ROOT / 'options' / 'train_cclgan.yml').values
    # The choices where the neutral default is "off" or another number. Bytes are faster, but who takes
    # the dataset alone expects floats.
    chosen = {'manual_seed', 'val.val_freq', 'val.metrics', 'train.optim_h', 'datasets.train.uint8'}
    chosen |= {f'train.{loss}_opt' for loss in ('idt', 'lcl', 'intra_ccl', 'inter_ccl')}
    chosen |= {f'network_{name}' for name in ('g_rain', 'd', 'd_rain', 'h', 'h_rain')}

    def compare(model: type[Options], given: dict[str, Any], path: str) -> None:
        for key, field in model.model_fields.items():
            inner = model_in(field.annotation)
            if inner is not None and isinstance(given.get(key), dict):
                compare(inner, given[key], f'{path}{key}.')
            elif key in given and not field.is_required() and f'{path}{key}' not in chosen:
                assert field.get_default(call_default_factory=True) == given[key], f'{path}{key}'

    compare(CCLGANOptions, values, '')
    train = values['datasets']['train']
    compare(BLOCKS['dataset', train['type']], train, 'datasets.train.')
    for network in (
        'network_g',
        'network_g_rain',
        'network_d',
        'network_d_rain',
        'network_h',
        'network_h_rain',
    ):
        compare(BLOCKS['arch', values[network]['type']], values[network], f'{network}.')
