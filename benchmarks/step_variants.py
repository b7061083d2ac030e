"""The training steps that are compared, ready to run: the oracle's and ours."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

import cclgan_plugin  # noqa: F401  (mends BasicSR, which comes next)

# isort: split
from basicsr.archs import build_network
from basicsr.losses import build_loss
from reference import reference_d_losses, reference_g_losses
from torch import Tensor, nn

from benchmarks.flop_floor import Sizes, flop_floor
from benchmarks.observer import UNOBSERVED, Observer
from benchmarks.step_options import step_options
from benchmarks.step_recipes import Recipe
from cclgan_plugin.models.step import CCLGANStep, Criteria, Locations
from cclgan_plugin.training.optimizer_parameters import parameters_of
from cclgan_plugin.training.recorder import Recorder
from cclgan_plugin.training.update import Differentiated


class StepVariant(ABC):
    """Networks, losses, images and optimizers of one variant.

    Every variant of a setting starts from the same weights and sees the same images and locations.
    """

    optimizers: dict[str, torch.optim.Optimizer]
    #: Of the locations of the next step.
    location_seed = 2

    def __init__(self, recipe: Recipe) -> None:
        s = recipe.setting
        self.recipe = recipe
        self.device = torch.device(s.device)
        self.options = step_options(recipe.relative, s.encoder, s.width, s.blocks, recipe.without)
        self.train_options = self.options['train']
        self.two_sided = bool(self.options['network_g_rain'])
        self.nets = self._build_nets()
        self.criteria = self._build_criteria()
        self.module = CCLGANStep(dict(self.nets.items()), self.criteria, recipe.mode.step_modes(self.device))
        generator = torch.Generator().manual_seed(1)
        shape = (2, s.batch, 3, s.size, s.size)
        images = torch.rand(shape, generator=generator).to(self.device)
        self.rainy, self.clean = images

    def _build_nets(self) -> nn.ModuleDict:
        nets = nn.ModuleDict()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            for side in ('', '_rain') if self.two_sided else ('',):
                nets[f'g{side}'] = generator = build_network(self.options[f'network_g{side}'])
                nets[f'd{side}'] = build_network(self.options[f'network_d{side}'])
                if self.train_options['lcl_opt']:
                    levels = self.train_options['lcl_opt']['layers']
                    channels = {level: generator.feature_channels[level] for level in levels}
                    nets[f'h{side}'] = build_network(
                        self.options[f'network_h{side}'] | {'channels': channels}
                    )
        return nets.to(self.device)

    def _build_criteria(self) -> Criteria:
        keys = {'intra': 'intra_ccl_opt', 'inter': 'inter_ccl_opt'}
        names = {name: keys.get(name, f'{name}_opt') for name in ('gan', 'idt', 'cycle', 'lcl', *keys)}
        options = {name: self.train_options.get(key) for name, key in names.items()}
        return Criteria(**{name: build_loss(option) for name, option in options.items() if option})

    def _build_optimizers(self, **how: Any) -> dict[str, torch.optim.Optimizer]:
        """One each for the generators, discriminators and heads: ``g``, ``d``, ``h``."""
        groups: dict[str, list[Tensor]] = {}
        for name, weight in self.trained().items():
            groups.setdefault(name[0], []).append(weight)
        found: dict[str, torch.optim.Optimizer] = {}
        for group, weights in groups.items():
            option = {k: v for k, v in self.train_options[f'optim_{group}'].items() if k != 'type'}
            found[group] = torch.optim.Adam(weights, **option, **how)
        return found

    def build_encoders(self) -> None:
        """Have the frozen encoders in memory, which are otherwise built at their first call."""
        if self.criteria.intra:
            with torch.no_grad(), self.module.modes.autocast():
                self.criteria.intra.embed([self.rainy[:1, :, :32, :32]])

    def constants(self) -> Iterable[Tensor]:
        """Weights and buffers, trained and frozen (of encoders that are built): no activations."""
        yield from self.nets.parameters()
        yield from self.nets.buffers()
        for encoder in self.criteria.intra.encoders if self.criteria.intra else []:
            for tower in encoder._towers.values():
                yield from tower.parameters()
                yield from tower.buffers()

    def trained(self) -> dict[str, nn.Parameter]:
        """The weights that learn, by network and weight."""
        return dict(self.nets.named_parameters())

    def gradients(self) -> dict[str, Tensor]:
        """Of the last step, by network and weight."""
        return {name: p.grad for name, p in self.trained().items() if p.grad is not None}

    def floor(self) -> dict[str, int]:
        """Floating-point operations that this variant's mathematics needs, by part."""
        s, (g, d, h) = self.recipe.setting, (self.options[f'network_{net}'] for net in 'gdh')
        sizes = Sizes(
            batch=s.batch,
            height=s.size,
            width=s.size,
            net_width=g['width'],
            blocks=g['num_blocks'],
            anti_alias=g['anti_alias'],
            discriminators_blur=d.get('anti_alias', True),
            head_dim=h['dim'] if h else 0,
        )
        return flop_floor(self.criteria, self.two_sided, sizes)

    def draw_locations(self) -> Locations:
        """The same ones for every variant."""
        size, generator = self.recipe.setting.size, torch.Generator().manual_seed(self.location_seed)
        return self.module.draw_locations(size, size, generator).to(self.device)

    @abstractmethod
    def step(self, observer: Observer = UNOBSERVED, learn: bool = True) -> dict[str, Tensor]:
        """One iteration; the losses, detached, by name. Unless ``learn``, all weights stay as they are."""

    def _optimizers_of(self, groups: Sequence[str]) -> list[torch.optim.Optimizer]:
        return [self.optimizers[group] for group in groups if group in self.optimizers]

    def _differentiate(
        self, losses: Mapping[str, Tensor], name: str, groups: Sequence[str], observer: Observer
    ) -> Differentiated:
        """Losses and gradients of some optimizers' weights."""
        optimizers = self._optimizers_of(groups)
        observer.losses(name, losses)
        with observer.part(f'{name} backward'):
            for optimizer in optimizers:
                optimizer.zero_grad(set_to_none=True)
            torch.stack(list(losses.values())).sum().backward()
        weights = [p for optimizer in optimizers for p in parameters_of(optimizer)]
        return Differentiated({key: loss.detach() for key, loss in losses.items()}, [p.grad for p in weights])

    def _apply(
        self, found: Differentiated, name: str, groups: Sequence[str], observer: Observer, learn: bool
    ) -> dict[str, Tensor]:
        """Step the optimizers; the losses."""
        optimizers = self._optimizers_of(groups)
        with observer.part(f'{name} optimizers'):
            weights = [p for optimizer in optimizers for p in parameters_of(optimizer)]
            for p, gradient in zip(weights, found.gradients, strict=True):
                p.grad = gradient
            for optimizer in optimizers if learn else []:
                optimizer.step()
        return found.losses


