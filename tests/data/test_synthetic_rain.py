"""Clean images become further rainy samples: repeatable, different every time, never on both sides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from cclgan_plugin.data import SampleKey, UnpairedImageDataset
from cclgan_plugin.data.rain import Window, render_rain
from cclgan_plugin.data.rain_params import RAIN_TYPES, RainParams
from cclgan_plugin.data.rain_preview import rain_preview
from cclgan_plugin.data.synthetic_rain import SyntheticRain
from cclgan_plugin.errors import OptionError


@pytest.fixture
def make(tmp_path: Path, make_folder: Callable[..., str]) -> Callable[..., UnpairedImageDataset]:
    """Three rainy images of noise; eight clean ones, flat, each of its own dark grey."""
    (tmp_path / 'clean').mkdir()
    for index in range(8):
        cv2.imwrite(str(tmp_path / 'clean' / f'{index}.png'), np.full((60, 70, 3), 10 * index, np.uint8))
    roots = {'dataroot_lq': make_folder('rainy', 3), 'dataroot_gt': str(tmp_path / 'clean')}

    def run(**changes: Any) -> UnpairedImageDataset:
        rain = {'fraction': 0.5, 'type': 'downpour', **changes.pop('rain', {})}
        options = {'gt_size': 16, 'manual_seed': 5, **roots, 'synthetic_rain': rain, **changes}
        return UnpairedImageDataset(options)

    return run


def _samples(dataset: UnpairedImageDataset, epochs: int = 3) -> list[dict[str, Any]]:
    return [
        dataset[SampleKey(epoch, position)] for epoch in range(epochs) for position in range(len(dataset))
    ]


def _synthetic(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [sample for sample in samples if Path(sample['lq_path']).parent.name == 'clean']


def test_rained_images_are_rainy_samples_and_no_clean_ones(make: Callable[..., UnpairedImageDataset]) -> None:
    dataset = make()
    assert len(dataset) == 3 + 4
    samples = _samples(dataset)
    rained = {sample['lq_path'] for sample in _synthetic(samples)}
    assert len(_synthetic(samples)) == 3 * 4
    assert len(rained) == 4
    assert len({sample['gt_path'] for sample in samples} | rained) == 8
    assert not {sample['gt_path'] for sample in samples} & rained


def test_there_is_rain_on_them_and_never_the_same(make: Callable[..., UnpairedImageDataset]) -> None:
    samples = _synthetic(_samples(make()))
    for sample in samples:
        grey = int(Path(sample['lq_path']).stem) * 10 / 255
        assert sample['lq'].shape == (3, 16, 16)
        assert sample['lq'].max() > grey + 0.05
        assert sample['lq'].min() >= grey - 0.01
    assert len({sample['lq'].numpy().tobytes() for sample in samples}) == len(samples)
    assert all(sample['gt'].unique().numel() == 1 for sample in samples)


def test_workers_seeds_and_kinds_of_samples_make_the_usual_difference(
    make: Callable[..., UnpairedImageDataset],
) -> None:
    dataset = make()
    expected = _samples(dataset, 1)
    loader = DataLoader(
        make(cache='decoded'),
        None,
        sampler=dataset.make_sampler(),
        num_workers=2,
        multiprocessing_context='fork',
    )
    for one, other in zip(expected, loader, strict=True):
        assert one['lq_path'] == other['lq_path']
        assert torch.equal(one['lq'], other['lq'])
    bytes_ = _samples(make(uint8=True), 1)
    assert all(
        torch.equal(one['lq'], two['lq'].float() / 255) for one, two in zip(expected, bytes_, strict=True)
    )
    assert {s['lq_path'] for s in _synthetic(_samples(make(manual_seed=6), 1))} != {
        s['lq_path'] for s in _synthetic(expected)
    }


def test_clean_images_can_stay(make: Callable[..., UnpairedImageDataset]) -> None:
    dataset = make(rain={'fraction': 1, 'keep_clean': True})
    samples = _samples(dataset, 1)
    assert len(dataset) == 11
    assert len({sample['gt_path'] for sample in samples}) == 8
    assert len(_synthetic(samples)) == 8


def test_plain_indices_reach_every_sample(make: Callable[..., UnpairedImageDataset]) -> None:
    dataset = make()
    assert len(_synthetic([dataset[index] for index in range(len(dataset))])) == 4
    assert dataset[-1]['lq_path'] == dataset[6]['lq_path']


def test_skipped_images_do_not_bring_a_scene_to_both_sides(make: Callable[..., UnpairedImageDataset]) -> None:
    dataset = make(corrupt_images='skip')
    for members in (dataset._clean, dataset._rained):
        Path(dataset.gt.source.name(int(members[0]))).write_text('no image')
    samples = _samples(dataset, 9)
    assert not {s['lq_path'] for s in samples} & {s['gt_path'] for s in samples}


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'fraction': 0}, 'fraction is 0'),
        ({'fraction': 1}, 'would leave no clean image'),
        ({'fraction': 0.99}, 'leaves none'),
        ({'fraction': 'half'}, "fraction is 'half'"),
        ({'vary': 2}, 'vary is 2'),
        ({'keep_clean': 1}, 'keep_clean is 1'),
        ({'type': 'strom'}, 'Did you mean "storm"'),
        ({'fracton': 0.5}, 'there is no key "fracton". Did you mean "fraction"'),
    ],
)
def test_wrong_options(make: Callable[..., UnpairedImageDataset], options: Any, message: str) -> None:
    with pytest.raises(OptionError) as caught:
        make(rain=options)
    assert message in str(caught.value)


def test_a_missing_fraction_and_no_map() -> None:
    with pytest.raises(OptionError, match='fraction is missing'):
        SyntheticRain.from_options({'type': 'rain'})
    with pytest.raises(OptionError, match='synthetic_rain: expected a map'):
        UnpairedImageDataset({'dataroot_lq': 'a', 'dataroot_gt': 'b', 'synthetic_rain': 0.5})


def test_the_schema_knows_the_kinds_of_rain() -> None:
    from typing import get_args

    from cclgan_plugin.options.schema.datasets import SyntheticRainOptions

    assert get_args(SyntheticRainOptions.model_fields['type'].annotation) == tuple(RAIN_TYPES)


def test_a_crop_has_the_mist_and_the_scale_of_its_photograph() -> None:
    dark = np.full((200, 300, 3), 0.1, np.float32)
    params = RainParams(density=0, veil=0, mist=0.5)
    whole, _ = render_rain(dark, params, np.random.default_rng(0))
    part, _ = render_rain(dark[120:160, 50:90], params, np.random.default_rng(0), Window(120, 200, 300))
    np.testing.assert_allclose(part, whole[120:160, 50:90], atol=1e-6)
    assert whole[0].mean() > whole[100].mean() > whole[199].mean()
    assert abs(whole[199].mean() - 0.1) < 0.01

    def mean_cover(window: Window | None) -> float:
        rng = np.random.default_rng(1)
        masks = [render_rain(dark[:64, :64], RainParams(), rng, window)[1] for _ in range(12)]
        return float(np.mean(masks))

    # The share that is covered is that of the photograph; the streaks are not those of a thumbnail.
    full = float(np.mean([render_rain(dark, RainParams(), np.random.default_rng(i))[1] for i in range(4)]))
    assert abs(mean_cover(Window(0, 200, 300)) - full) < 0.25 * full


def test_the_preview_shows_every_kind_of_rain(make_folder: Callable[..., str]) -> None:
    root = make_folder('photos', 2)
    picture = rain_preview(root, ['00.png', '01.png'])
    assert picture.dtype == np.uint8
    assert picture.shape[1] > (1 + len(RAIN_TYPES)) * 256
    assert 2 * 256 < picture.shape[0] < 3 * 256


def test_a_run_that_would_have_no_clean_image_does_not_start(
    make: Callable[..., UnpairedImageDataset],
) -> None:
    from cclgan_plugin.options.preflight_data import check_datasets

    dataset = {
        **make().opt,
        'type': 'UnpairedImageDataset',
        'io_backend': {'type': 'disk'},
        'corrupt_images': 'error',
        'dataset_enlarge_ratio': 1,
        'batch_size_per_gpu': 1,
    }
    check_datasets({'datasets': {'train': dataset}})
    dataset['synthetic_rain'] = {'fraction': 0.99}
    with pytest.raises(OptionError, match=r'datasets\.train: synthetic_rain: .* leaves none'):
        check_datasets({'datasets': {'train': dataset}})
