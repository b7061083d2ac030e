"""What CCLGAN leaves on the disk: networks, the state of a training, and how both are taken up again."""

from __future__ import annotations

from typing import Any

from basicsr.utils import get_root_logger

from cclgan_plugin.mends.metrics_without_truth import measuring_sets
from cclgan_plugin.models.cclgan_parts import SIDE_NETWORKS, CCLGANParts
from cclgan_plugin.models.image_pool import ImagePool
from cclgan_plugin.models.run_record import RunRecord
from cclgan_plugin.training.finite_guard import FiniteGuard
from cclgan_plugin.training.retention import remove_older


class CCLGANStates(CCLGANParts):
    """The networks of CCLGAN and what a resumed run needs besides them.

    Attributes:
        pools: the image pool of each translation.
        guard: counts the iterations that were skipped.
        current_iter: the last iteration.
        record: the curves and pictures of the run.
    """

    pools: dict[str, ImagePool]
    guard: FiniteGuard
    current_iter: int
    record: RunRecord

    def save(self, epoch: int, current_iter: int) -> None:
        """Write every network and, unless this is the final model (-1), the training state.

        Raises:
            TrainingError: a file cannot be written.
        """
        self._save_generator('net_g', current_iter)
        for name in SIDE_NETWORKS:
            if name in self.nets:
                self.save_network(self.nets[name], f'net_{name}', current_iter)
        self.save_training_state(epoch, current_iter)
        keep, path = self.opt['logger'].get('keep_last'), self.opt['path']
        if keep and current_iter != -1 and self.opt['rank'] == 0:
            remove_older(path['models'], path['training_states'], current_iter, keep)

    def _save_generator(self, label: str, when: int | str) -> None:
        ema = [self.net_g_ema] if hasattr(self, 'net_g_ema') else []
        self.save_network([self.net_g, *ema], label, when, ['params', 'params_ema'][: 1 + len(ema)])

    def _update_best_metric_result(
        self, dataset_name: str, metric: str, val: float, current_iter: Any
    ) -> None:
        """BasicSR's; the best network by ``logger.keep_best`` is saved too; that there is none is told."""
        super()._update_best_metric_result(dataset_name, metric, val, current_iter)
        if not self.is_train or metric != self.opt['logger'].get('keep_best'):
            return
        datasets, kind = self.opt['datasets'], self.opt['val']['metrics'][metric]['type']
        if dataset_name != datasets[next(measuring_sets(datasets, kind))]['name']:
            return
        found = self.best_metric_results[dataset_name][metric]['iter']
        if found == current_iter:
            self._save_generator('net_g_best', metric)
        elif found == -1 and self.record.finished:
            # No comparison with NaN is true, so that no validation of the run was ever the best.
            get_root_logger().warning(
                f'keep_best: {metric} could not be measured on any image of {dataset_name}; '
                f'there is no net_g_best_{metric}.pth'
            )

    def extra_training_state(self) -> dict[str, Any]:
        """What a resumed run needs besides optimizers and schedulers; locations follow from the iteration."""
        return {
            'skipped': self.guard.skipped,
            'scalers': self.precision.state_dict(),
        }

    def extra_rank_state(self) -> dict[str, Any]:
        """What is different on every process, besides its generators of random numbers."""
        return {'pools': {symbol: pool.state_dict() for symbol, pool in self.pools.items()}}

    def resume_training(self, resume_state: dict[str, Any]) -> None:
        """Put everything back to where it was, on each process its own.

        With another number of processes than before (``path.resume_changed: allow``) the image pools are
        dealt out anew.
        """
        super().resume_training(resume_state)
        ranks = resume_state.get('ranks') or []
        if ranks:
            own = ranks[self.opt['rank'] % len(ranks)]
            for symbol, state in own['pools'].items():
                self.pools[symbol].load_state_dict(state, self.device)
        self.guard.skipped = resume_state.get('skipped', 0)
        self.precision.load_state_dict(resume_state.get('scalers', {}))
        self.current_iter = int(resume_state['iter'])
        self.record.resume(self.current_iter)
