"""Training steps whose kernels are recorded in CUDA graphs once and replayed in every later iteration.

A step has thousands of kernels, most of them shorter than the host needs to ask for one. A graph is asked for
as a whole. It runs the same kernels on the same memory each time: what goes in is copied there, and what
comes out is overwritten by the next iteration.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

Result = TypeVar('Result')

#: Iterations of a kind before it is recorded, in which encoders are built and algorithms chosen.
WARM_UP = 3
#: Each kind holds the activations of a step.
MOST_KINDS = 4


class Recorder:
    """Runs the parts of an iteration: as they are, or recorded and replayed.

    The parts of an iteration run in the same order in every iteration of its kind, and may build upon each
    other: a part that takes gradients can begin where an earlier one has ended. What is not run through the
    recorder may read what a part has returned, until the next iteration begins.

    Args:
        device: whose kernels are recorded; ``None`` = nothing is recorded.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self.device = device
        self._seen: Counter[Hashable] = Counter()
        self._kind: Hashable = None
        self._recorded: dict[tuple[Hashable, str], _Recorded] = {}
        self._stage = _Stage(device) if device is not None else None

    def begin(self, kind: Hashable) -> None:
        """Say that an iteration begins: what the parts of the one before have returned is no longer read.

        Args:
            kind: equal for iterations that run the same kernels, on inputs of the same shapes.
        """
        self._kind = kind
        if kind in self._seen or len(self._seen) < MOST_KINDS:
            self._seen[kind] += 1

    def run(self, part: str, function: Callable[..., Result], inputs: Sequence[Tensor]) -> Result:
        """``function(*inputs)``, or the same by replaying it.

        Args:
            part: its name, once per iteration.
            function: of tensors on the device; besides them it may read only what earlier parts of the
                iteration have returned, and what stays where it is, such as weights.
            inputs: its arguments.
        """
        if self._stage is None:
            return function(*inputs)
        if self._seen[self._kind] <= WARM_UP:
            return self._stage.run(function, inputs)
        key = self._kind, part
        if key not in self._recorded:
            self._recorded[key] = self._stage.record(function, inputs)
        result: Result = self._recorded[key].replay(inputs)
        return result


class _Stage:
    """The stream and the memory of recordings.

    Warming up happens on the same stream: a weight remembers the stream on which its gradient is summed, and
    a recording must not wait for another one.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def run(self, function: Callable[..., Result], inputs: Sequence[Tensor]) -> Result:
        current = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            result = function(*inputs)
        current.wait_stream(self._stream)
        return result

    def record(self, function: Callable[..., Any], inputs: Sequence[Tensor]) -> _Recorded:
        graph = torch.cuda.CUDAGraph()
        own = [x.detach().clone() for x in inputs]
        # Other threads, such as those that pin memory, may do as they like meanwhile.
        with torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode='thread_local'):
            result = function(*own)
        return _Recorded(graph, own, result)


class _Recorded:
    def __init__(self, graph: Any, inputs: list[Tensor], result: Any) -> None:
        self._graph, self._inputs, self._result = graph, inputs, result

    def replay(self, inputs: Sequence[Tensor]) -> Any:
        if self._inputs:
            torch._foreach_copy_(self._inputs, list(inputs))
        self._graph.replay()
        return self._result
