"""Weights from a hub are fetched once; a failure says what to do instead of ending in random weights."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

import huggingface_hub
import open_clip
import pytest
import torch
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from cclgan_plugin.encoders import build_encoder, hub
from cclgan_plugin.errors import WeightsError

MODEL = 'ViT-B-32-quickgelu'
SAFE, PLAIN = 'open_clip_model.safetensors', 'open_clip_pytorch_model.bin'


@pytest.fixture
def empty_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    monkeypatch.setattr(huggingface_hub, 'try_to_load_from_cache', lambda *names: None)
    return tmp_path


def test_cached_clip_weights_are_taken_without_asking_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def cached(repository: str, name: str) -> str | None:
        asked.append(name)
        return f'/cache/{name}' if name == PLAIN else None

    monkeypatch.setattr(huggingface_hub, 'try_to_load_from_cache', cached)
    monkeypatch.setattr(huggingface_hub, 'hf_hub_download', lambda *names: pytest.fail('asked the network'))
    assert hub.clip_hub_file(MODEL, 'openai') == Path('/cache') / PLAIN
    assert asked == [SAFE, PLAIN]


@pytest.mark.parametrize('offered', [SAFE, PLAIN])
def test_clip_weights_are_downloaded_safetensors_first(
    offered: str, empty_caches: Path, monkeypatch: pytest.MonkeyPatch, basicsr_log: list[logging.LogRecord]
) -> None:
    def download(repository: str, name: str) -> str:
        if name != offered:
            raise EntryNotFoundError('404')
        return f'/cache/{repository}/{name}'

    monkeypatch.setattr(huggingface_hub, 'hf_hub_download', download)
    assert hub.clip_hub_file(MODEL, 'openai').name == offered
    assert 'Downloading the weights of CLIP' in basicsr_log[0].getMessage()


@pytest.mark.parametrize(
    'error', [LocalEntryNotFoundError('no route'), EntryNotFoundError('no route'), OSError('no route')]
)
def test_clip_without_network_and_cache_ends_in_advice(
    error: Exception, empty_caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(repository: str, name: str) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, 'hf_hub_download', download)
    encoder = build_encoder({'type': 'CLIPEncoder'})
    for attempt in (encoder.check, lambda: encoder(torch.rand(1, 3, 8, 8))):
        with pytest.raises(WeightsError) as caught:
            attempt()
        for word in ('openai', MODEL, 'no route', 'give its path as weights', 'weights: random'):
            assert word in str(caught.value)


def test_clip_weights_outside_the_hub_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = {'elsewhere': {'url': 'https://host/clip.pt', 'quick_gelu': True}}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, MODEL, elsewhere)
    with pytest.raises(WeightsError, match='outside the Hugging Face hub'):
        build_encoder({'type': 'CLIPEncoder', 'weights': 'elsewhere'}).check()


def vgg19_download(content: bytes) -> Any:
    """Stands in for the network: torch.hub's own download checks the hash of what arrives."""

    def download(url: str, target: str, hash_prefix: str) -> None:
        if hashlib.sha256(content).hexdigest()[: len(hash_prefix)] != hash_prefix:
            raise RuntimeError('invalid hash value')
        Path(target).write_bytes(content)

    return download


def test_torchvision_weights_are_downloaded_once_into_the_cache_of_torch_hub(
    empty_caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.models import VGG19_Weights

    content = b'weights'
    digest = hashlib.sha256(content).hexdigest()[:8]
    monkeypatch.setattr(VGG19_Weights.IMAGENET1K_V1.value, 'url', f'https://host/vgg19-{digest}.pth')
    monkeypatch.setattr(torch.hub, 'download_url_to_file', vgg19_download(content))
    path = hub.torchvision_vgg19_file()
    assert path == empty_caches / 'hub' / 'checkpoints' / f'vgg19-{digest}.pth'
    assert path.read_bytes() == content
    monkeypatch.setattr(
        torch.hub, 'download_url_to_file', lambda *names, **more: pytest.fail('downloaded again')
    )
    assert hub.torchvision_vgg19_file() == path


@pytest.mark.parametrize('failure', ['no network', 'wrong content'])
def test_torchvision_weights_that_cannot_be_had_end_in_advice(
    failure: str, empty_caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*names: str, **more: str) -> None:
        raise OSError('no route')

    download = unreachable if failure == 'no network' else vgg19_download(b'an error page')
    monkeypatch.setattr(torch.hub, 'download_url_to_file', download)
    with pytest.raises(WeightsError) as caught:
        build_encoder({'type': 'VGG19Encoder'}).check()
    for word in ('torchvision', str(empty_caches), 'give its path as weights', 'weights: random'):
        assert word in str(caught.value)
    assert not list((empty_caches / 'hub' / 'checkpoints').iterdir())
