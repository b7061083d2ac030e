"""Do these tensors belong to that network? Asked by name and shape, before anything is copied."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from cclgan_plugin.errors import WeightsError

Shapes = dict[str, tuple[int, ...]]


def shapes_of(network: nn.Module) -> Shapes:
    """Name and shape of every tensor in the network's state; the network may be on the meta device."""
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def require_fit(tensors: Mapping[str, Tensor], expected: Shapes, path: Path, network: str) -> None:
    """Raise a :class:`WeightsError` unless names and shapes agree exactly.

    Args:
        tensors: what the file ``path`` holds.
        expected: what ``network``, named in the message, needs.
    """
    wrong = [
        f'it lacks "{name}" {shape}'
        if name not in tensors
        else f'its "{name}" is {tuple(tensors[name].shape)} instead of {shape}'
        for name, shape in expected.items()
        if name not in tensors or tuple(tensors[name].shape) != shape
    ]
    wrong += [f'its "{name}" has no place there' for name in tensors if name not in expected]
    if wrong:
        first = next(iter(tensors), None)
        example = f', such as "{first}" {tuple(tensors[first].shape)}' if first is not None else ''
        more = f' (and {len(wrong) - 1} more disagreements)' if len(wrong) > 1 else ''
        raise WeightsError(
            f'{path}: these are not the weights of {network}: {wrong[0]}{more}. '
            f'The file holds {len(tensors)} tensors{example}; {len(expected)} were expected.'
        )
