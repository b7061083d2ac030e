"""The PatchGAN discriminator of CCLGAN, whose features are also the space of the inter-CCL loss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn

from cclgan_plugin.archs.feature_levels import check_levels
from cclgan_plugin.archs.frozen_conv import FrozenAwareConv2d
from cclgan_plugin.archs.init import init_weights
from cclgan_plugin.archs.norm import InstanceNorm
from cclgan_plugin.archs.precision import at_least_float32
from cclgan_plugin.archs.resample import BlurPool
from cclgan_plugin.archs.sampling import conv_at, sample_locations
from cclgan_plugin.errors import DataError, OptionError

#: Of the leaky rectifiers.
SLOPE = 0.2


@ARCH_REGISTRY.register()
class CCLGANDiscriminator(nn.Module):
    """Real or generated, judged patch by patch: the 70x70 PatchGAN (method: section 2).

    Its three anti-aliasing blurs widen the patches to 84x84 pixels.

    Args:
        width: channels w of the first convolution, at least 1.
        anti_alias: blur before down-sampling; otherwise strided convolutions as in CycleGAN.

    Attributes:
        feature_channels: channels of each feature level: ``image`` (the input as the network sees it, in
            [-1, 1]), ``conv2`` and ``conv3`` (raw outputs of the second and third convolution, 2 w and 4 w).
    """

    #: The smallest image that gives at least one logit.
    min_size = 24

    def __init__(self, width: int = 64, anti_alias: bool = True) -> None:
        super().__init__()
        if width < 1:
            raise OptionError(f'CCLGANDiscriminator: width must be at least 1, got {width}')
        w, stride = width, 1 if anti_alias else 2
        self.anti_alias = anti_alias
        self.feature_channels = {'image': 3, 'conv2': 2 * w, 'conv3': 4 * w}
        self.conv1 = FrozenAwareConv2d(3, w, 4, stride, padding=1, slope=SLOPE)
        # Instance norm cancels a bias of these two in the logits, so that its gradient is rounding noise;
        # Adam would turn the noise into steps of full size, which the inter-CCL loss then sees.
        self.conv2 = FrozenAwareConv2d(w, 2 * w, 4, stride, padding=1, bias=False)
        self.conv3 = FrozenAwareConv2d(2 * w, 4 * w, 4, stride, padding=1, bias=False)
        self.conv4 = FrozenAwareConv2d(4 * w, 8 * w, 4, padding=1)
        self.conv5 = FrozenAwareConv2d(8 * w, 1, 4, padding=1)
        self.pool1, self.pool2, self.pool3 = (
            BlurPool(c * w) if anti_alias else nn.Identity() for c in (1, 2, 4)
        )
        self.norm_act = InstanceNorm(slope=SLOPE)
        init_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(N, 1, h, w)`` of images ``(N, 3, H, W)`` in [0, 1], sides at least 24."""
        # The class's own, as in the generator.
        return type(self).forward_features(self, x)[0]

    def forward_features(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits ``(N, 1, h, w)`` and every feature level as a map ``(N, C, h, w)``, from one pass."""
        x = self._enter(x)
        conv2 = self.conv2(self.pool1(self.conv1(x)))
        conv3 = self.conv3(self.pool2(self.norm_act(conv2)))
        y = self.conv5(self.norm_act(self.conv4(self.pool3(self.norm_act(conv3)))))
        # Few numbers, whose loss must take fp16's scales, and be told apart from 1 in bfloat16.
        return at_least_float32(y), {'image': x, 'conv2': conv2, 'conv3': conv3}

    def encode(self, x: Tensor, levels: Iterable[str]) -> dict[str, Tensor]:
        """Maps ``(N, C, h, w)`` of the levels alone, computing nothing behind the deepest one.

        Raises:
            OptionError: an unknown level.
        """
        wanted = check_levels(self, levels)
        found = {'image': self._enter(x)}
        if 'conv2' in wanted or 'conv3' in wanted:
            found['conv2'] = self.conv2(self.pool1(self.conv1(found['image'])))
        if 'conv3' in wanted:
            found['conv3'] = self.conv3(self.pool2(self.norm_act(found['conv2'])))
        return {level: found[level] for level in wanted}

    def feature_sizes(self, height: int, width: int) -> dict[str, tuple[int, int]]:
        """Height and width of each feature level for images of ``height`` x ``width`` pixels."""
        found = {'image': (height, width)}
        sides = [side - 1 if self.anti_alias else side // 2 for side in (height, width)]
        for level in ('conv2', 'conv3'):
            sides = [(side + 1) // 2 - 1 if self.anti_alias else side // 2 for side in sides]
            found[level] = (sides[0], sides[1])
        return found

    def features_at(self, x: Tensor, locations: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Feature vectors at some locations, computing the deepest level nowhere else.

        Args:
            x: ``(N, 3, H, W)`` in [0, 1].
            locations: for each wanted level, ``(P,)`` indices into its flattened map.

        Returns:
            ``(N, P, C)`` for each level of ``locations``.

        Raises:
            OptionError: an unknown level.
        """
        check_levels(self, locations)
        x = self._enter(x)
        found: dict[str, Tensor] = {}
        if 'image' in locations:
            found['image'] = sample_locations(x, locations['image'])
        if 'conv2' not in locations and 'conv3' not in locations:
            return found
        y = self.pool1(self.conv1(x))
        if 'conv3' not in locations:
            return found | {'conv2': conv_at(self.conv2, y, locations['conv2'])}
        conv2 = self.conv2(y)
        if 'conv2' in locations:
            found['conv2'] = sample_locations(conv2, locations['conv2'])
        y = self.pool2(self.norm_act(conv2))
        return found | {'conv3': conv_at(self.conv3, y, locations['conv3'])}

    def _enter(self, x: Tensor) -> Tensor:
        if min(x.shape[-2:]) < self.min_size:
            raise DataError(
                f'CCLGANDiscriminator needs images of at least {self.min_size} x {self.min_size} pixels, '
                f'got {x.shape[-1]} x {x.shape[-2]} (width x height)'
            )
        return x * 2 - 1
