"""The least floating-point operations of one training step, from the method's equations alone.

Each convolution and matrix product of the mathematics counts once, forward, and backward only where a
gradient is needed. With F the forward cost of a network (see ``network_flops``), F_w the gradient of its
weights (as much) and F_x the gradient of its inputs (as much, the first layer's only where the image learns):

    translations  c^, r^, and what the losses need of r~, c~, r_i, c_i     F + F_w + F_x each
    D step        real and translated image of each side                   F + F_w + F_x, images constant
    adversarial   D of c^ and of r^, weights frozen                        F + F_x
    LCL           a query's encoding (to the deepest level) ...            F + F_w + F_x
                  a key's encoding ...                                     F
                  ... unless a translation passed it
                  heads at P locations: queries F + F_w + F_x, keys F; q k^T forward and for q
    intra         each image through each frozen encoder once              F, and F_x for the anchors
    inter         D of the reconstruction F + F_x, of both real images F, the deepest level at its locations

Anything that is neither convolution nor matrix product counts 0 (resizing, bilinear upsampling, norms).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from benchmarks.network_flops import (
    DiscriminatorShape,
    GeneratorShape,
    Layer,
    discriminator_feature_layers,
    discriminator_layers,
    encoding_layers,
    generator_layers,
    pass_flops,
    vgg19_layers,
    vision_transformer_layers,
)
from cclgan_plugin.encoders import CLIPEncoder, SemanticEncoder, VGG19Encoder
from cclgan_plugin.losses import InterCCLLoss, IntraCCLLoss, LCLLoss
from cclgan_plugin.models.lcl_terms import lcl_terms
from cclgan_plugin.models.step import Criteria


@dataclass(frozen=True)
class Sizes:
    """Batch, image and networks of a step."""

    batch: int
    height: int
    width: int
    net_width: int
    blocks: int
    anti_alias: bool
    discriminators_blur: bool
    head_dim: int

    @property
    def discriminator(self) -> DiscriminatorShape:
        """Of both discriminators."""
        return DiscriminatorShape(self.net_width, self.discriminators_blur, *self.pixels)

    @property
    def pixels(self) -> tuple[int, int]:
        """Height and width of an image."""
        return self.height, self.width

    @property
    def generator(self) -> GeneratorShape:
        """Of both generators."""
        return GeneratorShape(self.net_width, self.blocks, self.anti_alias, *self.pixels)


def flop_floor(criteria: Criteria, two_sided: bool, sizes: Sizes) -> dict[str, int]:
    """Floating-point operations by part, two for a multiply-add; their sum is the floor of the step.

    Raises:
        ValueError: an option whose cost is not worked out here.
    """
    s = sizes
    made = _translations(criteria, two_sided)
    generator = generator_layers(s.generator)
    discriminator = discriminator_layers(s.discriminator)
    sides = 2 if two_sided else 1
    parts = {
        'translations': 0,
        'identity': 0,
        'D step': s.batch * sides * 2 * pass_flops(discriminator, weights=True, image_gradient=False),
        'adversarial': s.batch * sides * pass_flops(discriminator, weights=False, image_gradient=True),
    }
    for _, source, target in made:
        part = 'identity' if target.endswith('_i') else 'translations'
        learns = source not in ('r', 'c')
        parts[part] += s.batch * pass_flops(generator, weights=True, image_gradient=learns)
    if criteria.lcl:
        passed = {(net, source) for net, source, _ in made}
        parts['LCL encodings'] = _lcl_encodings(criteria.lcl, two_sided, passed, sizes)
        parts['LCL heads and soft-max'] = _lcl_heads(criteria.lcl, two_sided, sizes)
    if criteria.intra:
        parts['intra'] = _intra(criteria.intra, sizes)
    if criteria.inter:
        parts['inter'] = _inter(criteria.inter, sizes)
    return parts


def _translations(criteria: Criteria, two_sided: bool) -> list[tuple[str, str, str]]:
    """(generator, source, target) of every image that a loss needs."""
    made = [('g', 'r', 'c^')]
    if criteria.idt or (criteria.lcl and 'identity' in criteria.lcl.terms):
        made.append(('g', 'c', 'c_i'))
        if two_sided:
            made.append(('g_rain', 'r', 'r_i'))
    if two_sided:
        made.append(('g_rain', 'c', 'r^'))
        compared = criteria.lcl and 'reconstruction' in criteria.lcl.terms
        anchored = criteria.intra and 'reconstruction' in criteria.intra.anchors
        if criteria.cycle or criteria.inter or compared or anchored:
            made += [('g_rain', 'c^', 'r~'), ('g', 'r^', 'c~')]
    return made


def _lcl_encodings(lcl: LCLLoss, two_sided: bool, passed: set[tuple[str, str]], s: Sizes) -> int:
    """Passes that no translation has made. One of them may serve as a query here and as a key there."""
    terms = lcl_terms(lcl, two_sided)
    queries = Counter((term.encoder_query, term.query) for term in terms)
    keys = Counter((term.encoder, term.key) for term in terms)
    total = 0
    for encoding in (queries | keys).keys() - passed:
        # Each term draws its own locations.
        places = lcl.num_patches * (queries[encoding] + keys[encoding])
        layers = encoding_layers(s.generator, lcl.layers, places)
        learns = encoding in queries
        image_learns = learns and encoding[1] not in ('r', 'c')
        total += s.batch * pass_flops(layers, weights=learns, image_gradient=image_learns)
    return total


def _lcl_heads(lcl: LCLLoss, two_sided: bool, s: Sizes) -> int:
    channels = {'down1': 2, 'down2': 4, 'block1': 4}
    total = 0
    for level in lcl.layers:
        count = min(lcl.num_patches, s.generator.positions(level)) * s.batch
        head = [
            Layer(2 * count * channels[level] * s.net_width * s.head_dim),
            Layer(2 * count * s.head_dim * s.head_dim),
        ]
        candidates = count // s.batch if lcl.negatives == 'image' else count
        total += pass_flops(head, weights=True, image_gradient=True)
        total += pass_flops(head, weights=False, image_gradient=False)
        # The similarities, and their gradient for the queries.
        total += 2 * 2 * count * candidates * s.head_dim
    return len(lcl_terms(lcl, two_sided)) * total


def _intra(intra: IntraCCLLoss, s: Sizes) -> int:
    """Anchors with gradient; of the six images those that the ratios name without."""
    anchors = 2 * len(intra.anchors)
    constants = 2 if 'translation' in intra.anchors else 4
    total = 0
    for encoder in intra.encoders:
        layers = _encoder_layers(encoder, s)
        total += s.batch * anchors * pass_flops(layers, weights=False, image_gradient=True)
        total += s.batch * constants * pass_flops(layers, weights=False, image_gradient=False)
    return total


def _encoder_layers(encoder: SemanticEncoder, s: Sizes) -> list[Layer]:
    if isinstance(encoder, VGG19Encoder):
        return vgg19_layers(encoder.layers, *s.pixels)
    if isinstance(encoder, CLIPEncoder):
        import open_clip

        config = open_clip.get_model_config(encoder.model)
        vision = config['vision_cfg']
        if isinstance(vision.get('layers'), int) and 'patch_size' in vision:
            return vision_transformer_layers(
                vision['image_size'],
                vision['patch_size'],
                vision['width'],
                vision['layers'],
                config['embed_dim'],
            )
    raise ValueError(f'flop_floor: the cost of {type(encoder).__name__} {encoder.layers} is not worked out')


def _inter(inter: InterCCLLoss, s: Sizes) -> int:
    if inter.projection != 'none':
        raise ValueError('flop_floor: the cost of projection: fixed is not worked out')
    places = inter.num_patches if inter.pooling == 'sample' else None
    layers = discriminator_feature_layers(s.discriminator, inter.layers, places)
    reconstruction = pass_flops(layers, weights=False, image_gradient=True)
    real = pass_flops(layers, weights=False, image_gradient=False)
    return 2 * s.batch * (reconstruction + 2 * real)
