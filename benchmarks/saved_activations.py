"""What the graphs of a step keep in memory for their backward passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import torch
from torch import Tensor


def _storage(tensor: Tensor) -> tuple[int, int]:
    """Identity and bytes of the memory behind a tensor, of all of it, however little the tensor shows."""
    storage = tensor.untyped_storage()
    return storage._cdata, storage.nbytes()


class SavedActivations:
    """Bytes that autograd holds, each piece of memory once, weights not counted.

    Args:
        constants: tensors that are there anyway: weights and buffers of all networks.

    Attributes:
        sizes: bytes by piece of memory, of those held now. What a graph gives back, after its backward pass
            or because nobody needs it any more, is gone from here.
        total: their sum.
        peak: the largest ``total`` so far.
    """

    def __init__(self, constants: Iterable[Tensor]) -> None:
        self._constants = {_storage(tensor)[0] for tensor in constants}
        self._holders: Counter[int] = Counter()
        self.sizes: dict[int, int] = {}
        self.total = 0
        self.peak = 0

    def watch(self) -> torch.autograd.graph.saved_tensors_hooks:
        """A context in which everything saved is counted, until it is given back."""
        return torch.autograd.graph.saved_tensors_hooks(self._pack, lambda held: held.tensor)

    def _pack(self, tensor: Tensor) -> _Held:
        return _Held(self, tensor)

    def _take(self, key: int, size: int) -> None:
        if key in self._constants:
            return
        self._holders[key] += 1
        if key not in self.sizes:
            self.sizes[key] = size
            self.total += size
            self.peak = max(self.peak, self.total)

    def _give_back(self, key: int) -> None:
        if key in self._constants:
            return
        self._holders[key] -= 1
        if not self._holders[key]:
            self.total -= self.sizes.pop(key)

    def by_node(self, outputs: Iterable[Tensor]) -> Counter[str]:
        """Bytes by the kind of node that holds them; memory that several kinds hold is named after all.

        Args:
            outputs: the losses, before their backward pass.
        """
        kinds: dict[int, set[str]] = {}
        todo = [tensor.grad_fn for tensor in outputs if tensor.grad_fn is not None]
        seen = set(todo)
        while todo:
            node = todo.pop()
            for tensor in _saved(node):
                kinds.setdefault(_storage(tensor)[0], set()).add(node.name().removesuffix('0'))
            for following, _ in node.next_functions:
                if following is not None and following not in seen:
                    seen.add(following)
                    todo.append(following)
        found: Counter[str] = Counter()
        for key, size in self.sizes.items():
            found[' + '.join(sorted(kinds.get(key, {'another graph'})))] += size
        return found


class _Held:
    """A saved tensor in autograd's hands. Its end tells the account."""

    def __init__(self, account: SavedActivations, tensor: Tensor) -> None:
        self._account = account
        # The tensor itself would hold its own node: a cycle that is never freed.
        self.tensor = tensor.detach()
        self._key, size = _storage(tensor)
        account._take(self._key, size)

    def __del__(self) -> None:
        self._account._give_back(self._key)


def _saved(node: torch.autograd.graph.Node) -> list[Tensor]:
    values = [getattr(node, name) for name in dir(node) if name.startswith('_saved_')]
    values += list(getattr(node, 'saved_tensors', ()))
    values += [entry for value in values if isinstance(value, tuple | list) for entry in value]
    return [value for value in values if isinstance(value, Tensor)]
