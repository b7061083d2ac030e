"""CLIP's embedding equals the obvious computation, and weights that do not belong are refused."""

from __future__ import annotations

from pathlib import Path

import open_clip
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from cclgan_plugin.encoders import build_encoder
from cclgan_plugin.encoders import clip_encoder as module
from cclgan_plugin.errors import OptionError, UserError, WeightsError

IMAGES = torch.rand(2, 3, 50, 41, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def slow_embedding(model: nn.Module, images: torch.Tensor, size: int) -> torch.Tensor:
    """Resize with PyTorch's own antialiasing, normalise channel by channel, encode image by image."""
    resized = F.interpolate(images, size=(size, size), mode='bicubic', antialias=True)
    normalised = torch.stack([(resized[:, c] - MEAN[c]) / STD[c] for c in range(3)], dim=1)
    return torch.cat([model.encode_image(image[None]) for image in normalised])


@pytest.mark.parametrize('form', ['pt', 'safetensors', 'image half only', 'DataParallel', 'half precision'])
def test_local_file_gives_the_embedding_of_the_direct_computation(
    form: str, tiny_clip: str, tiny_clip_model: nn.Module, tmp_path: Path
) -> None:
    state = tiny_clip_model.state_dict()
    path = tmp_path / ('clip.safetensors' if form == 'safetensors' else 'clip.pt')
    if form == 'safetensors':
        save_file(state, path)
    elif form == 'image half only':
        torch.save(tiny_clip_model.visual.state_dict(), path)
    elif form == 'DataParallel':
        torch.save({'state_dict': {f'module.{name}': t for name, t in state.items()}}, path)
    elif form == 'half precision':
        state = {name: tensor.half() for name, tensor in state.items()}
        tiny_clip_model.load_state_dict(state)
        torch.save(state, path)
    else:
        torch.save(state, path)
    encoder = build_encoder({'type': 'CLIPEncoder', 'model': tiny_clip, 'weights': str(path)})
    encoder.check()
    images = IMAGES.clone().requires_grad_()
    (found,) = encoder(images)
    reference_images = IMAGES.clone().requires_grad_()
    expected = slow_embedding(tiny_clip_model.double(), reference_images, 32)
    assert found.shape == (2, 8)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    found.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(images.grad, reference_images.grad, rtol=0, atol=1e-12)


def test_default_model_is_the_quickgelu_vit_b_32_with_512_numbers_and_no_text_half() -> None:
    encoder = build_encoder({'type': 'CLIPEncoder', 'weights': 'random'})
    (found,) = encoder(IMAGES[:1].float())
    assert found.shape == (1, 512)
    (tower,) = encoder._towers.values()
    assert any(type(layer).__name__ == 'QuickGELU' for layer in tower.modules())
    assert 86e6 < sum(weight.numel() for weight in tower.parameters()) < 89e6
    resized = F.interpolate(IMAGES[:1].float(), size=(224, 224), mode='bicubic', antialias=True)
    normalised = (resized - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    torch.testing.assert_close(found, tower.image_network(normalised), rtol=1e-3, atol=1e-3)


def test_embedding_is_not_normalised(tiny_clip: str) -> None:
    (found,) = build_encoder({'type': 'CLIPEncoder', 'model': tiny_clip, 'weights': 'random'})(IMAGES)
    assert (found.norm(dim=1) - 1).abs().min() > 0.01


def test_openai_weights_come_through_the_hub(
    tiny_clip: str, tiny_clip_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, tiny_clip, {'openai': {'quick_gelu': True}})
    asked = []
    monkeypatch.setattr(module, 'clip_hub_file', lambda *names: asked.append(names) or tiny_clip_file)
    encoder = build_encoder({'type': 'CLIPEncoder', 'model': tiny_clip})
    encoder.check()
    by_name = encoder(IMAGES)
    by_path = build_encoder({'type': 'CLIPEncoder', 'model': tiny_clip, 'weights': str(tiny_clip_file)})(
        IMAGES
    )
    assert set(asked) == {(tiny_clip, 'openai')}
    torch.testing.assert_close(by_name, by_path, rtol=0, atol=0)


def test_mean_and_std_are_those_of_the_published_weights(
    tiny_clip: str, tiny_clip_model: nn.Module, tiny_clip_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = {'webli': {'quick_gelu': True, 'mean': (0.5, 0.5, 0.5), 'std': (0.5, 0.5, 0.5)}}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, tiny_clip, published)
    (found,) = build_encoder({'type': 'CLIPEncoder', 'model': tiny_clip, 'weights': str(tiny_clip_file)})(
        IMAGES
    )
    resized = F.interpolate(IMAGES, size=(32, 32), mode='bicubic', antialias=True)
    torch.testing.assert_close(
        found, tiny_clip_model.double().encode_image(2 * resized - 1), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize(
    ('options', 'error', 'words'),
    [
        ({'model': 'ViT-B-32', 'weights': 'openai'}, OptionError, ['QuickGELU', 'ViT-B-32-quickgelu']),
        ({'model': 'ViT-B-32-quikgelu'}, OptionError, ['Did you mean "ViT-B-32-quickgelu"?', 'RN50']),
        ({'model': 'hf-hub:some/repository'}, OptionError, ['hf-hub:some/repository']),
        ({'weights': 'opnai'}, WeightsError, ['"opnai"', 'Did you mean "openai"?', 'random']),
        ({'weights': 'absent/clip.pt'}, WeightsError, ['absent/clip.pt', 'not a file', 'openai']),
        ({'weights': '.'}, WeightsError, ['a folder']),
    ],
)
def test_early_check_refuses(options: dict[str, str], error: type[UserError], words: list[str]) -> None:
    with pytest.raises(error) as caught:
        build_encoder({'type': 'CLIPEncoder', **options}).check()
    for word in words:
        assert word in str(caught.value)


def test_weights_of_another_network_are_described(tiny_clip: str, tmp_path: Path) -> None:
    path = tmp_path / 'derain.pth'
    torch.save({'body.0.weight': torch.zeros(4, 3, 3, 3), 'body.0.bias': torch.zeros(4)}, path)
    encoder = build_encoder({'type': 'CLIPEncoder', 'model': tiny_clip, 'weights': str(path)})
    for attempt in (encoder.check, lambda: encoder(IMAGES)):
        with pytest.raises(WeightsError) as caught:
            attempt()
        for word in (
            str(path),
            tiny_clip,
            '2 tensors',
            '"body.0.weight" (4, 3, 3, 3)',
            '"class_embedding" (16,)',
        ):
            assert word in str(caught.value)


def test_weights_of_another_size_are_described(tiny_clip: str, tiny_clip_file: Path) -> None:
    encoder = build_encoder({'type': 'CLIPEncoder', 'weights': str(tiny_clip_file)})
    with pytest.raises(WeightsError, match=r'is \(\d+.*instead of \(\d+'):
        encoder.check()


def test_openai_checkpoint_with_the_plain_gelu_model_is_refused(
    tiny_clip_model: nn.Module, tmp_path: Path
) -> None:
    path = tmp_path / 'openai.pt'
    marks = {'input_resolution': torch.tensor(32), 'vocab_size': torch.tensor(10)}
    torch.save({**tiny_clip_model.state_dict(), **marks}, path)
    with pytest.raises(OptionError, match='ViT-B-32-quickgelu'):
        build_encoder({'type': 'CLIPEncoder', 'model': 'ViT-B-32', 'weights': str(path)}).check()


@pytest.mark.parametrize('wants_gradient', [False, True])
def test_the_attention_copies_no_weights(tiny_clip: str, wants_gradient: bool) -> None:
    """With the batch first inside, each layer's weights were repeated for every element of the sequence."""
    encoder = build_encoder({'type': 'CLIPEncoder', 'model': tiny_clip, 'weights': 'random'})
    images = IMAGES.float().requires_grad_(wants_gradient)
    encoder(images)  # builds the tower
    (tower,) = encoder._towers.values()
    found = _MatrixProducts()
    with torch.autocast('cpu', torch.bfloat16), torch.set_grad_enabled(wants_gradient), found:
        tower.image_network(torch.rand(2, 3, 32, 32))
    assert found.names, 'nothing was seen'
    assert not found.repeated


class _MatrixProducts(torch.utils._python_dispatch.TorchDispatchMode):
    """All matrix products, and those of a batch that is one matrix many times over."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.repeated: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in ('mm', 'addmm', 'bmm', 'baddbmm'):
            self.names.append(name)
            self.repeated += [tuple(x.shape) for x in args if x.ndim == 3 and x.stride(0) == 0]
        return func(*args, **(kwargs or {}))
