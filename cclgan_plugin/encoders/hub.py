"""Weights that others keep on the network: fetched once, kept in their own caches."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import torch

from cclgan_plugin.errors import WeightsError, line_of


def torchvision_vgg19_file() -> Path:
    """torchvision's ImageNet weights of VGG19, downloaded into torch.hub's cache unless they are there.

    The download lands under its final name only once its checksum is right.

    Raises:
        WeightsError: they are not cached and the download failed.
    """
    from torchvision.models import VGG19_Weights

    url = VGG19_Weights.IMAGENET1K_V1.url
    path = Path(torch.hub.get_dir()) / 'checkpoints' / Path(url).name
    if path.is_file():
        return path
    _announce('VGG19', url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # torchvision's file names end in the first digits of their SHA-256: vgg19-<digits>.pth.
        torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem.rpartition('-')[2])
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f'VGG19Encoder: weights: torchvision: the download of {url} failed ({error}). With a network, '
            f'start again; without one, fetch that file elsewhere and put it at {path}, or give its path as '
            'weights. For a trial without meaning there is weights: random.'
        ) from error
    return path


def clip_hub_file(model: str, tag: str) -> Path:
    """open_clip's weights ``tag`` of ``model``, downloaded into the Hugging Face cache unless they are there.

    Cached weights are taken without asking the network, so that a machine without one starts at once.

    Raises:
        WeightsError: they are not cached and the download failed.
    """
    import huggingface_hub
    from huggingface_hub.utils import EntryNotFoundError, LocalEntryNotFoundError
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME
    from open_clip.pretrained import get_pretrained_cfg

    repository, file_name = os.path.split(get_pretrained_cfg(model, tag).get('hf_hub', ''))
    if not repository:
        raise WeightsError(
            f'CLIPEncoder: open_clip keeps the weights "{tag}" of {model} outside the Hugging Face hub. '
            'Fetch them yourself and give the path of the file as weights.'
        )
    candidates = [file_name] if file_name else [HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME]
    for name in candidates:
        cached = huggingface_hub.try_to_load_from_cache(repository, name)
        if isinstance(cached, str):
            return Path(cached)
    _announce(f'CLIP {model}', f'{repository} of the Hugging Face hub')
    for name in candidates:
        try:
            return Path(huggingface_hub.hf_hub_download(repository, name))
        except LocalEntryNotFoundError as error:  # no network; a subclass of the next
            raise _clip_download_failed(model, tag, repository, name, error) from error
        except EntryNotFoundError as error:
            if name == candidates[-1]:
                raise _clip_download_failed(model, tag, repository, name, error) from error
        except Exception as error:  # the hub's clients raise errors of several families
            raise _clip_download_failed(model, tag, repository, name, error) from error
    raise AssertionError('unreachable: the last candidate returns or raises')


def _clip_download_failed(model: str, tag: str, repository: str, name: str, error: Exception) -> WeightsError:
    reason = line_of(error)
    return WeightsError(
        f'CLIPEncoder: weights: {tag}: the download of {name} from {repository} (Hugging Face hub) for '
        f'{model} failed ({reason}). With a network, start again; without one, fetch that file elsewhere and '
        'give its path as weights. For a trial without meaning there is weights: random.'
    )


def _announce(what: str, source: str) -> None:
    logging.getLogger('basicsr').info(f'Downloading the weights of {what} from {source}, once.')
