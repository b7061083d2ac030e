"""Samples are what the method asks for, and the same for any workers, ranks and ways to start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from cclgan_plugin.data import EpochSampler, SampleKey, UnpairedImageDataset
from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.errors import DataError

Make = Callable[..., UnpairedImageDataset]


@pytest.fixture
def options(make_folder: Callable[..., str]) -> dict[str, Any]:
    """Seven rainy and four clean images of 24x32, cropped to 16x16."""
    return {
        'name': 'unpaired',
        'type': 'UnpairedImageDataset',
        'phase': 'train',
        'scale': 1,
        'manual_seed': 5,
        'dataroot_lq': make_folder('rainy', 7),
        'dataroot_gt': make_folder('clean', 4),
        'io_backend': {'type': 'disk'},
        'gt_size': 16,
        'use_hflip': True,
        'num_worker_per_gpu': 0,
        'batch_size_per_gpu': 2,
    }


@pytest.fixture
def make(options: dict[str, Any]) -> Make:
    return lambda **changes: UnpairedImageDataset({**options, **changes})


def _load(dataset: UnpairedImageDataset, epochs: int = 2, **loader: Any) -> list[dict[str, Any]]:
    """All batches of some epochs, in order."""
    sampler = dataset.make_sampler()
    batches = []
    loaded = DataLoader(dataset, batch_size=2, sampler=sampler, **loader)
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        batches += list(loaded)
    return batches


def _assert_same(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    assert len(one) == len(other)
    for left, right in zip(one, other, strict=True):
        assert left['lq_path'] == right['lq_path']
        assert left['gt_path'] == right['gt_path']
        assert torch.equal(left['lq'], right['lq'])
        assert torch.equal(left['gt'], right['gt'])


def test_a_sample(make: Make) -> None:
    sample = make()[SampleKey(0, 0)]
    assert set(sample) == {'lq', 'gt', 'lq_path', 'gt_path'}
    for side, folder in (('lq', 'rainy'), ('gt', 'clean')):
        assert sample[side].shape == (3, 16, 16)
        assert sample[side].dtype == torch.float32
        assert 0 <= sample[side].min() < sample[side].max() <= 1
        assert Path(sample[f'{side}_path']).parent.name == folder


def test_a_crop_is_red_green_blue_and_from_the_named_file(make: Make) -> None:
    from PIL import Image

    sample = make(gt_size=24, use_hflip=False)[SampleKey(0, 3)]
    whole = np.asarray(Image.open(sample['lq_path'])).astype(np.float32) / 255
    windows = [whole[:, x : x + 24].transpose(2, 0, 1) for x in range(9)]
    assert any(np.allclose(window, sample['lq'].numpy(), atol=1e-7) for window in windows)


def test_the_larger_side_gives_the_length_and_is_used_once_per_epoch(make: Make) -> None:
    dataset = make()
    assert len(dataset) == 7
    for epoch in range(3):
        samples = [dataset[SampleKey(epoch, position)] for position in range(7)]
        assert set(Counter(sample['lq_path'] for sample in samples).values()) == {1}
        assert sorted(Counter(sample['gt_path'] for sample in samples).values()) == [1, 2, 2, 2]


def test_each_epoch_pairs_crops_and_flips_anew(make: Make) -> None:
    dataset = make()
    epochs = [[dataset[SampleKey(epoch, position)] for position in range(7)] for epoch in range(4)]
    pairs = [{(sample['lq_path'], sample['gt_path']) for sample in samples} for samples in epochs]
    assert all(one != other for i, one in enumerate(pairs) for other in pairs[:i])
    crops = {sample['lq'].numpy().tobytes() for samples in epochs for sample in samples}
    assert len(crops) >= 27  # of 28 crops, two may fall on the same window by chance


def test_the_seed_decides(make: Make) -> None:
    _assert_same(_load(make(), 1), _load(make(), 1))
    one, other = _load(make(), 1), _load(make(manual_seed=6), 1)
    assert not any(torch.equal(left['lq'], right['lq']) for left, right in zip(one, other, strict=True))


def test_global_random_states_play_no_part(make: Make) -> None:
    first = _load(make(), 1)
    torch.manual_seed(99)
    np.random.seed(99)
    _assert_same(first, _load(make(), 1))


@pytest.mark.parametrize('persistent', [False, True])
@pytest.mark.parametrize('workers', [1, 2])
def test_forked_workers_give_the_same_samples(make: Make, workers: int, persistent: bool) -> None:
    loaded = _load(make(), num_workers=workers, multiprocessing_context='fork', persistent_workers=persistent)
    _assert_same(_load(make()), loaded)


def test_spawned_workers_give_the_same_samples(make: Make) -> None:
    loaded = _load(make(), num_workers=2, multiprocessing_context='spawn', persistent_workers=True)
    _assert_same(_load(make()), loaded)


def test_two_ranks_together_see_what_one_process_sees(make: Make) -> None:
    dataset = make()
    samplers = [dataset.make_sampler(2, rank, ratio=2) for rank in range(2)]
    dealt = [dataset[key] for keys in zip(*samplers, strict=True) for key in keys]
    alone = [dataset[key] for key in dataset.make_sampler(1, 0, ratio=2)]
    assert [sample['lq_path'] for sample in dealt] == [sample['lq_path'] for sample in alone]
    assert all(torch.equal(one['gt'], other['gt']) for one, other in zip(dealt, alone, strict=True))


def test_a_plain_loader_takes_the_longer_side_in_order_and_partners_at_random(make: Make) -> None:
    batches = [list(DataLoader(make(), batch_size=7)) for _ in range(4)]
    assert all(
        [Path(path).stem for path in batch['lq_path']] == [f'0{i}' for i in range(7)] for (batch,) in batches
    )
    assert len({tuple(batch['gt_path']) for (batch,) in batches}) > 1


def test_a_plain_loader_follows_torchs_seed_and_repeats_no_crop(make: Make) -> None:
    def epochs() -> list[Any]:
        torch.manual_seed(3)
        loader = DataLoader(make(), batch_size=7, num_workers=1, multiprocessing_context='fork')
        return [batch for _ in range(2) for batch in loader]

    first, second = epochs(), epochs()
    _assert_same(first, second)
    assert not torch.equal(first[0]['lq'], first[1]['lq'])


def test_plain_indices_end_where_the_dataset_ends(make: Make) -> None:
    dataset = make()
    assert dataset[np.int64(-1)]['lq_path'] == dataset[6]['lq_path']
    assert len(list(dataset)) == 7
    with pytest.raises(IndexError, match='index 7 of a dataset of 7'):
        dataset[7]


def test_basicsr_builds_dataset_and_loader(options: dict[str, Any]) -> None:
    from basicsr.data import build_dataloader, build_dataset

    dataset = build_dataset(options)
    sampler = dataset.make_sampler(1, 0, 2)
    loader = build_dataloader(dataset, options, num_gpu=0, sampler=sampler, seed=5)
    assert isinstance(dataset, UnpairedImageDataset)
    assert isinstance(sampler, EpochSampler)
    assert [tuple(batch['lq'].shape) for batch in loader] == [(2, 3, 16, 16)] * 7


def test_lists_choose_images(make: Make, tmp_path: Path) -> None:
    (tmp_path / 'lq.txt').write_text('03.png\n05.png\n')
    dataset = make(meta_info_file_lq=str(tmp_path / 'lq.txt'))
    assert len(dataset) == 4
    names = {Path(dataset[SampleKey(0, position)]['lq_path']).name for position in range(4)}
    assert names == {'03.png', '05.png'}


def test_resizing_comes_before_cropping(make: Make) -> None:
    dataset = make(resize=16, use_hflip=False)
    sample = dataset[SampleKey(0, 0)]
    again = dataset[SampleKey(0, 0)]
    assert sample['lq'].shape == (3, 16, 16)
    other_epoch = next(
        dataset[SampleKey(1, position)]
        for position in range(7)
        if dataset[SampleKey(1, position)]['lq_path'] == sample['lq_path']
    )
    # Resized to the size of the crop there is only one crop.
    assert torch.equal(sample['lq'], again['lq'])
    assert torch.equal(sample['lq'], other_epoch['lq'])


def test_small_images_are_padded_or_an_error(make: Make) -> None:
    assert make(gt_size=100)[SampleKey(0, 0)]['lq'].shape == (3, 100, 100)
    with pytest.raises(ImageError, match='smaller than the crop of 100x100'):
        make(gt_size=100, small_images='error')[SampleKey(0, 0)]


def test_a_bad_image_in_a_worker_ends_with_one_sentence(make: Make, options: dict[str, Any]) -> None:
    bad = Path(options['dataroot_lq'], '02.png')
    bad.write_bytes(bad.read_bytes()[:200])
    with pytest.raises(ImageError) as caught:
        _load(make(), num_workers=2, multiprocessing_context='fork')
    assert str(caught.value).startswith(f'{bad}: the PNG file is truncated')
    assert '\n' not in str(caught.value)


def test_skipped_images_are_named_once_by_all_workers_and_replaced_alike(
    make: Make, options: dict[str, Any], basicsr_log: Callable[[], list[str]]
) -> None:
    Path(options['dataroot_lq'], '02.png').write_text('no image')
    alone = _load(make(corrupt_images='skip'), 3)
    assert len(basicsr_log()) == 1
    dataset = make(corrupt_images='skip')
    loaded = _load(dataset, 3, num_workers=1, multiprocessing_context='fork', persistent_workers=False)
    _assert_same(alone, loaded)
    assert len(basicsr_log()) == 2
    assert not any('02.png' in path for batch in alone for path in batch['lq_path'])


def test_images_on_both_sides_are_warned_of(
    make: Make, options: dict[str, Any], basicsr_log: Callable[[], list[str]]
) -> None:
    make(dataroot_gt=options['dataroot_lq'])
    assert '7 images are on both sides' in basicsr_log()[0]


def test_separate_sides_are_not_warned_of(make: Make, basicsr_log: Callable[[], list[str]]) -> None:
    make()
    assert basicsr_log() == []


def test_a_missing_side_is_named(make: Make, tmp_path: Path) -> None:
    with pytest.raises(DataError, match='dataroot_gt: there is no folder'):
        make(dataroot_gt=str(tmp_path / 'claen'))
    (tmp_path / 'empty').mkdir()
    with pytest.raises(DataError, match='dataroot_lq: no image'):
        make(dataroot_lq=str(tmp_path / 'empty'))


@pytest.mark.parametrize('loader', [{}, {'num_workers': 2, 'multiprocessing_context': 'fork'}])
def test_one_database_serves_both_sides_and_basicsr(
    make: Make, options: dict[str, Any], tmp_path: Path, loader: dict[str, Any]
) -> None:
    from basicsr.data import build_dataset
    from basicsr.utils.lmdb_util import make_lmdb_from_imgs

    names = [f'0{i}.png' for i in range(7)]
    path = str(tmp_path / 'rain.lmdb')
    make_lmdb_from_imgs(options['dataroot_lq'], path, names, [name[:-4] for name in names], map_size=2**24)
    lmdb = {'dataroot_lq': path, 'dataroot_gt': path, 'io_backend': {'type': 'lmdb'}}
    validation = build_dataset({**options, **lmdb, 'type': 'PairedImageDataset', 'phase': 'val'})
    before = validation[0]['lq']
    from_disk = _load(make(dataroot_gt=options['dataroot_lq']))
    from_database = _load(make(**lmdb), **loader)
    for one, other in zip(from_disk, from_database, strict=True):
        assert torch.equal(one['lq'], other['lq'])
        assert torch.equal(one['gt'], other['gt'])
        assert [Path(name).stem for name in one['lq_path']] == other['lq_path']
    assert torch.equal(before, validation[0]['lq'])
