"""CCLGAN's losses in any BasicSR model that restores single images.

    model_type: ContrastiveModel
    base_model_type: SRGANModel      # any registered model
    train: {contrastive_opt: {...}}  # the losses

The base model runs as it is: same networks, forward passes, optimizers, logs and files. Its convention,
``self.output`` for what its generator made, is where the losses come in; see ``added_gradient.py``.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torch
from basicsr.archs import build_network
from basicsr.models.base_model import BaseModel
from basicsr.utils.registry import MODEL_REGISTRY
from torch import nn

from cclgan_plugin.errors import OptionError
from cclgan_plugin.models.added_gradient import AddedGradient
from cclgan_plugin.models.contrastive_base import find_base
from cclgan_plugin.models.contrastive_dry_runs import head_channels
from cclgan_plugin.models.contrastive_lcl import LCLTerm
from cclgan_plugin.models.contrastive_parts import active_losses, build_terms
from cclgan_plugin.models.ratio_watch import RatioWatch
from cclgan_plugin.models.step_modes import StepModes
from cclgan_plugin.seeds import derive_seed
from cclgan_plugin.training.distributed import broadcast_weights

#: What the options mean when they say nothing of the heads.
HEAD = {'type': 'LCLHead', 'dim': 256}
HEAD_OPTIMIZER = {'type': 'Adam', 'lr': 1e-3}


@MODEL_REGISTRY.register()
class ContrastiveModel(BaseModel):
    """The model of ``base_model_type`` plus CCLGAN's losses; it is an instance of that model's class.

    Logs have ``l_intra_ccl``, ``l_inter_ccl`` and ``l_lcl`` besides the base's own, in the iterations that
    train the generator. LCL's heads are saved as ``net_h_*.pth``. A loss of weight 0 is neither built nor
    computed.

    Attributes:
        contrastive: adds the losses' gradient; None in a test, and where no loss has a weight.
        net_h: LCL's heads, if any.
    """

    contrastive: AddedGradient | None = None
    net_h: nn.Module | None = None

    def __new__(cls, opt: dict[str, Any]) -> ContrastiveModel:
        own: Any = cls
        base: Any = find_base(opt)
        return super().__new__(own if issubclass(own, base) else _with_base(own, base))

    def __init__(self, opt: dict[str, Any]) -> None:
        self._is_set_up = False
        super().__init__(opt)
        if self.is_train and not self._is_set_up:
            raise OptionError(
                f'base_model_type: {opt["base_model_type"]} builds its optimizers elsewhere than in '
                'setup_optimizers, where the losses of train.contrastive_opt join them'
            )

    def setup_optimizers(self) -> None:
        """Build the losses, then the base's optimizers, then that of the heads."""
        self._is_set_up = True
        if not active_losses(self.opt):
            super().setup_optimizers()
            return
        if not isinstance(getattr(self, 'net_g', None), nn.Module):
            raise OptionError(f'base_model_type: {self.opt["base_model_type"]} has no net_g')
        net_g, net_d = self.get_bare_model(self.net_g), getattr(self, 'net_d', None)
        terms = build_terms(self.opt, net_g, self.get_bare_model(net_d), self.device)
        if terms.lcl is not None:
            # PairedModel's: what it puts around its own pass of net_g neither reaches "encode" nor, inside
            # DDP, the bare network.
            modes = getattr(self, 'modes', None)
            if isinstance(modes, StepModes):
                terms.lcl.autocast = modes.autocast
            self.net_h = terms.lcl.head = self._build_head(terms.lcl)
        super().setup_optimizers()
        if not isinstance(getattr(self, 'optimizer_g', None), torch.optim.Optimizer):
            raise OptionError(f'base_model_type: {self.opt["base_model_type"]} has no optimizer_g')
        self.contrastive = AddedGradient(self, terms, self._head_optimizer())
        inter = terms.inter.loss if terms.inter is not None else None
        self.ratios = RatioWatch({'l_intra_ccl': terms.intra, 'l_inter_ccl': inter})

    def _build_head(self, term: LCLTerm) -> nn.Module | None:
        """Heads for the generator's features; for a frozen encoder's only if the options have
        ``network_h``."""
        network_opt = self.opt.get('network_h') or (None if term.own_encoder is None else HEAD)
        if network_opt is None:
            return None
        channels = head_channels(term, self.opt, self.device)
        # From a seed of its own: the base's random numbers are the same with and without a head.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(derive_seed(int(self.opt.get('manual_seed') or 0), 'net_h'))
            head = build_network({**network_opt, 'channels': channels}).to(self.device).train()
        self.print_network(head)
        path = self._head_weights()
        if path is not None:
            options = self.opt['path']
            self.load_network(
                head, path, options.get('strict_load_h', True), options.get('param_key_h', 'params')
            )
        broadcast_weights([head])
        return head

    def _head_weights(self) -> str | None:
        """Where the heads' weights are; in a run that resumes, beside those of the other networks."""
        path, state = self.opt['path'].get('pretrain_network_h'), self.opt['path'].get('resume_state')
        ignored = self.opt['path'].get('ignore_resume_networks') or []
        if path is None and state and 'network_h' not in ignored:
            return str(Path(self.opt['path']['models']) / f'net_h_{Path(state).stem}.pth')
        return path

    def _head_optimizer(self) -> torch.optim.Optimizer | None:
        if self.net_h is None:
            return None
        options = dict(self.opt['train'].get('optim_h') or HEAD_OPTIMIZER)
        self.optimizer_h = self.get_optimizer(options.pop('type'), self.net_h.parameters(), **options)
        self.optimizers.append(self.optimizer_h)
        return self.optimizer_h

    # ------------------------------------------------------------------ training

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == 'output' and self.contrastive is not None:
            self.contrastive.watch(value)

    def optimize_parameters(self, current_iter: int, *args: Any, **kwargs: Any) -> None:
        """The base's iteration, with the losses' gradient in it wherever it trains the generator.

        Raises:
            TrainingError: the base trains its generator in a way that passes the losses by.
        """
        if self.contrastive is None:
            super().optimize_parameters(current_iter, *args, **kwargs)
            return
        with self.contrastive.iteration(current_iter):
            super().optimize_parameters(current_iter, *args, **kwargs)
        if self.contrastive.losses:
            values = self.reduce_loss_dict(self.contrastive.losses)
            self.ratios.look(values)
            self.log_dict.update(values)

    def save(self, epoch: int, current_iter: int) -> None:
        """Write the heads, and then what the base writes: its training state comes last."""
        if self.net_h is not None:
            self.save_network(self.net_h, 'net_h', current_iter)
        super().save(epoch, current_iter)


@functools.cache
def _with_base(cls: type[ContrastiveModel], base: Any) -> type[ContrastiveModel]:
    return type(f'Contrastive{base.__name__}', (cls, base), {'__doc__': base.__doc__})