class OurStep(StepVariant):
    """``CCLGANStep`` and fused optimizers, as ``CCLGANModel`` runs them."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.optimizers = self._build_optimizers(fused=True)
        self.recorder = Recorder(self.device if recipe.mode.graphs else None)

    def step(self, observer: Observer = UNOBSERVED, learn: bool = True) -> dict[str, Tensor]:
        module, run = self.module, self.recorder.run
        self.recorder.begin('step')
        with self.recipe.mode.float32_products():
            with observer.part('locations'):
                locations = self.draw_locations()
            with observer.part('translate'):
                made = run('translate', module.translate, [self.rainy, self.clean])

            def d_gradients() -> Differentiated:
                with observer.part('D losses'):
                    losses = module.discriminator_losses(made.images, made.images)
                return self._differentiate(losses, 'D', 'd', observer)

            def g_gradients(*where: Tensor) -> Differentiated:
                with observer.part('G losses'):
                    losses = module.generator_losses(made, locations.replaced(where))
                return self._differentiate(losses, 'G', 'gh', observer)

            found = self._apply(run('D', d_gradients, []), 'D', 'd', observer, learn)
            self._require_grad_of_d(False)
            found |= self._apply(run('G', g_gradients, locations.tensors()), 'G', 'gh', observer, learn)
            self._require_grad_of_d(True)
        return found

    def _require_grad_of_d(self, value: bool) -> None:
        for name, net in self.nets.items():
            if name[0] == 'd':
                net.requires_grad_(value)


class OracleStep(StepVariant):
    """The slow step of ``tests/reference`` with PyTorch's ordinary optimizers; its locations are given."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.states = {name: dict(net.named_parameters()) for name, net in self.nets.items()}
        self.reference_options = {**self.options, **self.train_options}
        locations = self.draw_locations()
        self.locations = {'lcl': locations.lcl, 'inter': locations.inter}
        self.optimizers = self._build_optimizers()

    def step(self, observer: Observer = UNOBSERVED, learn: bool = True) -> dict[str, Tensor]:
        what = (self.states, self.reference_options, self.rainy, self.clean)
        encoders: list[Any] = self.criteria.intra.encoders if self.criteria.intra else []
        with self.recipe.mode.float32_products():
            with observer.part('D losses'):
                losses = reference_d_losses(*what)
            found = self._apply(self._differentiate(losses, 'D', 'd', observer), 'D', 'd', observer, learn)
            with observer.part('G losses'):
                losses = reference_g_losses(*what, self.locations, encoders)
            gradients = self._differentiate(losses, 'G', 'gh', observer)
            return found | self._apply(gradients, 'G', 'gh', observer, learn)


def build_variant(recipe: Recipe) -> StepVariant:
    """Networks and all; nothing has run yet."""
    return OracleStep(recipe) if recipe.oracle else OurStep(recipe)
