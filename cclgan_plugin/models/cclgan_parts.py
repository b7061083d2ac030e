"""What CCLGAN is made of: its networks, losses, averaged generator and optimizers, built from the options."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from basicsr.archs import build_network
from basicsr.losses import build_loss
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger
from torch import Tensor, nn

from cclgan_plugin.kernels import works_on
from cclgan_plugin.models.lanes import Lanes
from cclgan_plugin.models.step import Criteria
from cclgan_plugin.models.step_modes import StepModes, joins_identity
from cclgan_plugin.training.distributed import broadcast_weights
from cclgan_plugin.training.precision import Precision

#: Networks besides ``network_g``, in the order in which they are built (and draw their initial weights).
SIDE_NETWORKS = ('g_rain', 'd', 'd_rain', 'h', 'h_rain')

#: Each field of Criteria and the option ``train: NAME_opt`` that it is built from.
CRITERIA = {
    'gan': 'gan',
    'idt': 'idt',
    'cycle': 'cycle',
    'lcl': 'lcl',
    'intra': 'intra_ccl',
    'inter': 'inter_ccl',
}


class CCLGANParts(SRModel):
    """SRModel with the other networks of CCLGAN around its ``net_g``.

    Attributes:
        nets: the networks by their option names without ``network_``; each is also ``net_NAME``.
        criteria: the losses.
        net_g_ema: the averaged generator, if ``ema_decay`` is above 0.
    """

    nets: dict[str, nn.Module]

    def model_to_device(self, net: nn.Module) -> nn.Module:
        """Move a network to the device, bare: gradients are averaged by training.distributed."""
        net = net.to(self.device)
        if self.is_train and self.channels_last():
            net.to(memory_format=torch.channels_last)
        return net

    def channels_last(self) -> bool:
        """The memory format that the options ask for, or by themselves the one that is faster."""
        asked = self.opt['train'].get('channels_last')
        return works_on(self.device) if asked is None else bool(asked)

    def step_modes(self) -> StepModes:
        """How the options want the step computed; sets ``precision``."""
        train_opt = self.opt['train']
        self.precision = Precision(train_opt.get('amp', 'off'), self.device)
        channels_last = self.channels_last()
        return StepModes(
            self.precision,
            channels_last,
            batch_identity=joins_identity(self.device, channels_last),
            checkpointing=train_opt.get('checkpointing', False),
            compile=train_opt.get('compile', False),
            lanes=Lanes(self.device if train_opt.get('cuda_graphs') else None),
        )

    def build_parts(self) -> None:
        """Build everything that learns or judges, before any optimizer."""
        train_opt = self.opt['train']
        self.criteria = Criteria(
            **{
                name: build_loss(train_opt[f'{key}_opt']).to(self.device)
                for name, key in CRITERIA.items()
                if train_opt.get(f'{key}_opt')
            }
        )
        levels = self.criteria.lcl.layers if self.criteria.lcl else ()
        built = {name: self._build(name, levels) for name in SIDE_NETWORKS if self.opt.get(f'network_{name}')}
        self.nets = {'g': self.net_g, **built}
        broadcast_weights(self.nets.values())
        for name, net in self.nets.items():
            setattr(self, f'net_{name}', net.train())
        self.ema_decay = train_opt.get('ema_decay') or 0
        if self.ema_decay > 0:
            self._build_ema()

    def _build(self, name: str, levels: Sequence[str]) -> nn.Module:
        network_opt = dict(self.opt[f'network_{name}'])
        if name.startswith('h'):
            # The heads take their channel counts from the generator, here and not at the first batch.
            network_opt['channels'] = {level: self.net_g.feature_channels[level] for level in levels}
        net = self.model_to_device(build_network(network_opt))
        self.print_network(net)
        path = self.opt['path'].get(f'pretrain_network_{name}')
        if path is not None:
            strict = self.opt['path'].get(f'strict_load_{name}', True)
            self.load_network(net, path, strict, self.opt['path'].get(f'param_key_{name}', 'params'))
        return net

    def _build_ema(self) -> None:
        get_root_logger().info(f'Use Exponential Moving Average with decay: {self.ema_decay}')
        self.net_g_ema = self.model_to_device(build_network(self.opt['network_g']))
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
                parameters = [p for net in members for p in net.parameters() if p.requires_grad]
                optimizer = self.get_optimizer(optimizer_opt.pop('type'), parameters, **optimizer_opt)
                setattr(self, f'optimizer_{group}', optimizer)
                self.optimizers.append(optimizer)

    def get_optimizer(self, optim_type: str, params: list[nn.Parameter], **kwargs: Any) -> Any:
        """BasicSR's, with the fused kernel where there is one: one launch instead of a dozen per tensor."""
        known = inspect.signature(getattr(torch.optim, optim_type, torch.optim.Adam)).parameters
        if 'fused' in known:
            kwargs.setdefault('fused', True)
        return super().get_optimizer(optim_type, params, **kwargs)

    def model_ema(self, decay: float = 0.999, skipped: Tensor | None = None) -> None:
        """Move the averaged generator towards the current one; buffers are taken over as they are.

        Args:
            decay: the share of the average that stays.
            skipped: a bool scalar on a GPU: whether all of it stays, since the iteration is skipped.
        """
        average: list[Tensor] = list(self.net_g_ema.parameters())
        current: list[Tensor] = list(self.net_g.parameters())
        with torch.no_grad():
            if skipped is None:
                torch._foreach_lerp_(average, current, 1 - decay)
            else:
                way = torch._foreach_sub(current, average)
                torch._foreach_mul_(way, torch.where(skipped, 0.0, 1 - decay))
                torch._foreach_add_(average, way)
            for mean, buffer in zip(self.net_g_ema.buffers(), self.net_g.buffers(), strict=True):
                mean.copy_(buffer)
