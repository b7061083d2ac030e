"""A network as a list of single operations with known shapes, for one size of image."""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from cclgan_plugin.errors import UserError

#: Tracing changes nn.Module for as long as it takes, so one thread traces at a time.
_TRACING = threading.Lock()


class TileError(UserError):
    """A network holds an operation that cannot be done band by band."""


@dataclass(frozen=True)
class Ref:
    """Stands for the result of another operation among the arguments of one."""

    index: int


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        index: its place in the list.
        function: the ATen operator; None for the image that goes in.
        args: its arguments; results of others are :class:`Ref`.
        kwargs: its keyword arguments.
        inputs: the operations that it refers to, without repetition.
        shape: of its result; ``()`` if the result is not one tensor.
        dtype: of its result.
        spatial: its result is a map ``(N, C, H, W)`` that has to be computed in bands; others are small.
    """

    index: int
    function: Callable[..., Any] | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    dtype: torch.dtype
    spatial: bool

    @property
    def name(self) -> str:
        """The operator without its overload, and without the mark of an operation in place."""
        if self.function is None:
            return 'image'
        text = getattr(self.function, '_schema', None)
        return text.name.removeprefix('aten::').removesuffix('_') if text else self.function.__name__

    @property
    def is_view(self) -> bool:
        """Whether its result lies where an input lies."""
        return _shares_memory(getattr(self.function, '_schema', None))

    @property
    def bytes(self) -> int:
        """Size of the whole result."""
        return _count(self.shape) * self.dtype.itemsize


def trace(
    network: nn.Module, shape: tuple[int, ...], device: torch.device, dtype: torch.dtype
) -> list[Operation]:
    """What ``network`` computes for an image of this shape, without computing or allocating it.

    Args:
        network: maps ``(N, 3, H, W)`` to a tensor.
        shape: ``(1, 3, H, W)``.
        device: of the network.
        dtype: float32, or what autocast works in.

    Returns:
        The operations in the order of the computation; the first is the image, the last gives the result.
    """
    # In inference mode, tracing would take operators apart further than there are rules for.
    with (
        torch.inference_mode(False),
        torch.no_grad(),
        torch.autocast(device.type, dtype, enabled=dtype != torch.float32),
    ):
        with FakeTensorMode(allow_non_fake_inputs=True):
            image = torch.empty(shape, dtype=torch.float32, device=device)
        with _TRACING:
            module = make_fx(lambda x: network(x), tracing_mode='fake')(image)
    for node in module.graph.nodes:
        if _writes_into_part(node):
            raise TileError(f'exact tiles: the network writes into a part of a map ({node.target})')
    module.graph.eliminate_dead_code()
    return _Builder(module).operations


class _Builder:
    def __init__(self, module: torch.fx.GraphModule) -> None:
        self.operations: list[Operation] = []
        #: What each node has become: an operation, or a value that does not depend on the image.
        self.found: dict[torch.fx.Node, Any] = {}
        for node in module.graph.nodes:
            if node.op == 'get_attr':
                self.found[node] = operator.attrgetter(str(node.target))(module)
            elif node.op in ('placeholder', 'call_function'):
                self.found[node] = self._add(node)
            elif node.op == 'output':
                result = self.found[node.args[0]]
        # What comes behind the result is not needed for it.
        del self.operations[result.index + 1 :]

    def _add(self, node: torch.fx.Node) -> Any:
        args: Any = torch.fx.map_arg(node.args, lambda n: self.found[n])
        kwargs: Any = torch.fx.map_arg(node.kwargs, lambda n: self.found[n])
        inputs = tuple(dict.fromkeys(ref.index for ref in refs((args, kwargs))))
        function: Any = None if node.op == 'placeholder' else node.target
        if function is not None and not inputs:
            with torch.no_grad():
                return function(*args, **kwargs)
        if function is operator.getitem and args[1] == 0 and self.operations[args[0].index].spatial:
            return args[0]  # a norm's first result, the image; the others are its statistics
        value = node.meta.get('val')
        first = value[0] if isinstance(value, (tuple, list)) else value
        if not isinstance(first, Tensor):
            raise TileError(f'exact tiles: {function} of the network gives no tensor')
        spatial = first.ndim == 4 and (
            function is None or (not reduces(function, args) and self._any_spatial(inputs))
        )
        if isinstance(value, (tuple, list)) and spatial and 'norm' not in str(function):
            raise TileError(f'exact tiles do not know the operation {function} of the network')
        operation = Operation(
            len(self.operations), function, args, kwargs, inputs, tuple(first.shape), first.dtype, spatial
        )
        self.operations.append(operation)
        return Ref(operation.index)

    def _any_spatial(self, inputs: Iterable[int]) -> bool:
        return any(self.operations[i].spatial for i in inputs)


def _shares_memory(schema: Any) -> bool:
    return schema is not None and any(result.alias_info is not None for result in schema.returns)


def _writes_into_part(node: torch.fx.Node) -> bool:
    """Whether an operation in place changes a view of what others read: they would not know of the change."""
    schema = getattr(node.target, '_schema', None)
    if schema is None or not schema.is_mutable:
        return False
    for arg, argument in zip(node.args, schema.arguments, strict=False):
        if argument.alias_info is not None and argument.alias_info.is_write:
            while (base := _viewed(arg)) is not None:
                if len(base.users) > 1:
                    return True
                arg = base
    return False


def _viewed(node: Any) -> torch.fx.Node | None:
    """What an operation gives a view of; None if it gives none."""
    schema: Any = getattr(getattr(node, 'target', None), '_schema', None)
    if not _shares_memory(schema) or schema.is_mutable:
        return None
    base = node.args[0]
    return base if isinstance(base, torch.fx.Node) else None


def refs(values: Any) -> Iterable[Ref]:
    """All references in nested arguments."""
    if isinstance(values, Ref):
        yield values
    elif isinstance(values, dict):
        for value in values.values():
            yield from refs(value)
    elif isinstance(values, (tuple, list)):
        for value in values:
            yield from refs(value)


def put_in(values: Any, results: dict[int, Any]) -> Any:
    """Nested arguments with the results in place of the references."""
    if isinstance(values, Ref):
        return results[values.index]
    if isinstance(values, dict):
        return {key: put_in(value, results) for key, value in values.items()}
    if isinstance(values, (tuple, list)):
        return type(values)(put_in(value, results) for value in values)
    return values


def reduces(function: Any, args: tuple[Any, ...]) -> bool:
    """Whether an operation takes a mean or variance over all pixels of each channel."""
    if function not in REDUCTIONS:
        return False
    return {d % 4 for d in args[1] or ()} == {2, 3}


#: Reductions over height and width whose result is small.
REDUCTIONS = (
    torch.ops.aten.mean.dim,
    torch.ops.aten.sum.dim_IntList,
    torch.ops.aten.var.correction,
    torch.ops.aten.var_mean.correction,
)


def _count(shape: tuple[int, ...]) -> int:
    total = 1
    for side in shape:
        total *= side
    return total
