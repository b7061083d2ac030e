"""Real-ESRGAN's models degrade images where they are trained, on the CPU too."""

from __future__ import annotations

import pytest
import torch
from basicsr.models.realesrnet_model import RealESRNetModel
from basicsr.utils import DiffJPEG, USMSharp
from basicsr.utils.img_process_util import filter2D
from contrastive_runs import build, plain_options, train


@pytest.fixture
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)


@pytest.mark.skipif(torch.cuda.is_available(), reason='there the symptom does not show')
def test_without_the_mend_a_gpu_is_taken_for_granted() -> None:
    with pytest.raises((AssertionError, RuntimeError), match=r'CUDA|NVIDIA'):
        torch.nn.Module.cuda(USMSharp())
    model = RealESRNetModel.__new__(RealESRNetModel)
    model.queue_size, model.lq, model.gt = 2, torch.rand(1, 3, 4, 4), torch.rand(1, 3, 8, 8)
    with pytest.raises((AssertionError, RuntimeError), match=r'CUDA|NVIDIA'):
        RealESRNetModel._dequeue_and_enqueue.unmended(model)


def test_what_degrades_stays_where_there_is_no_gpu(without_gpu: None) -> None:
    assert USMSharp().cuda().kernel.device.type == 'cpu'
    assert isinstance(DiffJPEG(differentiable=False).cuda(), DiffJPEG)


def test_the_pool_of_pairs_is_on_the_model_s_device() -> None:
    model = build(plain_options('RealESRNetModel'))
    train(model, 'RealESRNetModel', 3)
    assert model.queue_lr.device == model.queue_gt.device == model.device
    assert model.queue_lr.shape == (4, 3, 8, 8)
    assert model.queue_ptr == 4  # two batches of two have filled it, the third has drawn from it
    assert model.usm_sharpener.kernel.device == model.device


def test_without_the_mend_images_out_of_the_jpeg_cannot_be_filtered() -> None:
    image = torch.rand(2, 3, 24, 24).to(memory_format=torch.channels_last)
    kernel = torch.full((2, 5, 5), 1 / 25)
    with pytest.raises(RuntimeError, match='view size is not compatible'):
        filter2D.unmended(image, kernel)
    assert torch.equal(filter2D(image, kernel), filter2D.unmended(image.contiguous(), kernel))
