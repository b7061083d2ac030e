"""Frozen networks that tell how alike two photographs are, for the semantic half of CCL.

``build_encoder(options)`` is the only door; the encoders themselves are reached through the
``ENCODERS`` registry, where other packages may add theirs.
"""

from __future__ import annotations

from cclgan_plugin.encoders.clip_encoder import CLIPEncoder
from cclgan_plugin.encoders.frozen import FrozenTower, SemanticEncoder
from cclgan_plugin.encoders.registered_encoder import RegisteredEncoder
from cclgan_plugin.encoders.registry import ENCODERS, build_encoder
from cclgan_plugin.encoders.vgg19_encoder import VGG19Encoder

__all__ = [
    'ENCODERS',
    'CLIPEncoder',
    'FrozenTower',
    'RegisteredEncoder',
    'SemanticEncoder',
    'VGG19Encoder',
    'build_encoder',
]
