"""The face of CCLGAN that BasicSR sees: it feeds the training step, steps the optimizers, logs and saves."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from basicsr.utils.registry import MODEL_REGISTRY
from torch import Generator, Tensor

from cclgan_plugin.errors import OptionError
from cclgan_plugin.models.cclgan_states import CCLGANStates
from cclgan_plugin.models.image_pool import ImagePool
from cclgan_plugin.models.run_record import RunRecord
from cclgan_plugin.models.step import CCLGANStep, Locations, Translations
from cclgan_plugin.seeds import derive_seed
from cclgan_plugin.training.deterministic import be_deterministic, named_operations
from cclgan_plugin.training.distributed import is_distributed, wait_for_all
from cclgan_plugin.training.epoch_plan import epoch_of
from cclgan_plugin.training.finite_guard import FiniteGuard, NonFiniteLoss, finite_weights
from cclgan_plugin.training.optimizer_parameters import parameters_of
from cclgan_plugin.training.recorder import Recorder
from cclgan_plugin.training.undo import Undo
from cclgan_plugin.training.update import Differentiated, Update


@MODEL_REGISTRY.register()
class CCLGANModel(CCLGANStates):
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
        if opt.get('deterministic'):
            be_deterministic()
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
        self.grad_accum = train_opt.get('grad_accum', 1)
        self.pools = {
            symbol: ImagePool(train_opt.get('pool_size', 0), derive_seed(self.seed, symbol))
            for symbol in ('c^', 'r^')
        }
        self.guard = FiniteGuard(train_opt.get('nan_limit', 0), deferred=self.device.type == 'cuda')
        self.current_iter = 0
        self._last_losses: dict[str, Tensor] = {}
        self._last_images: dict[str, Tensor] = {}
        self.record = RunRecord(self.opt)
        self.setup_optimizers()
        self.setup_schedulers()
        self.undo = Undo(self.optimizer_d)
        learning = (self.precision, self.guard, self.grad_accum, train_opt.get('grad_clip', 0.0))
        heads = [self.optimizer_h] if 'h' in self.nets else []
        self.update_d = Update('d', [self.optimizer_d], *learning)
        self.update_g = Update('g', [self.optimizer_g, *heads], *learning)
        self.recorder = self._build_recorder(train_opt.get('cuda_graphs', False))

    def _build_recorder(self, wanted: bool) -> Recorder:
        if wanted and is_distributed():
            raise OptionError(
                'train.cuda_graphs: processes exchange gradients within a step, which is not recorded; '
                'leave it out, or train in one process'
            )
        return Recorder(self.device if wanted else None)

    # ------------------------------------------------------------------ training

    def feed_data(self, data: dict[str, Any]) -> None:
        """Take a batch: training pairs, or one validation image with or without ground truth."""
        super().feed_data(data)
        self.lq_path = data.get('lq_path')

    def optimize_parameters(self, current_iter: int) -> None:
        """One iteration: the discriminators, then (see ``net_d_iters``) the generators and heads.

        An iteration with a loss or gradient that is no finite number changes no weight: it is skipped.

        Raises:
            NonFiniteLoss: more than ``nan_limit`` iterations were skipped; it says what has been saved.
        """
        self.current_iter = current_iter
        with named_operations():
            self._iterate(current_iter)
        if self.guard.exhausted:
            self._stop_at_nan()

    def _iterate(self, current_iter: int) -> None:
        self.guard.begin()
        generator_step = current_iter % self.net_d_iters == 0 and current_iter > self.net_d_init_iters
        whole = self.grad_accum == 1
        self.recorder.begin((self.lq.shape, self.lq.dtype, generator_step))

        def translate(rainy: Tensor, clean: Tensor) -> Translations:
            return self.step.translate(rainy, clean, generator_step and whole)

        made = [self.recorder.run('translations', translate, part) for part in self._parts()]
        losses, good = self._step_discriminators(made, generator_step)
        if generator_step and good:
            found, good = self._step_generators(made if whole else self._translated_again())
            losses |= found
            if self.guard.found is not None or not good:
                self.undo.restore(self.guard.found)
            if good and self.ema_decay > 0:
                self.model_ema(self.ema_decay, self.guard.found)
        self._last_losses = losses
        # Without their graph, which is still whole after an iteration that was skipped.
        self._last_images = {symbol: image.detach() for symbol, image in made[-1].images.items()}

    def _parts(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The batch in ``grad_accum`` equal parts, rainy and clean images."""
        if len(self.lq) % self.grad_accum:
            raise OptionError(
                f'train.grad_accum: {self.grad_accum} does not divide a batch of {len(self.lq)}'
            )
        return zip(self.lq.chunk(self.grad_accum), self.gt.chunk(self.grad_accum), strict=True)

    def _translated_again(self) -> Iterator[Translations]:
        """One part after the other with its graph, so that only one graph is in memory at a time."""
        return (self.step.translate(*part, True) for part in self._parts())

    def _step_discriminators(
        self, made: list[Translations], generator_step: bool
    ) -> tuple[dict[str, Tensor], bool]:
        fake = {
            s: pool.exchange(torch.cat([part.images[s] for part in made]), self.current_iter)
            for s, pool in self.pools.items()
            if s in made[0].images
        }
        self._let_discriminators_learn(True)
        if generator_step:
            self.undo.remember()

        def differentiate(*images: Tensor) -> Differentiated:
            shares = [dict(zip(fake, share, strict=True)) for share in _chunks(images, len(made))]
            pairs = zip(made, shares, strict=True)
            return self.update_d.differentiate(
                self.step.discriminator_losses(part.images, share) for part, share in pairs
            )

        found = self.recorder.run('discriminators', differentiate, list(fake.values()))
        return self.update_d.apply(found, self.current_iter)

    def _step_generators(self, made: Iterable[Translations]) -> tuple[dict[str, Tensor], bool]:
        self._let_discriminators_learn(False)
        locations = self._draw_locations()

        def differentiate(*where: Tensor) -> Differentiated:
            there = locations.replaced(where)
            return self.update_g.differentiate(self.step.generator_losses(part, there) for part in made)

        found = self.recorder.run('generators', differentiate, locations.tensors())
        return self.update_g.apply(found, self.current_iter)

    def _let_discriminators_learn(self, value: bool) -> None:
        # What a network of somebody else's has frozen is not the optimizer's, and stays as it is.
        for p in parameters_of(self.optimizer_d):
            p.requires_grad_(value)

    def _draw_locations(self) -> Locations:
        """The locations of this iteration: the same on every rank, and after a resume."""
        generator = Generator().manual_seed(derive_seed(self.seed, 'locations', self.current_iter))
        height, width = self.lq.shape[-2:]
        return self.step.draw_locations(height, width, generator).to(self.device)

    def _stop_at_nan(self) -> None:
        """Save the weights, which no bad step has touched, and end the run."""
        error = self.guard.last
        assert error is not None
        if self.guard.skipped > self.guard.limit:
            reason = f'{self.guard.skipped} skipped, nan_limit is {self.guard.limit}'
        else:
            reason = 'the last iteration was skipped'
        if finite_weights(self.nets.values()):
            self.save(epoch_of(self.current_iter), self.current_iter)
            # Only the first process writes; the others must not leave it alone with that.
            wait_for_all()
            saved = (
                f'the state of iteration {self.current_iter}, with the weights from before it, was saved in '
                f'{self.opt["path"]["training_states"]} ({reason})'
            )
        else:
            saved = f'the weights are not finite either, so only earlier states are of use ({reason})'
        raise NonFiniteLoss(error.term, error.value, error.iteration, saved)

    # ------------------------------------------------------------------ logs, pictures

    def get_current_log(self) -> dict[str, float]:
        """The losses of the last iteration, averaged over the processes; read from the device only here."""
        self.guard.flush()
        if self._last_losses:
            values = torch.stack(list(self._last_losses.values()))
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
        """Write every network and, unless this is the final model (-1), the training state.

        The last iteration gets a state too, wherever the run ends: with a higher ``total_iter`` it goes on.

        Raises:
            NonFiniteLoss: this is the final model, and the last iteration was skipped, or more than
                ``nan_limit``, which on a GPU may come to light only now.
            TrainingError: a file cannot be written.
        """
        self.guard.flush()
        last = self.guard.last
        skipped = last is not None and last.iteration == self.current_iter
        if current_iter == -1 and (skipped or self.guard.exhausted):
            self._stop_at_nan()
        if current_iter == -1 and self.current_iter % self.opt['logger']['save_checkpoint_freq']:
            super().save(epoch_of(self.current_iter), self.current_iter)
        super().save(epoch, current_iter)
        if current_iter == -1:
            self.record.finish()


def _chunks(batches: Sequence[Tensor], parts: int) -> Iterator[tuple[Tensor, ...]]:
    """Equal parts of several batches: the first part of each, then the second, and so on."""
    return zip(*(batch.chunk(parts) for batch in batches), strict=True)
