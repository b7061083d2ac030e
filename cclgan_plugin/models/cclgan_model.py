"""The face of CCLGAN that BasicSR sees: it feeds the training step, steps the optimizers, logs and saves."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from basicsr.archs import build_network
from basicsr.losses import build_loss
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger
from basicsr.utils.registry import MODEL_REGISTRY
from torch import Generator, Tensor, nn

from cclgan_plugin.errors import OptionError
from cclgan_plugin.models.image_pool import ImagePool
from cclgan_plugin.models.run_record import RunRecord
from cclgan_plugin.models.step import CCLGANStep, Criteria, Locations, Translations
from cclgan_plugin.seeds import derive_seed
from cclgan_plugin.training.distributed import average_gradients, broadcast_weights, mean_over_processes
from cclgan_plugin.training.finite_guard import FiniteGuard, NonFiniteLoss

#: Networks besides ``network_g``, in the order in which they are built (and draw their initial weights).
SIDE_NETWORKS = ('g_rain', 'd', 'd_rain', 'h', 'h_rain')


@MODEL_REGISTRY.register()
class CCLGANModel(SRModel):
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

    def model_to_device(self, net: nn.Module) -> nn.Module:
        """Move a network to the device, bare: gradients are averaged by training.distributed."""
        return net.to(self.device)

    # ------------------------------------------------------------------ building

    def init_training_settings(self) -> None:
        """Build what only training needs, all of it before the optimizers."""
        train_opt = self.opt['train']
        self.seed = int(self.opt['manual_seed'])
        nets = {'g': self.net_g} | {n: self._build(n) for n in SIDE_NETWORKS if self.opt.get(f'network_{n}')}
        broadcast_weights(nets.values())
        self.nets = nets
        for name, net in nets.items():
            setattr(self, f'net_{name}', net.train())

        self.ema_decay = train_opt.get('ema_decay') or 0
        if self.ema_decay > 0:
            self._build_ema()

        losses = {
            name: build_loss(train_opt[f'{name}_opt']).to(self.device)
            for name in ('gan', 'idt', 'cycle', 'lcl', 'intra', 'inter')
            if train_opt.get(f'{name}_opt')
        }
        self.step = CCLGANStep(nets, Criteria(**losses), batch_identity=self.device.type == 'cuda')
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

    def _build(self, name: str) -> nn.Module:
        network_opt = dict(self.opt[f'network_{name}'])
        if name.startswith('h'):
            # The heads take their channel counts from the generator, here and not at the first batch.
            channels = self.net_g.feature_channels
            network_opt['channels'] = {
                level: channels[level] for level in self.opt['train']['lcl_opt']['layers']
            }
        net = self.model_to_device(build_network(network_opt))
        self.print_network(net)
        path = self.opt['path'].get(f'pretrain_network_{name}')
        if path is not None:
            strict = self.opt['path'].get(f'strict_load_{name}', True)
            self.load_network(net, path, strict, self.opt['path'].get(f'param_key_{name}', 'params'))
        return net

    def _build_ema(self) -> None:
        get_root_logger().info(f'Use Exponential Moving Average with decay: {self.ema_decay}')
        self.net_g_ema = build_network(self.opt['network_g']).to(self.device)
        path = self.opt['path'].get('pretrain_network_g')
        if path is not None:
            self.load_network(self.net_g_ema, path, self.opt['path'].get('strict_load_g', True), 'params_ema')
        else:
            self.model_ema(0)
        self.net_g_ema.eval()

    def setup_optimizers(self) -> None:
        """One optimizer for the generators, one for the discriminators, one for the heads."""
        train_opt = self.opt['train']
        for group in ('g', 'd', 'h'):
            members = [net for name, net in self.nets.items() if name[0] == group]
            if members:
                optimizer_opt = dict(train_opt[f'optim_{group}'])
                parameters = [p for net in members for p in net.parameters()]
                optimizer = self.get_optimizer(optimizer_opt.pop('type'), parameters, **optimizer_opt)
                setattr(self, f'optimizer_{group}', optimizer)
                self.optimizers.append(optimizer)

    def get_optimizer(self, optim_type: str, params: list[nn.Parameter], lr: float, **kwargs: Any) -> Any:
        """BasicSR's, with the fused kernel: one launch instead of a dozen per tensor."""
        return super().get_optimizer(optim_type, params, lr, fused=True, **kwargs)

    # ------------------------------------------------------------------ training

    def feed_data(self, data: dict[str, Any]) -> None:
        """Take a batch: training pairs, or one validation image with or without ground truth."""
        super().feed_data(data)
        self.lq_path = data.get('lq_path')

    def optimize_parameters(self, current_iter: int) -> None:
        """One iteration: the discriminators, then (see ``net_d_iters``) the generators and heads.

        Raises:
            NonFiniteLoss: a loss is not a finite number; the last good state has been saved.
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
        self.guard.check(losses, self.current_iter, optimizers)
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        average_gradients(p for o in optimizers for group in o.param_groups for p in group['params'])
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

    def model_ema(self, decay: float = 0.999) -> None:
        """Move the averaged generator towards the current one."""
        average, current = list(self.net_g_ema.parameters()), list(self.net_g.parameters())
        with torch.no_grad():
            torch._foreach_lerp_(average, current, 1 - decay)

    def _save_last_good(self, error: NonFiniteLoss) -> None:
        last_good = error.iteration - 1
        if last_good > 0:
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
