"""Validation by several processes: each image once, and the mean that one process would find."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forked import finish, needs_fork, run_ranks, start

MakeOpt = Callable[..., dict[str, Any]]


def validate(opt: dict[str, Any], distributed: bool) -> None:
    """What a training does at a validation; the results go to a file."""
    import torch
    from basicsr import data
    from basicsr.models import build_model
    from basicsr.utils import dist_util

    if distributed:
        dist_util.init_dist('pytorch', backend='gloo')
    rank, world = dist_util.get_dist_info()
    opt |= {'dist': distributed, 'rank': rank, 'world_size': world}
    torch.manual_seed(0)
    model = build_model(opt)
    tested: list[str] = []
    feed = model.feed_data
    model.feed_data = lambda batch: (tested.extend(batch['lq_path']), feed(batch))
    for dataset in opt['datasets'].values():
        if dataset['phase'] == 'val':
            loader = data.build_dataloader(data.build_dataset(dataset), dataset)
            model.validation(loader, 5, None, save_img=True)
    found = {
        'results': model.metric_results_by_dataset,
        'best': model.best_metric_results,
        'tested': [Path(path).name for path in tested],
    }
    Path(f'{world}.{rank}.json').write_text(json.dumps(found))


@needs_fork
@pytest.mark.parametrize('world', [2, 3])
def test_processes_share_the_images(
    make_opt: MakeOpt, write_images: Callable[..., Path], tmp_path: Path, world: int
) -> None:
    opt = make_opt()
    opt['val'] = {'metrics': {'psnr': {'type': 'calculate_psnr', 'crop_border': 0}}}
    opt['path']['visualization'] = str(tmp_path / 'pictures')
    pairs = {'type': 'PairedImageDataset', 'phase': 'val', 'io_backend': {'type': 'disk'}, 'scale': 1}
    truth, rainy = write_images(tmp_path / 'truth', 5), write_images(tmp_path / 'rainy', 5)
    # The last set has fewer images than there are processes.
    for phase, count in (('val', 5), ('val_2', 1)):
        folders = {'dataroot_gt': str(truth), 'dataroot_lq': str(rainy), 'meta_info_file': f'{phase}.txt'}
        (tmp_path / f'{phase}.txt').write_text(''.join(f'{i}.png\n' for i in range(count)))
        opt['datasets'][phase] = {**pairs, **folders, 'name': phase}
    assert finish([start(validate, opt, False, cwd=tmp_path, log='one.log')]) == [0]
    run_ranks(validate, world, opt, True, cwd=tmp_path)
    one = json.loads((tmp_path / '1.0.json').read_text())
    assert set(one['results']['val']) == {'psnr'}
    ranks = [json.loads((tmp_path / f'{world}.{rank}.json').read_text()) for rank in range(world)]
    for found in ranks:
        # Not nearly: the values are added in the same order.
        assert found['results'] == one['results']
        assert found['best'] == one['best']
    tested = sorted(name for found in ranks for name in found['tested'])
    assert tested == sorted([*(f'{i}.png' for i in range(5)), *['0.png'] * world])
    # Each set has its own folder.
    for phase, count in (('val', 5), ('val_2', 1)):
        assert len(list((tmp_path / 'pictures' / phase).rglob('*_5.png'))) == count


def statistics(opt: dict[str, Any]) -> None:
    """What a batch normalisation knows after a validation; each process has seen other images before."""
    import torch
    from basicsr.models import build_model
    from basicsr.utils import dist_util
    from torch import nn

    dist_util.init_dist('pytorch', backend='gloo')
    rank, world = dist_util.get_dist_info()
    opt |= {'dist': True, 'rank': rank, 'world_size': world}
    model = build_model(opt)
    model.net_g = model.model_to_device(nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)))
    torch.manual_seed(rank)
    model.net_g(torch.rand(1, 3, 4, 4))
    model.nondist_validation = lambda *arguments: None
    model.dist_validation(None, 1, None, save_img=False)
    Path(f'{rank}.json').write_text(json.dumps(model.get_bare_model(model.net_g)[1].running_mean.tolist()))


@needs_fork
def test_all_processes_validate_the_same_network(make_opt: MakeOpt, tmp_path: Path) -> None:
    run_ranks(statistics, 2, make_opt(), cwd=tmp_path)
    first, second = (json.loads((tmp_path / f'{rank}.json').read_text()) for rank in range(2))
    assert first == second
