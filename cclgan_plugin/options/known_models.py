"""BasicSR's own models, and what a training with each of them cannot do without."""

from __future__ import annotations

from typing import Any

from cclgan_plugin.options import registered

#: Those with a discriminator.
_GAN = (
    'SRGANModel',
    'ESRGANModel',
    'RealESRGANModel',
    'HiFaceGANModel',
    'StyleGAN2Model',
    'VideoGANModel',
    'VideoRecurrentGANModel',
)
#: Those that refuse to train with neither of these losses.
_RESTORING = (
    'SRModel',
    'RealESRNetModel',
    'SwinIRModel',
    'VideoBaseModel',
    'VideoRecurrentModel',
    'EDVRModel',
    'HiFaceGANModel',
)
STOCK_MODELS = frozenset((*_GAN, *_RESTORING))


def whose(options: dict[str, Any]) -> str:
    """The model whose code reads the options: the base of a ContrastiveModel, or the model itself."""
    base = options.get('base_model_type')
    contrastive = options['model_type'] == 'ContrastiveModel' and isinstance(base, str)
    return str(base) if contrastive else str(options['model_type'])


def is_stock(model_type: str) -> bool:
    """Whether the model is BasicSR's own, and not another one under its name."""
    return model_type in STOCK_MODELS and registered.is_basicsr_s('model', model_type)


def trained_like(options: dict[str, Any]) -> str | None:
    """BasicSR's model that sets the training up; None for CCLGANModel, and for models of other packages."""
    model_type = 'SRModel' if whose(options) == 'PairedModel' else whose(options)
    return model_type if is_stock(model_type) else None


def has_discriminator(model_type: str) -> bool:
    """Whether one of BasicSR's models trains ``network_d``."""
    return model_type in _GAN


def needs_pixels(model_type: str) -> bool:
    """Whether one of BasicSR's models must have ``pixel_opt`` or ``perceptual_opt``."""
    return model_type in _RESTORING
