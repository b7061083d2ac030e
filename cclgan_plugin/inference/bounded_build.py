"""A network that a stranger's description asks for grows no further than the weights beside it reach."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from torch import Tensor
from torch.nn.modules import module as modules

from cclgan_plugin.errors import WeightsError
from cclgan_plugin.inference.weights_file import NetworkWeights

#: Parts (modules and parameters) for each tensor of the file, and besides. Every tensor is one parameter or
#: buffer; with the modules around them BasicSR's networks and ours have 1.1 to 4.1 parts for each. The rest
#: is for what is built and thrown away, such as the end of a network of which the beginning is taken.
_PARTS, _SPARE_PARTS = 20, 1000

#: Numbers in parameters for each one in the file, and besides (1 GB in float32, for the same reason).
_NUMBERS, _SPARE_NUMBERS = 4, 1 << 28

#: What the whole numbers among the options may come to in the smallest file. They count blocks, channels and
#: pixels: together they are thousands, and in a large network far less than the numbers that it has learnt.
_SMALLEST = 1_000_000


@contextlib.contextmanager
def bounded_build(weights: NetworkWeights, where: str) -> Iterator[None]:
    """While a network is built in this block, it is stopped once it cannot be the one of the tensors.

    A comparison afterwards would be too late: a number in a description may ask for a billion blocks.

    Args:
        weights: the description, and what is to be loaded into the network.
        where: the file, for messages.

    Raises:
        WeightsError: from the constructor that adds a part too many, before the part's memory is touched; or
            at once if the options have numbers that no network needs (of which a list may be made first).
    """
    error = WeightsError(
        f'{where}: {weights.arch} with its options is far larger than the {len(weights.tensors)} tensors of '
        'the file; expected the options that the weights were made with'
    )
    stored = sum(tensor.numel() for tensor in weights.tensors.values())
    if _exceeds(weights.options, max(stored, _SMALLEST)):
        raise error
    here = threading.get_ident()
    parts = _PARTS * len(weights.tensors) + _SPARE_PARTS
    numbers = _NUMBERS * stored + _SPARE_NUMBERS

    def added(_: Any, __: str, part: Any) -> None:
        nonlocal parts, numbers
        if threading.get_ident() != here:  # the hooks are those of the process
            return
        parts -= 1
        numbers -= part.numel() if isinstance(part, Tensor) else 0
        if parts < 0 or numbers < 0:
            raise error

    with contextlib.ExitStack() as hooks:
        hooks.enter_context(modules.register_module_module_registration_hook(added))
        hooks.enter_context(modules.register_module_parameter_registration_hook(added))
        yield


def _exceeds(options: Any, limit: int) -> bool:
    """Whether the whole numbers in options, and how many values these have, come to more than ``limit``."""
    values = [options]
    while values and limit >= 0:
        value = values.pop()
        limit -= 1 + (abs(value) if isinstance(value, int) else 0)
        if isinstance(value, (list, tuple)):
            values += value
        elif isinstance(value, dict):
            values += value.values()
    return limit < 0
