"""N processes learn exactly what one process learns from the batch of all of them: float64, real gloo."""

import logging
import os
import sys
from pathlib import Path

import pytest
import torch
import yaml
from forked import finish, needs_fork, run_ranks, start
from tiny_run import tiny_options, write_data

pytestmark = needs_fork

BATCH = 4
CASES = {
    'image': {},
    'global': {'train__lcl_opt__negatives': 'global'},
    'all terms, clipped': {
        'train__lcl_opt__terms': ['translation', 'reconstruction', 'identity'],
        'train__inter_ccl_opt__pooling': 'mean',
        'train__inter_ccl_opt__num_patches': 64,  # the default: nothing reads it then
        'train__cycle_opt': {'type': 'L1Loss', 'loss_weight': 10.0},
        'train__grad_clip': 0.5,
    },
}
#: Negatives of a process's own batch: one process takes the batches one after the other.
OWN_BATCH = {'train__lcl_opt__negatives': 'batch'}
#: What one process runs, and what N processes run that must come to the same.
SINGLE = 'single precision'
ALONE = {
    **CASES,
    SINGLE: {},
    'accumulated': {'train__grad_accum': 2},
    'batch of 2': {**OWN_BATCH, 'train__grad_accum': 2},
    'batch of 4': {**OWN_BATCH, 'train__grad_accum': 4},
}
TOGETHER = {**CASES, SINGLE: {}, 'accumulated': {}, 'batch': OWN_BATCH}
PARTNER = {
    ('batch', 2): 'batch of 2',
    ('batch', 4): 'batch of 4',
}


def options(folder, distributed, name, changes):
    """The options as the command reads them."""
    from cclgan_plugin.options.parse import parse_options

    file = Path(folder, f'{name}.{os.environ.get("RANK", "0")}.yml')
    file.write_text(yaml.safe_dump(tiny_options(name=name, **changes)))
    sys.argv = ['basicsr', '-opt', str(file), '--launcher', 'pytorch' if distributed else 'none']
    opt, _ = parse_options(str(folder), is_train=True)
    return opt


def build(opt, dtype):
    """CCLGANModel in a precision, in its folders."""
    from basicsr.models import build_model
    from basicsr.train import make_exp_dirs

    make_exp_dirs(opt)
    if opt['dist']:
        torch.distributed.barrier()
    torch.set_default_dtype(dtype)
    try:
        return build_model(opt)
    finally:
        torch.set_default_dtype(torch.float32)


def images(iteration):
    """Rainy and clean images of an iteration, for all processes."""
    generator = torch.Generator().manual_seed(iteration)
    return torch.rand((2, BATCH, 3, 32, 32), generator=generator, dtype=torch.float64).unbind(0)


def named(model, pick):
    """Something of every parameter, by network and name."""
    return {
        f'{key}.{n}': pick(p).clone() for key, net in model.nets.items() for n, p in net.named_parameters()
    }


def learn(folder, world, cases):
    """Three steps of every case; gradients of the first and weights after the last go to a file."""
    from basicsr.train import create_train_val_dataloader

    for number, (name, changes) in enumerate(cases.items()):
        opt = options(folder, world > 1, f'w{world}c{number}', changes)
        dtype = torch.float32 if name == SINGLE else torch.float64
        model, rank = build(opt, dtype), opt['rank']
        found = {'initial': named(model, lambda p: p.detach())}
        for iteration in (1, 2, 3):
            model.update_learning_rate(iteration)
            lq, gt = (x.to(dtype).chunk(world)[rank] for x in images(iteration))
            model.feed_data({'lq': lq, 'gt': gt})
            model.optimize_parameters(iteration)
            if iteration == 1:
                found['gradients'] = named(model, lambda p: p.grad)
        found['weights'] = named(model, lambda p: p.detach())
        found['weights'] |= {f'ema.{n}': p for n, p in model.net_g_ema.state_dict().items()}
        found['log'] = dict(model.get_current_log())
        if number == 0:
            loader, sampler, *_ = create_train_val_dataloader(opt, logging.getLogger('quiet'))
            found['samples'] = []
            for epoch in (0, 1):
                sampler.set_epoch(epoch)
                for batch in loader:
                    crops = zip(batch['lq_path'], batch['gt_path'], batch['lq'], batch['gt'], strict=True)
                    found['samples'] += [(a, b, float(x.sum()), float(y.sum())) for a, b, x, y in crops]
        torch.save(found, Path(folder, f'{world}.{rank}.{name}.pt'))
        if world > 1:
            torch.distributed.destroy_process_group()
            os.environ['MASTER_PORT'] = str(int(os.environ['MASTER_PORT']) + 1)


