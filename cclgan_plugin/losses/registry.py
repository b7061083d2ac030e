"""CCLGAN's losses for OpenMMLab: ``MODELS.build(dict(type='cclgan.LCLLoss', ...))``."""

from __future__ import annotations

from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import Registry

#: A child of mmengine's own registry: every OpenMMLab library finds the losses under the scope ``cclgan``.
MODELS = Registry('cclgan model', parent=MMENGINE_MODELS, scope='cclgan', locations=['cclgan_plugin.losses'])
