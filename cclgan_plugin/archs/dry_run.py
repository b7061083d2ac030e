"""One run of a network for the sake of the shapes that come out of its modules."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cclgan_plugin.archs.untouched import run_untouched


@dataclass(frozen=True)
class ModuleOutput:
    """What a module gives in its first run.

    Attributes:
        name: of the module, as ``named_modules()`` spells it.
        kind: its class.
        shape: of its output; None if it does not run, or gives anything but one tensor.
        is_map: the output is a map ``(N, C, h, w)`` of the N images that came in.
    """

    name: str
    kind: str
    shape: tuple[int, ...] | None
    is_map: bool


@dataclass(frozen=True)
class DryRun:
    """What one run of a network has shown.

    Attributes:
        input: shape of what it was run on.
        modules: every module inside the network, in its own order.
        output: shape of the network's output; of several stages, the last one's; None if there is no tensor.
    """

    input: tuple[int, ...]
    modules: tuple[ModuleOutput, ...]
    output: tuple[int, ...] | None


def dry_run(net: nn.Module, x: Tensor) -> DryRun:
    """Run ``net(x)`` without gradient; weights, buffers, mode and random state are afterwards as before.

    Args:
        net: any network of one argument.
        x: its input, ``(N, C, H, W)``, on its device.
    """
    shapes: dict[str, tuple[int, ...] | None] = {}

    def note(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        shapes.setdefault(name, tuple(output.shape) if isinstance(output, Tensor) else None)

    images: list[tuple[int, ...]] = []

    def note_output(module: nn.Module, inputs: Any, output: Any) -> None:
        outputs = output if isinstance(output, (list, tuple)) else [output]
        images.extend(tuple(one.shape) for one in outputs if isinstance(one, Tensor))

    named = dict(net.named_modules())
    handles = [module.register_forward_hook(partial(note, name)) for name, module in named.items()]
    handles.append(net.register_forward_hook(note_output))
    try:
        with torch.no_grad(), torch.random.fork_rng([x.device] if x.is_cuda else []):
            run_untouched(net, x)
    finally:
        for handle in handles:
            handle.remove()
    found = []
    for name, module in named.items():
        shape = shapes.get(name)
        # Attention has maps too, of windows of images.
        is_map = shape is not None and len(shape) == 4 and shape[0] == len(x)
        found.append(ModuleOutput(name, type(module).__name__, shape, is_map))
    return DryRun(tuple(x.shape), tuple(found[1:]), images[-1] if images else None)
