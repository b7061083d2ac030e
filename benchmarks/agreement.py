"""Whether two steps compute the same: their losses and gradients at the same weights."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from benchmarks.step_variants import StepVariant


@dataclass(frozen=True)
class Agreement:
    """How far a step is from the oracle's at the same weights, before either has learnt anything.

    Attributes:
        losses: the largest difference of a loss, over the larger of that loss and 1.
        gradients: by network, the length of the gradients' difference over the length of the oracle's.
    """

    losses: float
    gradients: dict[str, float]

    @property
    def worst_gradient(self) -> float:
        """Of all networks."""
        return max(self.gradients.values())


class OracleGradients:
    """The losses and gradients of the oracle, for others to be held against."""

    def __init__(self, variant: StepVariant, losses: Mapping[str, Tensor]) -> None:
        self._losses = {name: loss.item() for name, loss in losses.items()}
        self._gradients = {name: gradient.float().cpu() for name, gradient in variant.gradients().items()}

    def compare(self, variant: StepVariant, losses: Mapping[str, Tensor]) -> Agreement:
        """``variant`` has just stepped without learning, with these losses.

        Raises:
            ValueError: it has other losses than the oracle.
        """
        if losses.keys() != self._losses.keys():
            raise ValueError(f'losses {sorted(losses)} cannot be compared with {sorted(self._losses)}')
        worst = max(
            abs(losses[name].item() - loss) / max(1.0, abs(loss)) for name, loss in self._losses.items()
        )
        found = variant.gradients()
        difference: dict[str, float] = defaultdict(float)
        length: dict[str, float] = defaultdict(float)
        for name, expected in self._gradients.items():
            net = name.partition('.')[0]
            length[net] += expected.square().sum().item()
            if name in found:
                expected = expected - found[name].float().cpu()
            difference[net] += expected.square().sum().item()
        relative = {
            net: (square / length[net]) ** 0.5 if square else 0.0 for net, square in difference.items()
        }
        return Agreement(worst, relative)
