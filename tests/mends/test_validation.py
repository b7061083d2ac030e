"""Validation: each set by the metrics it allows, images without side effects, one process with bare
networks.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from basicsr import data
from basicsr.metrics import calculate_metric, calculate_niqe
from basicsr.models import build_model, sr_model
from basicsr.models.sr_model import SRModel
from basicsr.utils import tensor2img
from basicsr.utils.img_util import tensor2img_fast
from basicsr.utils.registry import METRIC_REGISTRY
from torch import nn

from cclgan_plugin.errors import TrainingError
from cclgan_plugin.mends import validation_folders
from cclgan_plugin.mends.metric_means import RunningSum
from cclgan_plugin.mends.metrics_without_truth import needs_truth

MakeOpt = Callable[..., dict[str, Any]]
WriteImages = Callable[..., Path]

METRICS = {
    'psnr': {'type': 'calculate_psnr', 'crop_border': 0},
    'niqe': {'type': 'calculate_niqe', 'crop_border': 0, 'better': 'lower'},
}


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What goes to BasicSR's log, which does not propagate."""
    logger = logging.getLogger('basicsr')
    logger.addHandler(caplog.handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    yield caplog
    logger.setLevel(level)
    logger.removeHandler(caplog.handler)


@pytest.fixture
def model(make_opt: MakeOpt) -> SRModel:
    opt = make_opt()
    opt['val'] = {'save_img': False, 'metrics': METRICS}
    return build_model(opt)


@pytest.fixture
def paired(make_opt: MakeOpt, write_images: WriteImages, tmp_path: Path) -> Any:
    """Two large noisy pairs and a small one, which has no NIQE."""
    folder = write_images(tmp_path / 'large', 2, size=192)
    (write_images(tmp_path / 'small', 3) / '2.png').rename(folder / '2.png')
    opt = make_opt(is_train=False)['datasets']['test']
    opt |= {'dataroot_gt': str(folder), 'dataroot_lq': str(folder), 'name': 'paired'}
    return data.build_dataloader(data.build_dataset(opt), opt)


@pytest.fixture
def rain_only(write_images: WriteImages, tmp_path: Path) -> Any:
    """One image without ground truth."""
    opt = {
        'name': 'rain_only',
        'type': 'SingleImageDataset',
        'phase': 'val',
        'dataroot_lq': str(write_images(tmp_path / 'single', 1, size=192)),
        'io_backend': {'type': 'disk'},
    }
    return data.build_dataloader(data.build_dataset(opt), opt)


def test_a_set_without_truth_is_measured_by_what_needs_none(
    model: SRModel, paired: Any, rain_only: Any, log: pytest.LogCaptureFixture
) -> None:
    # As in training: the last batch is still there.
    model.feed_data({'lq': torch.zeros(1, 3, 192, 192), 'gt': torch.zeros(1, 3, 192, 192)})
    for loader in (rain_only, paired, rain_only):
        model.validation(loader, 5, None)
    results = model.metric_results_by_dataset
    assert set(results['rain_only']) == {'niqe'}
    assert set(results['paired']) == {'psnr', 'niqe'}
    assert model.metric_results == results['rain_only']
    assert set(model.best_metric_results['rain_only']) == {'niqe'}
    assert set(model.best_metric_results['paired']) == {'psnr', 'niqe'}
    assert 'rain_only has no ground truth: psnr cannot be measured.' in log.text
    assert model.opt['val']['metrics'] == METRICS


def test_a_set_without_truth_crashes_without_the_mend(model: SRModel, rain_only: Any) -> None:
    with pytest.raises(TypeError, match='img2'):
        SRModel.nondist_validation.unmended(model, rain_only, 5, None, False)


def test_a_set_without_truth_and_metrics_is_only_tested(
    model: SRModel, rain_only: Any, tmp_path: Path
) -> None:
    model.opt['val']['metrics'] = {'psnr': METRICS['psnr']}
    model.validation(rain_only, 5, None, save_img=True)
    assert model.metric_results == {}
    assert Path(model.opt['path']['visualization'], '0', '0_5.png').is_file()


@pytest.mark.parametrize('mended', [True, False])
def test_several_sets_have_their_pictures_in_folders_of_their_own(
    model: SRModel, rain_only: Any, mended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, name = Path(model.opt['path']['visualization']), 'rain_only' if mended else '.'
    model.opt['datasets'] |= {'val': {}, 'val_2': rain_only.dataset.opt}
    if not mended:
        own = vars(validation_folders.nondist_validation)['unmended']
        monkeypatch.setattr(SRModel, 'nondist_validation', own)
        model.opt['val']['metrics'] = None
    model.validation(rain_only, 5, None, save_img=True)
    assert (folder / name / '0' / '0_5.png').is_file()
    assert Path(model.opt['path']['visualization']) == folder


def test_metrics_that_need_truth_are_told_apart() -> None:
    assert [name for name in sorted(METRIC_REGISTRY.keys()) if not needs_truth(name)] == ['calculate_niqe']


def test_images_without_niqe_are_named_and_left_out_of_the_mean(
    model: SRModel, paired: Any, log: pytest.LogCaptureFixture
) -> None:
    model.net_g = nn.Identity()
    model.validation(paired, 5, None)
    values = [calculate_niqe(tensor2img(paired.dataset[index]['lq']), 0) for index in (0, 1)]
    assert model.metric_results['niqe'] == pytest.approx(np.mean(values))
    assert model.best_metric_results['paired']['niqe']['val'] == model.metric_results['niqe']
    assert (
        '2.png has no NIQE: it has 16x16 pixels, which gives 0 block(s) of 96x96; two are needed.' in log.text
    )


@pytest.mark.parametrize(
    ('image', 'reason'),
    [
        (np.full((200, 200, 3), 90, np.uint8), 'fewer than two of its 4 blocks have any texture'),
        (np.zeros((95, 300, 3), np.uint8), '95x300 pixels, which gives 0 block'),
        (np.zeros((100, 100, 3), np.uint8), '100x100 pixels, which gives 1 block'),
        (np.zeros((1, 1, 3), np.uint8), '1x1 pixels, which gives 0 block'),
    ],
)
def test_a_flat_or_small_image_has_no_niqe(
    image: np.ndarray, reason: str, log: pytest.LogCaptureFixture
) -> None:
    assert math.isnan(calculate_niqe(image, 0))
    assert reason in log.text
    assert METRIC_REGISTRY.get('calculate_niqe') is calculate_niqe


def test_a_flat_image_crashes_niqe_without_the_mend() -> None:
    with np.errstate(all='ignore'), pytest.raises(np.linalg.LinAlgError), pytest.warns(RuntimeWarning):
        calculate_niqe.unmended(np.full((200, 200, 3), 90, np.uint8), 0)


def test_niqe_of_other_images_stays_what_it_was() -> None:
    image = np.random.default_rng(0).integers(0, 256, (210, 200, 3), dtype=np.uint8)
    for options in ({}, {'convert_to': 'gray'}, {'crop_border': 4}):
        arguments = {'crop_border': 0, **options}
        assert calculate_niqe(image, **arguments) == calculate_niqe.unmended(image, **arguments)
    chw = image.transpose(2, 0, 1)
    assert calculate_niqe(chw, 0, 'CHW') == calculate_niqe.unmended(chw, 0, 'CHW')


def test_a_mean_is_over_the_values_there_are() -> None:
    total: Any = 0
    for value in (1.0, math.nan, 4.0):
        total += RunningSum(value)
    assert total / 3 == 2.5
    assert math.isnan((0 + RunningSum(math.nan)) / 1)
    with pytest.raises(TypeError, match='neutral 0'):
        RunningSum(1.0) + 2.0


def test_basicsrs_own_metric_call_keeps_plain_numbers() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    assert calculate_metric({'img': image, 'img2': image + 1}, METRICS['psnr']) == pytest.approx(
        48.13, abs=0.01
    )
    assert isinstance(sr_model.calculate_metric({'img': image, 'img2': image}, METRICS['psnr']), RunningSum)


# ---------------------------------------------------------------------- tensors to images


def test_a_tensor_is_as_before_after_it_was_shown() -> None:
    tensor = torch.tensor([[[[-0.5, 1.5], [0.25, 0.75]]] * 3])
    before = tensor.clone()
    image = tensor2img(tensor)
    assert torch.equal(tensor, before)
    assert image[..., 0].tolist() == [[0, 255], [64, 191]]
    tensor2img_fast(tensor)
    assert torch.equal(tensor, before)
    tensor2img.unmended(tensor)
    assert not torch.equal(tensor, before)


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
def test_a_broken_image_is_not_shown_as_black(value: float) -> None:
    tensor = torch.zeros(1, 3, 2, 2)
    tensor[0, 1, 0, 0] = value
    for convert in (tensor2img, tensor2img_fast, lambda tensor: tensor2img([tensor])):
        with pytest.raises(TrainingError, match=r'shape \(1, 3, 2, 2\) holds 1 NaN or infinite'):
            convert(tensor)


def test_conversion_gives_what_it_gave() -> None:
    tensor = torch.rand(2, 3, 4, 4) * 2 - 0.5
    for arguments in ({}, {'rgb2bgr': False}, {'out_type': np.float32}, {'min_max': (-1, 1)}):
        assert np.array_equal(
            tensor2img(tensor.clone(), **arguments), tensor2img.unmended(tensor.clone(), **arguments)
        )
    pair = tensor2img([tensor[0], tensor[1]])
    assert len(pair) == 2
    with pytest.raises(TypeError, match='tensor or list of tensors expected'):
        tensor2img('an image')


# ---------------------------------------------------------------------- several processes


def test_rank_0_validates_alone_where_a_model_has_a_validation_of_its_own(
    model: SRModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cclgan_plugin.mends import shared_validation

    class Wrapped(nn.Module):
        def __init__(self, module: nn.Module) -> None:
            super().__init__()
            self.module = module

    meetings: list[str] = []
    monkeypatch.setattr(shared_validation, 'DistributedDataParallel', Wrapped)
    monkeypatch.setattr(shared_validation, 'agree', lambda: meetings.append('met'))
    bare = model.net_g
    model.net_g = wrapped = Wrapped(bare)
    used: list[nn.Module] = []
    model.nondist_validation = lambda *args: used.append(model.net_g)
    model.opt['dist'] = True
    for rank in (0, 1):
        model.opt['rank'] = rank
        model.validation([], 5, None)
        assert model.net_g is wrapped
    assert used == [bare]
    assert meetings == ['met', 'met']
    model.opt['rank'] = 0
    SRModel.dist_validation.unmended(model, [], 5, None, False)
    assert used == [bare, wrapped]
