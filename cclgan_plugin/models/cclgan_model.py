"""The face of CCLGAN that BasicSR sees: it feeds the training step, steps the optimizers, logs and saves."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from basicsr.utils.registry import MODEL_REGISTRY
from torch import Generator, Tensor

from cclgan_plugin.errors import OptionError
from cclgan_plugin.models.cclgan_parts import SIDE_NETWORKS, CCLGANParts
from cclgan_plugin.models.image_pool import ImagePool
from cclgan_plugin.models.run_record import RunRecord
from cclgan_plugin.models.step import CCLGANStep, Locations, Translations
from cclgan_plugin.seeds import derive_seed
from cclgan_plugin.training.distributed import average_gradients, mean_over_processes
from cclgan_plugin.training.finite_guard import FiniteGuard, NonFiniteLoss, finite_weights
from cclgan_plugin.training.plain_values import plain_values


@MODEL_REGISTRY.register()
class CCLGANModel(CCLGANParts):
    """Unsupervised deraining from unpaired images; testing, saving, EMA and validation are SRModel's.

    ``net_g`` is G_n, rain-free from rainy, the network one keeps. The training options are those of
    ``options/train_cclgan.yml``; which of the networks and losses exist decides whether the run is CCLGAN,
    CycleGAN, a one-sided or a two-sided contrastive model.
    """

    def __init__(self, opt: dict[str, Any]) -> None:
        if opt['num_gpu'] > 1 and not opt['dist'] and opt['is_train']:
            raise OptionError(
                f'num_gpu: {opt["num_gpu"]} needs one process per GPU: '
                f'torchrun --nproc_per_node={opt["num_gpu"]} -m cclgan_plugin train -opt FILE '
                '--launcher pytorch'
            )
        self.log_dict: dict[str, float] = {}
        super().__init__(opt)

    # ------------------------------------------------------------------ building

    def init_training_settings(self) -> None:
        """Build what only training needs, all of it before the optimizers."""
        train_opt = self.opt['train']
        self.seed = int(self.opt['manual_seed'])
        self.build_parts()
        self.step = CCLGANStep(self.nets, self.criteria, self.step_modes())
        self.net_d_iters = train_opt.get('net_d_iters', 1)
        self.net_d_init_iters = train_opt.get('net_d_init_iters', 0)
        self.pools = {
            symbol: ImagePool(train_opt.get('pool_size', 0), derive_seed(self.seed, symbol))
            for symbol in ('c^', 'r^')
        }
        self.guard = FiniteGuard()
        self.current_iter = 0
        self._last_losses: dict[str, Tensor] = {}
        self._last_images: dict[str, Tensor] = {}
        self.record = RunRecord(self.opt)
        self.setup_optimizers()
        self.setup_schedulers()

    # ------------------------------------------------------------------ training

    def feed_data(self, data: dict[str, Any]) -> None:
        """Take a batch: training pairs, or one validation image with or without ground truth."""
        super().feed_data(data)
        self.lq_path = data.get('lq_path')

    def optimize_parameters(self, current_iter: int) -> None:
        """One iteration: the discriminators, then (see ``net_d_iters``) the generators and heads.

        Raises:
            NonFiniteLoss: a loss or gradient is not finite; the last good state has been saved.
        """
        self.current_iter = current_iter
        generator_step = current_iter % self.net_d_iters == 0 and current_iter > self.net_d_init_iters
        try:
            made = self.step.translate(self.lq, self.gt, generator_step)
            losses = self._step_discriminators(made)
            if generator_step:
                losses |= self._step_generators(made)
        except NonFiniteLoss as error:
            self._save_last_good(error)
        self._last_losses = losses
        self._last_images = made.images

    def _step_discriminators(self, made: Translations) -> dict[str, Tensor]:
        fake = {
            s: pool.exchange(made.images[s], self.current_iter)
            for s, pool in self.pools.items()
            if s in made.images
        }
        self._require_grad('d', True)
        losses = self.step.discriminator_losses(made.images, fake)
        self._update(losses, [self.optimizer_d])
        return losses

    def _step_generators(self, made: Translations) -> dict[str, Tensor]:
        self._require_grad('d', False)
        losses = self.step.generator_losses(made, self._draw_locations())
        optimizers = [self.optimizer_g] + ([self.optimizer_h] if 'h' in self.nets else [])
        self._update(losses, optimizers)
        if self.ema_decay > 0:
            self.model_ema(decay=self.ema_decay)
        return losses

    def _update(self, losses: dict[str, Tensor], optimizers: list[torch.optim.Optimizer]) -> None:
        parameters = [p for o in optimizers for group in o.param_groups for p in group['params']]
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        average_gradients(parameters)
        self.guard.check(losses, parameters, self.current_iter, optimizers)
        for optimizer in optimizers:
            optimizer.step()

    def _require_grad(self, group: str, value: bool) -> None:
        for name, net in self.nets.items():
            if name[0] == group:
                net.requires_grad_(value)

    def _draw_locations(self) -> Locations:
        """The locations of this iteration: the same on every rank, and after a resume."""
        generator = Generator().manual_seed(derive_seed(self.seed, 'locations', self.current_iter))
        height, width = self.lq.shape[-2:]
        return self.step.draw_locations(height, width, generator).to(self.device)

    def _save_last_good(self, error: NonFiniteLoss) -> None:
        last_good = error.iteration - 1
        if not finite_weights(self.nets.values()):
            saved = 'the weights are not finite either, so only earlier states are of use'
        elif last_good > 0:
            self.save(self._epoch_of(last_good), last_good)
            saved = f'the state of iteration {last_good} was saved in {self.opt["path"]["training_states"]}'
        else:
            saved = 'it was the first, so there was no good state to save'
        raise NonFiniteLoss(error.term, error.value, error.iteration, saved) from None

    def _epoch_of(self, iteration: int) -> int:
        return (iteration - 1) // self.opt['datasets']['train']['iters_per_epoch']

    # ------------------------------------------------------------------ logs, pictures, states

    def get_current_log(self) -> dict[str, float]:
        """The losses of the last iteration, averaged over the processes; read from the device only here."""
        self.guard.flush()
        if self._last_losses:
            values = mean_over_processes(
                torch.stack([v.detach().float() for v in self._last_losses.values()])
            )
            self.log_dict = OrderedDict(zip(self._last_losses, values.tolist(), strict=True))
            self.record.losses(self.current_iter, self.log_dict)
        return OrderedDict(self.log_dict)

    def validation(self, dataloader: Any, current_iter: int, tb_logger: Any, save_img: bool = False) -> None:
        """SRModel's validation, plus pictures of the training images and, at the end, of each result."""
        if not self.is_train:
            super().validation(dataloader, current_iter, tb_logger, save_img)
            return
        with self.record.validating(self, dataloader, tb_logger, self._last_images):
            super().validation(dataloader, current_iter, tb_logger, save_img)

    def get_current_visuals(self) -> OrderedDict[str, Tensor]:
        """``lq``, ``result`` and, where there is one, ``gt`` of the image just tested, on the CPU."""
        visuals = super().get_current_visuals()
        if self.is_train:
            self.record.result(self.lq_path, visuals)
        return visuals

    def save(self, epoch: int, current_iter: int) -> None:
        """Write every network and, unless this is the final model, the training state."""
        self.guard.flush()
        ema = [self.net_g_ema] if hasattr(self, 'net_g_ema') else []
        self.save_network([self.net_g, *ema], 'net_g', current_iter, ['params', 'params_ema'][: 1 + len(ema)])
        for name in SIDE_NETWORKS:
            if name in self.nets:
                self.save_network(self.nets[name], f'net_{name}', current_iter)
        self.save_training_state(epoch, current_iter)
        if current_iter == -1:
            self.record.finish()

    def extra_training_state(self) -> dict[str, Any]:
        """What a resumed run needs besides optimizers and schedulers; locations follow from the iteration."""
        return {
            'pools': {symbol: pool.state_dict() for symbol, pool in self.pools.items()},
            'best_metric_results': plain_values(getattr(self, 'best_metric_results', {})),
        }

    def resume_training(self, resume_state: dict[str, Any]) -> None:
        """Put optimizers, schedulers, image pools and the best metrics back to where they were."""
        super().resume_training(resume_state)
        for symbol, state in resume_state.get('pools', {}).items():
            self.pools[symbol].load_state_dict(state, self.device)
        if resume_state.get('best_metric_results'):
            self.best_metric_results = resume_state['best_metric_results']
