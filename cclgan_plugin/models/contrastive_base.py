"""The model that ContrastiveModel builds upon: found by its name, refused where it restores no single
images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from basicsr.models.base_model import BaseModel
from basicsr.models.stylegan2_model import StyleGAN2Model
from basicsr.models.video_base_model import VideoBaseModel
from basicsr.utils.registry import MODEL_REGISTRY

from cclgan_plugin.errors import OptionError, did_you_mean

KEY = 'base_model_type'


def find_base(opt: Mapping[str, Any]) -> type[BaseModel]:
    """The class that ``base_model_type`` names.

    Raises:
        OptionError: there is no such model, or it is none that the losses can be added to.
    """
    name, names = opt.get(KEY), model_names()
    if not isinstance(name, str):
        raise OptionError(
            f'{KEY}: this key is missing; it names the model that the losses are added to: {", ".join(names)}'
        )
    if name not in names:
        raise OptionError(
            f'{KEY}: there is no model "{name}".{did_you_mean(name, names)} There are: {", ".join(names)}'
        )
    reason = reason_against(name)
    if reason:
        raise OptionError(f'{KEY}: {reason}')
    return MODEL_REGISTRY.get(name)


def model_names() -> list[str]:
    """Every registered model, sorted."""
    return sorted(name.removesuffix('_basicsr') for name, _ in MODEL_REGISTRY)


def reason_against(name: str) -> str | None:
    """Why the losses cannot be added to a registered model, or None."""
    # Both are built upon this module.
    from cclgan_plugin.models.cclgan_model import CCLGANModel
    from cclgan_plugin.models.contrastive_model import ContrastiveModel

    model = MODEL_REGISTRY.get(name)
    kind = model if isinstance(model, type) else object
    if issubclass(kind, ContrastiveModel):
        return f'{name} cannot be its own base; name the model to build upon, such as SRModel'
    if issubclass(kind, CCLGANModel):
        return f'{name} has these losses already, as train.lcl_opt, intra_ccl_opt and inter_ccl_opt'
    if not issubclass(kind, BaseModel):
        return f"{name} is not derived from BasicSR's BaseModel"
    if issubclass(kind, VideoBaseModel):
        return f'{name} restores videos, and these losses compare single images'
    if issubclass(kind, StyleGAN2Model):
        return f'{name} makes images of noise; these losses compare an output with its input and ground truth'
    return None
