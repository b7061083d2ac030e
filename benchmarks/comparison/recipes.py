"""A method, a scale, a protocol and a seed, made into one options file for ``basicsr train``."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.comparison.plan_files import Method, Protocol, Scale
from cclgan_plugin.options.inherit import load_options, merge
from cclgan_plugin.zoo.address import SCHEME
from cclgan_plugin.zoo.index import find_entry

ROOT = Path(__file__).resolve().parents[2]

#: What the method page calls the semantic encoder is CLIP; here it is what can be had without a network.
ENCODER = {
    '_delete_': True,
    'type': 'VGG19Encoder',
    'weights': '{weights}/vgg19_imagenet_conv_u8.npz',
    'layers': ['relu2_2'],
}

#: Options of reading, of logging, and of how a step is computed: the same images come in the same order out
#: of all of them, and, but for rounding, the same weights.
_NO_MATTER = (
    *('num_worker_per_gpu', 'persistent_workers', 'prefetch_mode', 'pin_memory', 'cache', 'uint8'),
    *('channels_last', 'compile', 'cuda_graphs', 'checkpointing'),
    *('logger', 'dist_params'),
)

#: Options of CCLGANModel that SRModel does not have.
_OURS = ('amp', 'channels_last', 'cuda_graphs', 'intra_ccl_opt')


def training_options(method: Method, scale: Scale, protocol: Protocol, seed: int) -> dict[str, Any]:
    """The options of one training, with ``{data}``, ``{work}`` and ``{weights}`` where folders belong."""
    assert method.base is not None
    base = load_options(ROOT / method.base)
    layers = [
        _scaled(base.values, scale),
        *_of_method(base.values, method, scale),
        _of_run(method, protocol, scale, seed),
    ]
    for layer in layers:
        base = merge(base, _only_known(layer, base.values), {})
    return copy.deepcopy(base.values)


def _scaled(base: Mapping[str, Any], scale: Scale) -> dict[str, Any]:
    options = copy.deepcopy(scale.options)
    half = scale.iterations // 2
    options.setdefault('train', {})
    options['train'] |= {
        'total_iter': scale.iterations,
        'scheduler': {
            '_delete_': True,
            'type': 'LinearDecayLR',
            'decay_start': half,
            'decay_end': scale.iterations,
        },
    }
    if (base['train'].get('intra_ccl_opt') or {}).get('encoder'):
        options['train']['intra_ccl_opt'] = {'encoder': ENCODER}
    return options


def _of_method(base: Mapping[str, Any], method: Method, scale: Scale) -> list[dict[str, Any]]:
    layers = [copy.deepcopy(method.options)]
    if method.other_generator:
        layers.append(dict.fromkeys(('network_g', 'network_g_rain'), scale.other_generator))
    if method.own_recipe:
        train = base['train']
        # The iterations of a scale are the generators'; what the discriminators learn before comes on top.
        first = train['net_d_init_iters']
        first = min(first, round(scale.iterations * first / (train['total_iter'] - first)))
        last = first + scale.iterations
        layers.append(
            {
                'train': {
                    'ema_decay': train['ema_decay'],
                    'net_d_init_iters': first,
                    'total_iter': last,
                    'scheduler': {'decay_start': last - scale.iterations // 2, 'decay_end': last},
                },
                **{name: {'_delete_': True, **base[name]} for name in ('network_g', 'network_g_rain')},
            }
        )
    return layers


def _of_run(method: Method, protocol: Protocol, scale: Scale, seed: int) -> dict[str, Any]:
    train: dict[str, Any] = {'name': protocol.name}
    if method.pairs:
        train |= {
            'dataroot_lq': '{work}/pairs/' + protocol.name + '/rainy',
            'dataroot_gt': '{work}/pairs/' + protocol.name + '/clean',
        }
    else:
        for key, side, name in (('lq', protocol.rainy, 'rainy'), ('gt', protocol.clean, 'clean')):
            assert side is not None  # checked before anything is trained
            train[f'dataroot_{key}'] = '{data}' if side.root == '.' else '{data}/' + side.root
            train[f'meta_info_file_{key}'] = (
                f'{{work}}/lists/{protocol.name}-{name}.txt' if side.lists else None
            )
    return {
        'name': f'{protocol.name}-{scale.name}-{method.name}-{seed}',
        'manual_seed': seed,
        'datasets': {'train': train, 'val': None},
        'path': {'root': '{work}'},
        'val': None,
        'logger': {
            'print_freq': max(1, scale.iterations // 100),
            'save_checkpoint_freq': max(1, scale.iterations // 4),
            'use_tb_logger': False,
        },
    }


def _only_known(layer: dict[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """A layer without networks that a method has not, and without what BasicSR's own model lacks."""
    kept = {k: v for k, v in layer.items() if not (k.startswith('network_') and base.get(k) is None)}
    if base['model_type'] != 'CCLGANModel':
        for block, keys in ((kept.get('train'), _OURS), (kept.get('datasets', {}).get('train'), ('cache',))):
            for key in keys:
                if block is not None:
                    block.pop(key, None)
    return kept


def options_hash(options: Mapping[str, Any]) -> str:
    """Twelve digits that change with all that can change the weights by more than rounding.

    That is the options, and the published weights that the training starts from.
    """
    starts = {
        key: find_entry(value.removeprefix(SCHEME)).sha256
        for key, value in options.get('path', {}).items()
        if isinstance(value, str) and value.startswith(SCHEME)
    }
    text = json.dumps(_without(options, _NO_MATTER), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256((text + json.dumps(starts) if starts else text).encode()).hexdigest()[:12]


def _without(options: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {
        key: _without(value, names) if isinstance(value, dict) else value
        for key, value in options.items()
        if key not in names
    }


def write_options(options: Mapping[str, Any], file: Path, folders: Mapping[str, Path]) -> None:
    """Write the options file of a run with real folders in it."""

    def fill(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: fill(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [fill(inner) for inner in value]
        if isinstance(value, str):
            for name, folder in folders.items():
                value = value.replace(f'{{{name}}}', str(folder))
        return value

    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        yaml.safe_dump(fill(dict(options)), sort_keys=False, allow_unicode=True), encoding='utf-8'
    )