def relative_error(found, expected):
    """The largest error of any tensor relative to its norm.

    A bias before instance norm has no gradient but rounding and stays at 1e-11; such a one counts absolutely.
    """
    assert set(found) == set(expected)
    return max(
        float((found[key] - value).norm() / value.norm().clamp_min(1e-2)) for key, value in expected.items()
    )


@pytest.fixture(scope='module')
def learned(tmp_path_factory):
    folder = tmp_path_factory.mktemp('joined')
    write_data(folder / 'data')
    # Four images on each side, so that epochs are as long in all runs.
    (folder / 'data/rainy/4.png').unlink()
    alone = start(
        learn, folder, 1, _with_batch(ALONE, BATCH), cwd=folder, log='alone.log', CUDA_VISIBLE_DEVICES=''
    )
    assert finish([alone]) == [0], (folder / 'alone.log').read_text()[-3000:]
    for world in (2, 4):
        small = _with_batch(TOGETHER, BATCH // world)
        run_ranks(learn, world, folder, world, small, cwd=folder, log=f'of{world}_')
    return folder


def _with_batch(cases, size):
    return {
        k: {**v, 'datasets__train__batch_size_per_gpu': size // v.get('train__grad_accum', 1)}
        for k, v in cases.items()
    }


@pytest.mark.parametrize('case', [name for name in TOGETHER if name != SINGLE])
@pytest.mark.parametrize('world', [2, 4])
def test_n_processes_are_one(learned, world, case):
    one = torch.load(learned / f'1.0.{PARTNER.get((case, world), case)}.pt')
    for rank in range(world):
        found = torch.load(learned / f'{world}.{rank}.{case}.pt')
        assert relative_error(found['gradients'], one['gradients']) < 1e-10
        assert relative_error(found['weights'], one['weights']) < 1e-8
        assert found['log'].keys() == one['log'].keys()
        for name, value in one['log'].items():
            assert found['log'][name] == pytest.approx(value, rel=1e-9), name


@pytest.mark.parametrize('world', [2, 4])
def test_gradients_agree_in_single_precision_too(learned, world):
    one = torch.load(learned / f'1.0.{SINGLE}.pt')
    for rank in range(world):
        found = torch.load(learned / f'{world}.{rank}.{SINGLE}.pt')
        assert {g.dtype for g in found['gradients'].values()} == {torch.float32}
        assert relative_error(found['gradients'], one['gradients']) < 1e-3


@pytest.mark.parametrize('world', [2, 4])
def test_all_ranks_begin_and_stay_with_the_same_weights(learned, world):
    ranks = [torch.load(learned / f'{world}.{rank}.image.pt') for rank in range(world)]
    heads = [name for name in ranks[0]['initial'] if name.startswith('h')]
    assert heads
    for rank in ranks[1:]:
        for when in ('initial', 'weights'):
            assert all(torch.equal(rank[when][name], value) for name, value in ranks[0][when].items())


@pytest.mark.parametrize('world', [2, 4])
def test_ranks_draw_different_crops_and_together_those_of_one_process(learned, world):
    ranks = [torch.load(learned / f'{world}.{rank}.image.pt')['samples'] for rank in range(world)]
    one = torch.load(learned / '1.0.image.pt')['samples']
    together = [sample for samples in ranks for sample in samples]
    assert len(set(together)) == len(together) == 2 * BATCH
    assert sorted(together) == sorted(one)


def test_accumulation_is_the_whole_batch(learned):
    """In one process: two parts of two images are four images."""
    parts, whole = (torch.load(learned / f'1.0.{case}.pt') for case in ('accumulated', 'image'))
    assert relative_error(parts['gradients'], whole['gradients']) < 1e-10
    assert relative_error(parts['weights'], whole['weights']) < 1e-8


def test_a_clipped_gradient_has_the_given_length(learned):
    found = torch.load(learned / '1.0.all terms, clipped.pt')['gradients']
    lengths = [torch.stack([g.norm() for n, g in found.items() if n[0] == group]).norm() for group in 'gdh']
    assert all(length <= 0.5 + 1e-9 for length in lengths)
    assert max(lengths) > 0.499
