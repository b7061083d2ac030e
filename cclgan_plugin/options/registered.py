"""Everything that can be named in a ``type:``, and what its constructor takes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cclgan_plugin.options.schema import Kind

#: Arguments that the caller supplies, so that they are not keys of the options.
SUPPLIED: dict[str, frozenset[str]] = {
    'LCLHead': frozenset({'channels'}),
    'optimizer': frozenset({'params'}),
    'scheduler': frozenset({'optimizer', 'last_epoch'}),
    'metric': frozenset({'img', 'img2'}),
}


@dataclass(frozen=True)
class Signature:
    """The keys that a constructor takes.

    Attributes:
        known: names of its arguments, without those that the caller supplies.
        required: those of them without a default.
        open: it takes any further key (``**kwargs``).
    """

    known: tuple[str, ...]
    required: tuple[str, ...]
    open: bool


def names_of(kind: Kind) -> list[str]:
    """All names registered under ``kind``, sorted."""
    return sorted(name.removesuffix('_basicsr') for name in _registered(kind))


def find(kind: Kind, name: str) -> Callable[..., Any] | None:
    """The class or function registered under that name, or None."""
    registered = _registered(kind)
    # BasicSR's registries also find "X" under "X_basicsr".
    return registered.get(name, registered.get(f'{name}_basicsr'))


def is_basicsr_s(kind: Kind, name: str) -> bool:
    """Whether BasicSR itself defines what that name stands for."""
    return getattr(find(kind, name), '__module__', '').startswith('basicsr.')


def signature_of(kind: Kind, name: str) -> Signature | None:
    """The keys of that name; None if it takes one options map (datasets, models) or cannot tell."""
    target = find(kind, name)
    if target is None or kind in ('dataset', 'model'):
        return None
    try:
        parameters = list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError):
        return None
    supplied = SUPPLIED.get(name, frozenset()) | SUPPLIED.get(kind, frozenset())
    named = [
        p
        for p in parameters
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in supplied
    ]
    return Signature(
        known=tuple(p.name for p in named),
        required=tuple(p.name for p in named if p.default is p.empty),
        open=any(p.kind is p.VAR_KEYWORD for p in parameters),
    )


def default_of(kind: Kind, name: str, key: str) -> Any:
    """The constructor's default of one key, or None."""
    target = find(kind, name)
    parameter = inspect.signature(target).parameters.get(key) if target else None
    return None if parameter is None or parameter.default is parameter.empty else parameter.default


def overrides(model_type: str, method: str) -> bool:
    """Whether a model has its own version of a method of BasicSR's models, e.g. ``get_optimizer``."""
    from basicsr.models.base_model import BaseModel

    own = getattr(find('model', model_type), method, None)
    if own is None or hasattr(BaseModel, method):
        return own is not None and own is not getattr(BaseModel, method)
    # setup_optimizers, which every model of BasicSR has, but not their base.
    return not own.__module__.startswith(('basicsr.', 'cclgan_plugin.'))


@functools.cache
def _import_everything() -> None:
    """Fill the registries: ours by loading the plugin, BasicSR's by importing its packages."""
    import cclgan_plugin

    cclgan_plugin.load()
    import basicsr.archs
    import basicsr.data
    import basicsr.losses
    import basicsr.metrics
    import basicsr.models  # noqa: F401


def _registered(kind: Kind) -> dict[str, Callable[..., Any]]:
    _import_everything()
    from basicsr.utils import registry

    if kind == 'encoder':
        from cclgan_plugin.encoders import ENCODERS

        return dict(ENCODERS.module_dict)
    if kind == 'optimizer':
        import torch

        from cclgan_plugin.mends.optimizer_by_name import NAMES

        return {name: getattr(torch.optim, name) for name in NAMES}
    if kind == 'scheduler':
        from cclgan_plugin.mends.scheduler_by_name import known_schedulers

        return dict(known_schedulers())
    registries = {
        'arch': registry.ARCH_REGISTRY,
        'loss': registry.LOSS_REGISTRY,
        'dataset': registry.DATASET_REGISTRY,
        'metric': registry.METRIC_REGISTRY,
        'model': registry.MODEL_REGISTRY,
    }
    return dict(registries[kind]._obj_map)
