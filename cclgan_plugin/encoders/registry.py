"""Where encoders are found by name, and how one is built from a block of options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mmengine.registry import Registry

from cclgan_plugin.encoders.keywords import check_keywords
from cclgan_plugin.errors import OptionError, did_you_mean

if TYPE_CHECKING:
    from cclgan_plugin.encoders.frozen import SemanticEncoder

ENCODERS = Registry('encoder', scope='cclgan')


def build_encoder(opt: Mapping[str, Any]) -> SemanticEncoder:
    """Build the encoder that ``opt['type']`` names, with the other keys as its options.

    Nothing heavy happens here: no import of open_clip or torchvision, no file is opened, no network
    is built. Call :meth:`SemanticEncoder.check` to learn early whether the weights are at hand.

    Args:
        opt: for instance ``{'type': 'CLIPEncoder', 'weights': 'openai'}``. It is not changed.

    Raises:
        OptionError: ``type`` is missing or unknown; a key is unknown, missing or of the wrong type.
    """
    known = sorted(ENCODERS.module_dict)
    if not isinstance(opt, Mapping):
        raise OptionError(f'encoder: expected keys and values with a "type", got {opt!r}.')
    options = {str(key): value for key, value in opt.items()}
    if 'type' not in options:
        raise OptionError(f'encoder: the key "type" is missing. Known types: {", ".join(known)}.')
    name = str(options.pop('type'))
    encoder_class = ENCODERS.get(name)
    if encoder_class is None:
        raise OptionError(
            f'encoder: unknown type "{name}".{did_you_mean(name, known)} Known types: {", ".join(known)}.'
        )
    check_keywords(encoder_class, options, f'encoder {name}')
    encoder: SemanticEncoder = encoder_class(**options)
    return encoder
