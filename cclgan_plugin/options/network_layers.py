"""The modules of the networks that an options file describes, with the shapes of what they give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cclgan_plugin.errors import OptionError
from cclgan_plugin.options.check import OURS
from cclgan_plugin.options.inherit import LoadedOptions
from cclgan_plugin.options.problems import Problem, raise_problems, shown
from cclgan_plugin.options.walk import Walk

NETWORKS = ('network_g', 'network_d')


def network_layers(loaded: LoadedOptions, size: int | None = None) -> Iterator[str]:
    """One table for each of ``network_g`` and ``network_d`` that there is.

    Args:
        loaded: options as read from a file. Only the networks are checked: people ask for names to fill in
            elsewhere.
        size: side of the square image that the generator gets, in pixels; by default that of training crops.
            The discriminator gets what a generator makes of it.

    Raises:
        OptionError: there is no network, or one has wrong options or does not run on an image.
    """
    from cclgan_plugin.models.contrastive_dry_runs import crop_size

    values = loaded.values
    if size is not None and size < 1:
        raise OptionError(f'--size {size}, expected at least 1 pixel')
    walk = Walk(str(values.get('model_type')), strict=False)
    blocks = {name: walk.block('arch', values[name], (name,)) for name in NETWORKS if values.get(name)}
    raise_problems([*walk.problems, *_wrong_sizes(values)], loaded)
    if not blocks:
        raise OptionError(f'{loaded.file}: there is neither network_g nor network_d')
    scale = int(values.get('scale') or 1)
    small = size or max(max(crop_size(values)) // scale, 1)
    ours = values.get('model_type') == OURS
    for name, block in blocks.items():
        yield _table(name, block, small if name == 'network_g' else small * scale, ours)


def _wrong_sizes(values: dict[str, Any]) -> Iterator[Problem]:
    """What the size of a training crop is reckoned from, as far as it is no number."""
    datasets = values.get('datasets')
    train = datasets.get('train') if isinstance(datasets, dict) else None
    if train is not None and not isinstance(train, dict):
        yield Problem(('datasets', 'train'), f'expected a map of keys, got {shown(train)}')
        train = None
    for path, block in (
        (('scale',), values),
        (('gt_size',), values),
        (('datasets', 'train', 'gt_size'), train),
    ):
        value = (block or {}).get(path[-1])
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if value is not None and (not number or value < 1):
            yield Problem(path, f'expected a number of at least 1, got {shown(value)}')


def _table(name: str, block: dict[str, Any], size: int, declared_only: bool) -> str:
    import torch
    from basicsr.archs import build_network

    from cclgan_plugin.archs.dry_run import dry_run
    from cclgan_plugin.archs.module_levels import level_channels

    with torch.random.fork_rng(devices=[]):
        net = build_network(dict(block))
        channels = int(block.get('num_in_ch') or 3)
        try:
            run = dry_run(net, torch.rand(2, channels, size, size))
        except Exception as error:
            # A stranger's forward pass: whatever it raises, it is this image that it does not take.
            raise OptionError(
                f'{name} ({block["type"]}) does not run on an image of {size} x {size} pixels and {channels} '
                f'channels: {type(error).__name__}: {error}. Another size: --size PIXELS'
            ) from error
    levels = {level: str(count) for level, count in level_channels(net, run, channels).items()}
    declared: dict[str, str] = {}
    if hasattr(net, 'feature_sizes'):
        sizes = net.feature_sizes(size, size)
        declared = {level: _shape((1, n, *sizes[level])) for level, n in net.feature_channels.items()}
        # CCLGANModel knows levels by the networks' own names for them alone.
        levels = declared if declared_only else levels | declared
    of_module = {found.name for found in run.modules}
    title = f'{name}: {block["type"]}, image {channels} x {size} x {size} -> {_shape(run.output)}'
    rows = [(f'* {level}', 'level', shape) for level, shape in levels.items() if level not in of_module]
    rows += [
        (
            f'* {found.name}' if found.name in levels else f'  {found.name}',
            found.kind,
            # A level that the network declares under a module's name need not be what the module gives.
            declared.get(found.name)
            or (levels.get(found.name, '-') if found.shape is None else _shape(found.shape)),
        )
        for found in run.modules
    ]
    first, second = (max(len(row[i]) for row in rows) for i in (0, 1))
    lines = [f'{a:{first}}  {b:{second}}  {c}'.rstrip() for a, b, c in rows]
    return '\n'.join([title, *lines, ''])


def _shape(shape: tuple[int, ...] | None) -> str:
    """Of one image: channels x height x width."""
    return '-' if shape is None else ' x '.join(map(str, shape[1:])) or '1'
