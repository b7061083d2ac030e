"""Feature levels of any network, by the names of its modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from cclgan_plugin.archs.dry_run import DryRun
from cclgan_plugin.archs.untouched import run_untouched
from cclgan_plugin.errors import OptionError, did_you_mean

#: The level that is the network's input.
IMAGE = 'image'

#: More names than this are cut to those of the outer modules in a message.
MANY = 80


def level_channels(net: nn.Module, run: DryRun, image_channels: int = 3) -> dict[str, int]:
    """Channels of every feature level of a network.

    These are its own ``feature_channels``, its input, :data:`IMAGE`, and every module that gives one map
    ``(N, C, h, w)``. A level that the network declares wins over a module of the same name.
    """
    modules = {found.name: found.shape[1] for found in run.modules if found.shape and found.is_map}
    return {**modules, IMAGE: image_channels, **_declared(net)}


def require_levels(channels: Mapping[str, int], levels: Iterable[str], where: str, name: str) -> None:
    """Raise an OptionError, which begins with ``where``, unless each level is one of ``channels``."""
    for level in levels:
        if level not in channels:
            raise OptionError(
                f'{where}: {name} has no feature level "{level}".{did_you_mean(level, channels)} '
                f'It has: {listed(channels)}'
            )


def listed(names: Iterable[str]) -> str:
    """The names as one text; of very many, those of modules that are no deeper than two."""
    names = list(names)
    outer = names if len(names) <= MANY else [name for name in names if name.count('.') < 2]
    more = f', and {len(names) - len(outer)} inside these; basicsr layers -opt FILE shows all'
    return ', '.join(outer) + (more if len(outer) < len(names) else '')


class _AllCaptured(Exception):
    """Ends a forward pass whose remaining modules nobody needs."""


class Recording:
    """The levels of the latest run of a network, without gradient."""

    def __init__(self) -> None:
        self.input: Tensor | None = None
        self.version = 0
        self.features: dict[str, Tensor] = {}

    def start(self, x: Any) -> None:
        """A run begins, with ``x`` as its input."""
        self.input = x if isinstance(x, Tensor) else None
        self.version = x._version if isinstance(x, Tensor) else 0
        self.features = {}

    def of(self, x: Tensor, levels: Iterable[str]) -> dict[str, Tensor] | None:
        """The levels, if the latest run had ``x`` as its input and all of them are there."""
        same = (
            self.input is not None
            and self.input.data_ptr() == x.data_ptr()
            and self.input.shape == x.shape
            and self.input.stride() == x.stride()
            and self.version == x._version
        )
        return dict(self.features) if same and all(level in self.features for level in levels) else None


class ModuleLevels:
    """Takes feature maps out of the middle of a network that need not know of it.

    A level is the output of the module of that name as it leaves the module, in its first run; ``image`` is
    the network's input. Levels that the network declares itself (``feature_channels``) are asked of its
    ``encode``.

    Args:
        net: the bare network; it keeps its weights, buffers and mode whatever is done here.
        levels: names out of :func:`level_channels`; declared ones are not mixed with others.

    Raises:
        OptionError: there is no such level, none at all, or levels that the network declares stand beside
            names of modules.
    """

    def __init__(self, net: nn.Module, levels: Iterable[str]) -> None:
        self.net = net
        self.levels = (levels,) if isinstance(levels, str) else tuple(levels)
        if not self.levels:
            raise OptionError(f'{type(net).__name__}: expected names of feature levels, got none')
        self.declared = all(level in _declared(net) for level in self.levels)
        named = dict(net.named_modules(remove_duplicate=False))
        hooked = [] if self.declared else [level for level in self.levels if level != IMAGE]
        for level in hooked:
            if level not in named and level in _declared(net):
                raise OptionError(
                    f'"{level}" is a feature level that {type(net).__name__} declares '
                    f'({", ".join(_declared(net))}); it cannot stand beside names of modules'
                )
            if level not in named:
                raise OptionError(
                    f'{type(net).__name__} has no module "{level}".{did_you_mean(level, named)} '
                    f'It has: {listed(name for name in named if name)}'
                )
        self.modules = {level: named[level] for level in hooked}
        self._encoding = False

    def encode(self, x: Tensor, weights: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """Feature maps by level, with gradient; what lies behind the last level is not computed.

        Args:
            x: images ``(N, 3, H, W)``.
            weights: in the place of the network's, see :func:`~cclgan_plugin.archs.untouched.own_weights`.

        Returns:
            ``(N, C, h, w)`` for each level.

        Raises:
            OptionError: the network never runs a module, or runs it without gradient, or the module gives
                anything but one tensor.
        """
        if self.declared:
            inner = {f'net.{name}': weight for name, weight in (weights or {}).items()}
            return run_untouched(_Encoding(self.net, self.levels), x, inner)
        found: dict[str, Tensor] = {IMAGE: x} if IMAGE in self.levels else {}

        def keep(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
            if not isinstance(output, Tensor):
                raise OptionError(
                    f'{type(self.net).__name__}: its module "{name}" ({type(module).__name__}) gives a '
                    f'{type(output).__name__}, and a feature level is one tensor; take a module inside or '
                    'behind it'
                )
            # A copy: an in-place activation behind a convolution would change what was captured.
            found.setdefault(name, output.clone())
            if len(found) == len(self.levels):
                raise _AllCaptured

        handles = [m.register_forward_hook(partial(keep, name)) for name, m in self.modules.items()]
        self._encoding = True
        try:
            if self.modules:
                run_untouched(self.net, x, weights)
        except _AllCaptured:
            pass
        finally:
            self._encoding = False
            for handle in handles:
                handle.remove()
        idle = [level for level in self.levels if level not in found]
        if idle:
            raise OptionError(f'{type(self.net).__name__} never runs its module "{idle[0]}"')
        if torch.is_grad_enabled() and x.requires_grad:
            for level in self.levels:
                if not found[level].requires_grad:
                    raise OptionError(
                        f'{type(self.net).__name__} computes its module "{level}" without a gradient, as '
                        'torch.utils.checkpoint does with use_reentrant=True; take another level, or '
                        'use_reentrant=False'
                    )
        return {level: found[level] for level in self.levels}

    @contextmanager
    def recording(self) -> Iterator[Recording]:
        """While somebody else runs the network, keep the levels that pass by.

        Levels that the network declares cannot be seen from outside; they are never recorded.
        """
        seen = Recording()

        def start(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            if not self._encoding:
                seen.start(inputs[0] if inputs else None)
                if IMAGE in self.levels and isinstance(seen.input, Tensor):
                    seen.features[IMAGE] = seen.input.detach()

        def keep(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
            if not self._encoding and isinstance(output, Tensor) and name not in seen.features:
                seen.features[name] = output.detach().clone()

        # For this time only: hooks that stay would be copied along with the network, and saved with it.
        handles = [m.register_forward_hook(partial(keep, name)) for name, m in self.modules.items()]
        handles.append(self.net.register_forward_pre_hook(start))
        try:
            yield seen
        finally:
            for handle in handles:
                handle.remove()


class _Encoding(nn.Module):
    """``net.encode`` as the forward pass of a module."""

    def __init__(self, net: nn.Module, levels: tuple[str, ...]) -> None:
        super().__init__()
        self.net, self.levels = net, levels

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return cast(Any, self.net).encode(x, self.levels)


def _declared(net: nn.Module) -> dict[str, int]:
    declared = getattr(net, 'feature_channels', None)
    return dict(declared) if isinstance(declared, Mapping) and hasattr(net, 'encode') else {}
