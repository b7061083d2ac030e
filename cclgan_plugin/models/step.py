"""One CCLGAN training step: networks and images in, named losses out.

Plain PyTorch, without BasicSR: it can be built in a test, run in float64 and compared with the slow
reference in ``tests/reference``. Symbols are those of the paper; the options keys of the networks are:

    g       G_n  rainy -> rain-free          d       D_n  is it a real rain-free image?
    g_rain  G_r  rain-free -> rainy          d_rain  D_r  is it a real rainy image?
    h       H_n  LCL head, rain-free images  h_rain  H_r  LCL head, rainy images

    rain cycle:   r -> c^ = G_n(r) -> r~ = G_r(c^)        identity:  r_i = G_r(r)
    clean cycle:  c -> r^ = G_r(c) -> c~ = G_n(r^)        identity:  c_i = G_n(c)

Without ``g_rain`` the step is one-sided, as in CUT: only r -> c^ and c_i exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import torch
from torch import Generator, Tensor, nn

from cclgan_plugin.archs import CCLGANDiscriminator, CCLGANGenerator
from cclgan_plugin.archs.sampling import draw_levels, move_locations
from cclgan_plugin.losses import InterCCLLoss, IntraCCLLoss, LCLLoss
from cclgan_plugin.models.lcl_terms import Term, lcl_terms
from cclgan_plugin.models.step_modes import StepModes

#: Terms of the generators' loss, in the order of the logs and of their sum.
TERMS = (
    *('l_g_gan', 'l_g_gan_rain', 'l_idt', 'l_idt_rain', 'l_cycle', 'l_cycle_rain'),
    *('l_lcl', 'l_intra', 'l_inter'),
)


@dataclass
class Criteria:
    """The losses of a step, each with its weight inside; what is ``None`` is not computed."""

    gan: nn.Module
    idt: nn.Module | None = None
    cycle: nn.Module | None = None
    lcl: LCLLoss | None = None
    intra: IntraCCLLoss | None = None
    inter: InterCCLLoss | None = None


@dataclass
class Locations:
    """Where the contrastive losses look: ``(P,)`` flat indices by term and level, and by level."""

    lcl: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    inter: dict[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device) -> Locations:
        """A copy on a device, in one transfer; from the CPU to a GPU without waiting for it."""
        *lcl, inter = move_locations([*self.lcl.values(), self.inter], device)
        return Locations(dict(zip(self.lcl, lcl, strict=True)), inter)

    def tensors(self) -> list[Tensor]:
        """All of them, in a fixed order."""
        return [where for group in (*self.lcl.values(), self.inter) for where in group.values()]

    def replaced(self, tensors: Sequence[Tensor]) -> Locations:
        """Others of the same names, in the order of :meth:`tensors`."""
        rest = iter(tensors)
        *lcl, inter = [{level: next(rest) for level in group} for group in (*self.lcl.values(), self.inter)]
        return Locations(dict(zip(self.lcl, lcl, strict=True)), inter)


@dataclass
class Translations:
    """Every image of a step by symbol, and the encodings that came with them by (generator, symbol)."""

    images: dict[str, Tensor]
    encodings: dict[tuple[str, str], dict[str, Tensor]] = field(default_factory=dict)


class CCLGANStep(nn.Module):
    """The training step of the method page, each piece of work done once.

    Args:
        nets: the networks ``g``, ``d`` and, as far as they exist, ``g_rain``, ``d_rain``, ``h``, ``h_rain``.
        criteria: the losses.
        modes: how the step is computed; what it computes stays the same.
    """

    def __init__(
        self, nets: Mapping[str, nn.Module], criteria: Criteria, modes: StepModes | None = None
    ) -> None:
        super().__init__()
        self.nets = nn.ModuleDict(nets)
        self.criteria = criteria
        self.modes = modes or StepModes()
        self.modes.prepare(self.nets)
        self.modes.prepare_losses((criteria.lcl, criteria.inter))
        self.two_sided = 'g_rain' in nets
        self.side_weight = 0.5 if self.two_sided else 1.0
        self.layers = criteria.lcl.layers if criteria.lcl else ()
        self.terms: list[Term] = lcl_terms(criteria.lcl, self.two_sided) if criteria.lcl else []
        #: Symbols of the images that some loss needs besides the translations.
        self.needed = self._needed_images()

    def _needed_images(self) -> set[str]:
        c = self.criteria
        needed = {symbol for term in self.terms for symbol in (term.key, term.query)}
        if c.cycle or c.inter or (c.intra and 'reconstruction' in c.intra.anchors):
            needed |= {'r~', 'c~'}
        if c.idt:
            needed |= {'r_i', 'c_i'} if self.two_sided else {'c_i'}
        return needed

    def _generator(self, name: str) -> CCLGANGenerator:
        return cast(CCLGANGenerator, self.nets[name])

    def _discriminator(self, side: str) -> CCLGANDiscriminator:
        return cast(CCLGANDiscriminator, self.nets[f'd{side}'])

    def draw_locations(self, height: int, width: int, generator: Generator | None = None) -> Locations:
        """Draw the locations of one step for images of ``height`` x ``width`` pixels, on the CPU."""
        locations = Locations()
        if lcl := self.criteria.lcl:
            sizes = self._generator('g').feature_sizes(height, width)
            for term in self.terms:
                locations.lcl[term.name] = draw_levels(sizes, lcl.layers, lcl.num_patches, generator)
        if (inter := self.criteria.inter) and inter.pooling == 'sample':
            sizes = self._discriminator('').feature_sizes(height, width)
            locations.inter = draw_levels(sizes, inter.layers, inter.num_patches, generator)
        return locations

    # ------------------------------------------------------------------ translations

    def translate(self, rainy: Tensor, clean: Tensor, generator_step: bool = True) -> Translations:
        """Run the generators.

        Args:
            rainy: r, ``(N, 3, H, W)`` in [0, 1].
            clean: c, of the same shape.
            generator_step: keep the graph and make every image that the generators' losses need; otherwise
                only the translations that the discriminators see, without graph.
        """
        made = Translations({'r': self.modes.images(rainy), 'c': self.modes.images(clean)})
        with self.modes.autocast(), torch.set_grad_enabled(generator_step and torch.is_grad_enabled()):
            if not generator_step:
                self._run_sides(made, {'r': 'c^'}, {'c': 'r^'}, keep=False)
                return made
            self._run_sides(made, {'r': 'c^', 'c': 'c_i'}, {'c': 'r^', 'r': 'r_i'})
            if self.two_sided:
                self._run_sides(made, {'r^': 'c~'}, {'c^': 'r~'})
        return made

    def _run_sides(
        self, made: Translations, by_g: dict[str, str], by_g_rain: dict[str, str], keep: bool = True
    ) -> None:
        """:meth:`_run` of both generators, which do not need each other."""
        targets = {'g': by_g, 'g_rain': by_g_rain} if self.two_sided else {'g': by_g}
        self.modes.lanes.run(*(partial(self._run, made, name, t, keep) for name, t in targets.items()))

    def _run(self, made: Translations, name: str, targets: dict[str, str], keep: bool = True) -> None:
        """Translate each source to its target where that is needed; keep encodings that a term asks for."""
        net = self._generator(name)
        wanted = {s: t for s, t in targets.items() if t in ('c^', 'r^') or t in self.needed}
        joined = self.modes.batch_identity and len(wanted) > 1
        for sources in [tuple(wanted)] if joined else [(s,) for s in wanted]:
            levels = self.layers if keep and any(self._encodes(name, s) for s in sources) else ()
            batch = (
                torch.cat([made.images[s] for s in sources]) if len(sources) > 1 else made.images[sources[0]]
            )
            image, features = net.forward_features(batch, levels)
            parts = image.chunk(len(sources))
            for i, source in enumerate(sources):
                made.images[wanted[source]] = parts[i]
                if keep and self._encodes(name, source):
                    made.encodings[name, source] = {k: v.chunk(len(sources))[i] for k, v in features.items()}

    def _encodes(self, net: str, symbol: str) -> bool:
        return any((net, symbol) in ((t.encoder, t.key), (t.encoder_query, t.query)) for t in self.terms)

    # ------------------------------------------------------------------ discriminators

    def discriminator_losses(
        self, real: Mapping[str, Tensor], fake: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """The hinge (or other GAN) losses of D_n and D_r, each halved.

        Args:
            real: ``r`` and ``c``.
            fake: ``c^`` and, two-sided, ``r^``; used as constants.

        Returns:
            ``l_d`` and ``l_d_rain``, scalars.
        """
        gan = self.criteria.gan

        def loss(name: str, real_images: Tensor, fake_images: Tensor) -> Tensor:
            images = torch.cat([real_images, fake_images.detach()])
            real_logits, fake_logits = self._discriminator(name).forward_features(images)[0].chunk(2)
            on_real, on_fake = gan(real_logits, True, is_disc=True), gan(fake_logits, False, is_disc=True)
            return cast(Tensor, 0.5 * (on_real + on_fake))

        sides = self._sides()
        with self.modes.autocast():
            found = self.modes.lanes.run(*(partial(loss, name, real[r], fake[f]) for name, r, f in sides))
        return {f'l_d{name}': value for (name, _, _), value in zip(sides, found, strict=True)}

    def _sides(self) -> list[tuple[str, str, str]]:
        """Suffix of the networks, symbol of the real and of the translated image, for each side."""
        return [('', 'c', 'c^'), ('_rain', 'r', 'r^')] if self.two_sided else [('', 'c', 'c^')]

    # ------------------------------------------------------------------ generators

    def generator_losses(self, made: Translations, locations: Locations) -> dict[str, Tensor]:
        """Every term of L_G, weights included, so that their sum is L_G.

        The discriminators must be frozen (``requires_grad_(False)``): gradient flows through them only.

        Args:
            made: what :meth:`translate` gave.
            locations: what :meth:`draw_locations` gave, on the images' device.

        Returns:
            Scalars by the names of :data:`TERMS`, as far as the options have them.
        """
        with self.modes.autocast():
            return self._generator_losses(made, locations)

    def _generator_losses(self, made: Translations, locations: Locations) -> dict[str, Tensor]:
        jobs = [partial(self._adversarial, made, locations, *side) for side in self._sides()]
        jobs += [partial(job, made, locations) for job in (self._lcl, self._intra)]
        found: dict[str, Tensor] = {}
        for losses in self.modes.lanes.run(*jobs):
            found |= losses
        c, images = self.criteria, made.images
        for name, real, fake in (('', 'c', 'c_i'), ('_rain', 'r', 'r_i')):
            if c.idt and fake in images:
                found[f'l_idt{name}'] = self.side_weight * c.idt(images[fake], images[real])
        if c.cycle:
            found['l_cycle'] = self.side_weight * c.cycle(images['r~'], images['r'])
            found['l_cycle_rain'] = self.side_weight * c.cycle(images['c~'], images['c'])
        if c.inter:
            found['l_inter'] = torch.stack(
                [found.pop(f'l_inter{name}') for name, _, _ in self._sides()]
            ).sum()
        return {name: found[name] for name in TERMS if name in found}

    def _adversarial(
        self, made: Translations, locations: Locations, name: str, real: str, fake: str
    ) -> dict[str, Tensor]:
        """What one discriminator says of the translations of its side."""
        logits, features = self._discriminator(name).forward_features(made.images[fake])
        losses = {f'l_g_gan{name}': self.side_weight * self.criteria.gan(logits, True, is_disc=False)}
        if self.criteria.inter:
            losses[f'l_inter{name}'] = self._inter(name, features, real, made, locations)
        return losses

    def _intra(self, made: Translations, locations: Locations) -> dict[str, Tensor]:
        if (intra := self.criteria.intra) is None:
            return {}
        images = made.images
        real, translated = (images['r'], images['c']), (images['c^'], images['r^'])
        return {'l_intra': intra.cycles(*real, *translated, images.get('r~'), images.get('c~'))}

    def _lcl(self, made: Translations, locations: Locations) -> dict[str, Tensor]:
        if (lcl := self.criteria.lcl) is None:
            return {}
        losses = []
        for term in self.terms:
            queries = self._encoding(made, term.encoder_query, term.query)
            keys = self._encoding(made, term.encoder, term.key, constant=True)
            heads = (self.nets[term.head_query], self.nets[term.head])
            losses.append(lcl(queries, keys, locations.lcl[term.name], *heads))
        return {'l_lcl': torch.stack(losses).mean()}

    def _encoding(
        self, made: Translations, net: str, symbol: str, constant: bool = False
    ) -> dict[str, Tensor]:
        if (net, symbol) not in made.encodings:
            with torch.set_grad_enabled(not constant and torch.is_grad_enabled()):
                found = self._generator(net).encode(made.images[symbol], self.layers)
            if constant:
                return found
            made.encodings[net, symbol] = found
        return made.encodings[net, symbol]

    def _inter(
        self, name: str, translated: dict[str, Tensor], real: str, made: Translations, locations: Locations
    ) -> Tensor:
        inter, images, net = self.criteria.inter, made.images, self._discriminator(name)
        assert inter is not None
        back, other = ('c~', 'r') if real == 'c' else ('r~', 'c')
        constants = torch.cat([images[real], images[other]])
        if inter.pooling == 'mean':
            reconstructed = inter.vectors(net.encode(images[back], inter.layers), None)
            with torch.no_grad():
                targets = inter.vectors(net.encode(constants, inter.layers), None)
        else:
            reconstructed = net.features_at(images[back], locations.inter)
            with torch.no_grad():
                targets = net.features_at(constants, locations.inter)
        positive = {level: v.chunk(2)[0] for level, v in targets.items()}
        negative = {level: v.chunk(2)[1] for level, v in targets.items()}
        return inter(inter.vectors(translated, locations.inter), reconstructed, positive, negative)
