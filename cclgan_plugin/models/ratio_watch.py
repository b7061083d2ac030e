"""A word about ratios of distances that begin without measure."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from cclgan_plugin.losses import InterCCLLoss, IntraCCLLoss

#: From this value of near / far on, the gradient is made of how small far happens to be.
LARGE = 1e3


class RatioWatch:
    """Warns once for each loss whose "far" is below a thousandth of its "near".

    So it is in a network that starts as the identity: its output is its input, and nothing is far. Divided by
    ``eps`` alone, the first gradient is a million times as large as those that follow, and Adam remembers it.

    Args:
        losses: by the names of their values in the log.
    """

    def __init__(self, losses: Mapping[str, IntraCCLLoss | InterCCLLoss | None]) -> None:
        self._unit = {name: (loss, _unit(loss)) for name, loss in losses.items() if loss is not None}

    def look(self, values: Mapping[str, float]) -> None:
        """The values of one step, weights included, as the log has them."""
        for name, (loss, unit) in list(self._unit.items()):
            ratio = values[name] / unit if unit and name in values else 0.0
            if ratio < LARGE:
                continue
            del self._unit[name]
            key = f'train.contrastive_opt.{name.removeprefix("l_")}'
            logging.getLogger('basicsr').warning(
                '%s: the output is all but the input, as in a network that starts as the identity; divided '
                'by so small a distance, the loss is %.1e times its weight, and its gradient drowns all '
                'others. Set %s.eps: %.1e or more, a tenth of the distance to the ground truth',
                key,
                ratio,
                key,
                0.1 * ratio * loss.eps,
            )


def _unit(loss: IntraCCLLoss | InterCCLLoss) -> float:
    """The value of a loss whose ratios are all 1."""
    if isinstance(loss, InterCCLLoss):
        return loss.loss_weight * len(loss.layers) / loss.num_trained
    return loss.loss_weight * sum(encoder.weight * sum(encoder.layer_weights) for encoder in loss.encoders)
