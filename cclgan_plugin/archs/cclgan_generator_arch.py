"""The ResNet generator of CCLGAN, for both directions: rainy to rain-free and rain-free to rainy."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import torch
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from cclgan_plugin.archs.feature_levels import check_levels
from cclgan_plugin.archs.frozen_conv import FrozenAwareConv2d
from cclgan_plugin.archs.init import init_weights
from cclgan_plugin.archs.norm import InstanceNorm
from cclgan_plugin.archs.precision import at_least_float32
from cclgan_plugin.archs.reflection_pad import ReflectionPad2d
from cclgan_plugin.archs.resample import BlurPool, BlurUpsample, pad_to_multiple, padded_size
from cclgan_plugin.errors import OptionError, did_you_mean


def _norm(kind: str) -> nn.Module:
    return InstanceNorm() if kind == 'instance' else nn.Identity()


def _norm_relu(kind: str) -> nn.Module:
    # Without a norm between them, an in-place ReLU would overwrite the convolution's raw output, which may
    # be a feature level.
    return InstanceNorm(slope=0.0) if kind == 'instance' else nn.ReLU()


class _Stage(nn.Module):
    """Resample (before), convolution, norm, ReLU, resample (after); ``conv`` alone gives a feature level."""

    def __init__(
        self,
        conv: nn.Module,
        norm: str,
        before: nn.Module | None = None,
        after: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.before = before or nn.Identity()
        self.conv = conv
        self.act = _norm_relu(norm)
        self.after = after or nn.Identity()

    def raw(self, x: Tensor) -> Tensor:
        return self.conv(self.before(x))

    def finish(self, raw: Tensor) -> Tensor:
        return self.after(self.act(raw))

    def forward(self, x: Tensor) -> Tensor:
        return self.finish(self.raw(x))


class _ResidualBlock(nn.Module):
    def __init__(self, width: int, norm: str) -> None:
        super().__init__()
        bias = norm == 'none'
        self.pad = ReflectionPad2d(1)
        self.conv1 = FrozenAwareConv2d(width, width, 3, bias=bias)
        self.act = _norm_relu(norm)
        self.conv2 = FrozenAwareConv2d(width, width, 3, bias=bias)
        self.norm = _norm(norm)

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.conv1(self.pad(x)))
        return x + self.norm(self.conv2(self.pad(y)))


class _Output(nn.Module):
    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.pad = ReflectionPad2d(3)
        self.conv = FrozenAwareConv2d(width, channels, 7)

    def forward(self, x: Tensor) -> Tensor:
        # bfloat16 has no neighbours of 0.5 nearer than 0.002: images leave in float32 under autocast too.
        return torch.tanh(at_least_float32(self.conv(self.pad(x))))


@ARCH_REGISTRY.register()
class CCLGANGenerator(nn.Module):
    """A convolutional encoder, residual blocks and a decoder (method: section 2).

    The "resnet_9blocks" of CycleGAN with the anti-aliased resampling of CUT. Images are RGB in [0, 1],
    ``(N, 3, H, W)`` of any height and width, on entry and on exit.

    Args:
        width: channels w after the stem; the bottleneck has 4 w.
        num_blocks: residual blocks, at least 1.
        norm: ``'instance'`` or ``'none'``.
        anti_alias: blur before down-sampling and after up-sampling; otherwise strided and transposed
            convolutions as in CycleGAN.
        residual: predict a change of the input, ``clamp(x + f(x))``, instead of the whole image.
        residual_channels: of that change; with 1 all three colours change by the same amount, as under
            falling rain, which is grey, so that no loss can make the colours drift.
        skips: add the maps of the encoder to those of the decoder of the same size, as in a U-Net. Thin
            detail then need not pass the bottleneck, which small networks take long to learn.

    Attributes:
        feature_channels: channels of each feature level, shallow to deep. ``down1`` and ``down2`` are the raw
            outputs of the down-sampling stages' convolutions (2 w at full size and 4 w at half size; with
            ``anti_alias: false`` at half and quarter size), ``block1`` is the output of the first residual
            block (4 w at quarter size).

    Raises:
        OptionError: a width or number of blocks below 1, an unknown norm, or ``residual_channels`` that is
            neither 1 nor 3 or stands without ``residual``.
    """

    #: While it learns, hold the inputs of stages and blocks alone and compute the rest again on the way back.
    checkpointing = False
    #: Height and width are padded to a multiple of this inside, and cropped back.
    size_multiple = 4
    #: Below this the reflecting pads of the stem and of the blocks have nothing to reflect.
    min_padded_size = 8

    def __init__(
        self,
        width: int = 64,
        num_blocks: int = 9,
        norm: str = 'instance',
        anti_alias: bool = True,
        residual: bool = False,
        residual_channels: int = 3,
        skips: bool = False,
    ) -> None:
        super().__init__()
        if width < 1 or num_blocks < 1:
            raise OptionError(
                f'CCLGANGenerator: width and num_blocks must be at least 1, got {width} and {num_blocks}'
            )
        if norm not in ('instance', 'none'):
            raise OptionError(
                f'CCLGANGenerator: norm must be "instance" or "none", got "{norm}".'
                + did_you_mean(str(norm), ('instance', 'none'))
            )
        if residual_channels not in ((1, 3) if residual else (3,)):
            raise OptionError(
                'CCLGANGenerator: residual_channels must be 3, or 1 together with residual: true, '
                f'got {residual_channels} with residual: {str(residual).lower()}'
            )
        w, bias = width, norm == 'none'
        self.residual = residual
        self.anti_alias = anti_alias
        self.skips = skips
        self.feature_channels = {'down1': 2 * w, 'down2': 4 * w, 'block1': 4 * w}

        # A bias before an instance norm does nothing to the image; where the raw output is also a feature
        # level it does, so down1 and down2 keep theirs.
        self.stem = _Stage(FrozenAwareConv2d(3, w, 7, bias=bias), norm, before=ReflectionPad2d(3))
        stride = 1 if anti_alias else 2
        self.down1, self.down2 = (
            _Stage(
                FrozenAwareConv2d(c, 2 * c, 3, stride=stride, padding=1),
                norm,
                after=BlurPool(2 * c) if anti_alias else None,
            )
            for c in (w, 2 * w)
        )
        self.blocks = nn.ModuleList(_ResidualBlock(4 * w, norm) for _ in range(num_blocks))
        if anti_alias:
            self.up1, self.up2 = (
                _Stage(FrozenAwareConv2d(2 * c, c, 3, padding=1, bias=bias), norm, before=BlurUpsample())
                for c in (2 * w, w)
            )
        else:
            self.up1, self.up2 = (
                _Stage(nn.ConvTranspose2d(2 * c, c, 3, 2, padding=1, output_padding=1, bias=bias), norm)
                for c in (2 * w, w)
            )
        self.out = _Output(w, residual_channels)
        if norm == 'instance':
            init_weights(self)
        else:
            # A norm makes up for the small gain of the method; without one, twenty layers of it leave
            # nothing: gradients of 1e-12 instead of 1e-3, below Adam's epsilon.
            init_weights(self, gain=nn.init.calculate_gain('relu'))
            for module in self.blocks:
                # Each begins as nearly nothing, so that their sum stays small.
                if isinstance(module, _ResidualBlock):
                    init_weights(module.conv2, gain=0.1)
            init_weights(self.out)

    def forward(self, x: Tensor) -> Tensor:
        """Translate ``(N, 3, H, W)`` in [0, 1] to ``(N, 3, H, W)`` in [0, 1]."""
        # The class's own: a training may have put a compiled one in its place, one for each size of image.
        return type(self).forward_features(self, x, ())[0]

    def forward_features(self, x: Tensor, levels: Iterable[str]) -> tuple[Tensor, dict[str, Tensor]]:
        """Translate, and hand out the feature levels that the translation passes anyway.

        Returns:
            The image ``(N, 3, H, W)`` in [0, 1], and a map ``(N, C, h, w)`` for each of ``levels``.
        """
        wanted = check_levels(self, levels)
        features: dict[str, Tensor] = {}
        h, w = x.shape[-2:]
        x = self._enter(x)
        y = self._encode(x, features, wanted)
        for block in self.blocks[1:]:
            y = self._through(block, y)
        for up, size in ((self.up1, 'half'), (self.up2, 'full')):
            y = self._through(up, y)
            if self.skips:
                y = y + features.pop(size)
        y = self._through(self.out, y)
        if self.residual:
            y = torch.clamp(x + y, -1, 1)
        return (y[..., :h, :w] + 1) / 2, {level: features[level] for level in wanted}

    def encode(self, x: Tensor, levels: Iterable[str]) -> dict[str, Tensor]:
        """The feature levels alone, computing nothing behind the deepest one.

        Args:
            x: ``(N, 3, H, W)`` in [0, 1].
            levels: names out of :attr:`feature_channels`.

        Returns:
            A map ``(N, C, h, w)`` for each level.

        Raises:
            OptionError: an unknown level.
        """
        wanted = check_levels(self, levels)
        features: dict[str, Tensor] = {}
        if wanted:
            deepest = max(wanted, key=list(self.feature_channels).index)
            self._encode(self._enter(x), features, wanted, deepest)
        return {level: features[level] for level in wanted}

    def feature_sizes(self, height: int, width: int) -> dict[str, tuple[int, int]]:
        """Height and width of each feature level for images of ``height`` x ``width`` pixels."""
        h, w = (padded_size(size, self.size_multiple, self.min_padded_size) for size in (height, width))
        first = 1 if self.anti_alias else 2
        return {
            'down1': (h // first, w // first),
            'down2': (h // first // 2, w // first // 2),
            'block1': (h // 4, w // 4),
        }

    def _enter(self, x: Tensor) -> Tensor:
        return pad_to_multiple(x * 2 - 1, self.size_multiple, self.min_padded_size)

    def _encode(
        self, x: Tensor, features: dict[str, Tensor], wanted: Collection[str], deepest: str = 'block1'
    ) -> Tensor:
        y = self._through(self.stem, x)
        if self.skips:
            features['full'] = y
        for name, stage in (('down1', self.down1), ('down2', self.down2)):
            y = stage.raw(y)
            # What nobody wants is let go of: without gradients it would be alive to the end for nothing.
            if name in wanted:
                features[name] = y
            if name == deepest:
                return y
            y = self._through(stage.finish, y)
            if self.skips and name == 'down1':
                features['half'] = y
        y = self._through(self.blocks[0], y)
        if 'block1' in wanted:
            features['block1'] = y
        return y

    def _through(self, part: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(part, x, use_reentrant=False, preserve_rng_state=False)
        return part(x)
