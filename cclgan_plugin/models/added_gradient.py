"""The gradient of further losses, added to that of a model which knows nothing of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.hooks import RemovableHandle

from cclgan_plugin.archs.module_levels import Recording
from cclgan_plugin.archs.untouched import own_weights
from cclgan_plugin.errors import TrainingError
from cclgan_plugin.models.contrastive_terms import ContrastiveTerms
from cclgan_plugin.training.gradient_exchange import average_gradients
from cclgan_plugin.training.loss_scale import Scalings, loss_scale, noting_scalings
from cclgan_plugin.training.optimizer_parameters import parameters_of


class AddedGradient:
    """Watches a BasicSR model's ``output``, and adds d(losses)/d(output) where its backward pass comes by.

    A hook on the tensor runs when the gradient of everything that the model made of its output is complete
    and about to flow into the generator. It is there that the losses are computed, so a step that trains no
    generator costs nothing, and a gradient that reaches the generator is in place before it is averaged over
    processes. What the losses send into weights otherwise than through the output (LCL's queries, encoded by
    the generator) goes to their ``grad`` at the same moment; the heads have an optimizer of their own, which
    steps with the generator's.

    Args:
        model: with ``lq``, ``gt``, ``output``, ``net_g`` and ``optimizer_g``.
        terms: the losses.
        head_optimizer: of LCL's heads, if there are any.

    Attributes:
        losses: by name, of the latest time that they were added, without gradient.
    """

    def __init__(
        self, model: Any, terms: ContrastiveTerms, head_optimizer: torch.optim.Optimizer | None = None
    ) -> None:
        self.model, self.terms, self.head_optimizer = model, terms, head_optimizer
        self.losses: dict[str, Tensor] = {}
        self._name = type(model).__name__.removeprefix('Contrastive')
        self._seen: Recording | None = None
        self._scalings: Scalings = []
        self._iteration = 0
        self._active = self._stepped = self._heads_wait = False
        self._serial = self._added = 0
        self._hooks: list[RemovableHandle] = []
        model.optimizer_g.register_step_post_hook(self._after_step)

    @contextmanager
    def iteration(self, number: int) -> Iterator[None]:
        """Around the model's own ``optimize_parameters``.

        Raises:
            TrainingError: the model has stepped on a gradient that never passed through ``output``.
        """
        self._iteration, self._stepped, self.losses, self._serial, self._added = number, False, {}, 0, 0
        with self.terms.recording() as self._seen, noting_scalings() as self._scalings:
            self._active = True
            try:
                yield
            finally:
                self._active, self._seen = False, None
                # No garbage collector sees that a hook, inside the graph of an output, holds its model.
                for hook in self._hooks:
                    hook.remove()
                self._hooks.clear()
        if self._stepped and not self.losses:
            raise TrainingError(
                f'base_model_type: {self._name} trains its generator, but not through self.output, where the '
                'losses of train.contrastive_opt are added; nothing of them would have been learned'
            )

    def watch(self, output: Any) -> None:
        """The model has set its ``output``; what it set before is superseded."""
        if not (self._active and isinstance(output, Tensor) and output.requires_grad):
            return
        self._serial += 1
        # The closure must not hold the tensor itself: it would keep itself, and the graph, alive.
        hook = output.register_hook(
            partial(self._add, self._serial, output.detach(), output._version, _autocast(output))
        )
        self._hooks.append(hook)

    def _add(
        self, serial: int, output: Tensor, version: int, autocast: torch.autocast, grad: Tensor
    ) -> Tensor | None:
        if serial != self._serial or not self._active or not self._is_learnt_from():
            return None
        self._serial += 1  # a second backward pass through the same output adds nothing
        self._added += 1
        if output._version != version:
            raise TrainingError(
                f'base_model_type: {self._name} changes its output in place, so its gradient is not known'
            )
        lq, gt = self._images(output)
        net = self.terms.own_encoder()
        weights = own_weights(net, trained=True) if net is not None else {}
        heads = self._take_from_heads()
        leaf, scale = output.requires_grad_(), loss_scale(self._scalings, output.device)
        with torch.enable_grad():
            with autocast:
                draw = (self._iteration, self._added)
                losses = self.terms.losses(leaf, gt, lq, draw, self._seen, weights)
            (torch.stack(list(losses.values())).sum() * scale).backward()
        self._give_to_heads(heads, scale)
        if net is not None:
            self._add_to_generator(net, weights)
        self.losses = {name: loss.detach() for name, loss in losses.items()}
        return grad if leaf.grad is None else grad + leaf.grad.to(grad.dtype)

    def _is_learnt_from(self) -> bool:
        """Whether this pass adds to the generator's gradients; ``torch.autograd.grad`` only looks at some."""
        learning = (p for p in parameters_of(self.model.optimizer_g) if p.requires_grad)
        nodes = (torch.autograd.graph.get_gradient_edge(p).node for p in learning)
        try:
            return any(torch._C._will_engine_execute_node(node) for node in nodes)
        except RuntimeError:  # asked during torch.autograd.grad of what is no parameter
            return False

    def _images(self, output: Tensor) -> tuple[Tensor, Tensor]:
        missing = [name for name in ('lq', 'gt') if not isinstance(getattr(self.model, name, None), Tensor)]
        if missing:
            raise TrainingError(
                f'base_model_type: {self._name} has no self.{missing[0]}; the losses of '
                'train.contrastive_opt compare its output with lq and gt'
            )
        lq, gt = self.model.lq.detach(), self.model.gt.detach()
        if output.dim() != 4 or output.shape != gt.shape:
            raise TrainingError(
                f'base_model_type: the output of {self._name}, {tuple(output.shape)}, and gt, '
                f'{tuple(gt.shape)}, are not images of one size'
            )
        return lq, gt

    def _add_to_generator(self, net: nn.Module, weights: Mapping[str, Tensor]) -> None:
        averaged = isinstance(self.model.net_g, DistributedDataParallel)
        for name, p in net.named_parameters():
            grad = weights[name].grad
            if grad is None:
                continue
            if p.grad is None:
                p.grad = grad
                continue
            if averaged and bool(p.grad.count_nonzero()):
                # It may have been averaged and sent back already, and would then overwrite what is added.
                raise TrainingError(
                    'train.contrastive_opt.lcl.encoder: in several processes net_g cannot encode, because '
                    f'{self._name} adds up gradients of several backward passes; take a frozen encoder'
                )
            p.grad += grad

    def _take_from_heads(self) -> list[Tensor | None]:
        """The heads' gradients of earlier backward passes of the same step; their ``grad`` is then empty."""
        heads = self.terms.head_parameters()
        if self._heads_wait and self._is_cleared():
            self._clear_heads()  # of a step that was not taken, e.g. because its gradient overflowed
        earlier = [p.grad for p in heads]
        for p in heads:
            p.grad = None
        return earlier

    def _give_to_heads(self, earlier: list[Tensor | None], scale: Tensor) -> None:
        heads = self.terms.head_parameters()
        for p, before in zip(heads, earlier, strict=True):
            if p.grad is not None:
                p.grad = p.grad / scale if before is None else before + p.grad / scale
        self._heads_wait = bool(heads)

    def _is_cleared(self) -> bool:
        grads = [p.grad for p in parameters_of(self.model.optimizer_g)]
        return not any(g is not None and bool(g.count_nonzero()) for g in grads)

    def _clear_heads(self) -> None:
        assert self.head_optimizer is not None
        self.head_optimizer.zero_grad(set_to_none=True)
        self._heads_wait = False

    def _after_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        self._stepped = True
        if not self._heads_wait or self.head_optimizer is None:
            return
        overflow = getattr(optimizer, 'found_inf', None)  # fused optimizers skip the step by themselves
        if overflow is None or not bool(overflow):
            average_gradients(self.terms.head_parameters())
            self.head_optimizer.step()
        self._clear_heads()


def _autocast(output: Tensor) -> torch.autocast:
    """The mixed precision that is on now, to be used again during the backward pass."""
    kind = output.device.type
    return torch.autocast(kind, torch.get_autocast_dtype(kind), enabled=torch.is_autocast_enabled(kind))
