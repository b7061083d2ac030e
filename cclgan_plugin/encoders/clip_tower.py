"""CLIP's image half, built through open_clip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from cclgan_plugin.encoders.antialiased_resize import AntialiasedResize
from cclgan_plugin.encoders.channel_affine import ChannelAffine
from cclgan_plugin.encoders.frozen import FrozenTower

# open_clip builds both halves at once; this is the smallest text half it accepts, dropped at once.
_NO_TEXT = {'context_length': 1, 'vocab_size': 1, 'width': 1, 'heads': 1, 'layers': 1}


def build_image_network(config: dict[str, Any]) -> nn.Module:
    """The image network of an open_clip model configuration, without weights and without the text half."""
    import open_clip

    vision = {**config['vision_cfg'], 'output_tokens': False}
    if 'timm_model_name' in vision:
        vision['timm_model_pretrained'] = False  # would download behind our back
    both = open_clip.CLIP(config['embed_dim'], vision, _NO_TEXT, quick_gelu=config.get('quick_gelu', False))
    image_network: nn.Module = both.visual
    _sequence_first(image_network)
    return image_network


def _sequence_first(image_network: nn.Module) -> None:
    """Let a transformer handle (sequence, batch, channels) inside, which changes no result.

    open_clip has the batch first, and PyTorch's attention then transposes its input. A linear layer of a
    transposed input copies its weights once for each element of the sequence: in bfloat16 on a CPU that was
    four fifths of the time.
    """
    transformer = getattr(image_network, 'transformer', None)
    if transformer is None or not getattr(transformer, 'batch_first', False):
        return
    transformer.batch_first = False
    for module in transformer.modules():
        if isinstance(module, nn.MultiheadAttention):
            module.batch_first = False


class CLIPTower(FrozenTower):
    """Embedding (N, D) of (N, 3, H, W) RGB images in [0, 1] of any size, as CLIP gives it: not L2-normalised.

    Args:
        image_network: as from :func:`build_image_network`.
        size: (height, width) that it expects. The whole image is resized to it, whatever its shape.
        mean, std: what it was trained with, for images in [0, 1].
    """

    def __init__(
        self, image_network: nn.Module, size: tuple[int, int], mean: Sequence[float], std: Sequence[float]
    ) -> None:
        super().__init__()
        self.resize = AntialiasedResize(*size)
        self.normalise = ChannelAffine(mean, std)
        self.image_network = image_network

    def forward(self, images: Tensor) -> tuple[Tensor]:
        return (self.image_network(self.normalise(self.resize(images))),)
