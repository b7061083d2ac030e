"""A run that was stopped and goes on ends as if it had never been stopped: bit for bit, everything."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from forked import command, finish, needs_fork, start, start_ranks
from tiny_run import ROOT, write_options
from whole_runs import (
    OPTIONS,
    assert_same_run,
    before_iteration,
    load,
    prepare,
    same,
    stop,
    train,
    train_and_interrupt_all,
    train_and_signal,
    train_and_signal_all,
)

from cclgan_plugin.training import run_lock

pytestmark = needs_fork


@pytest.fixture(scope='module')
def uninterrupted(tmp_path_factory):
    folder = prepare(tmp_path_factory.mktemp('uninterrupted'))
    train(folder)
    return folder


def test_stopped_in_every_iteration(uninterrupted, tmp_path):
    prepare(tmp_path)
    for iteration in range(1, 8):
        # A process that reads the images itself, and two workers, in turn.
        write_options(tmp_path, **OPTIONS, datasets__train__num_worker_per_gpu=2 * (iteration % 2))
        assert stop(tmp_path, iteration, '--auto_resume') == 75
    log = (tmp_path / 'stop.log').read_text()
    states = f'{tmp_path}/experiments/tiny/training_states'
    for iteration in range(1, 8):
        assert f'stopped: SIGTERM after iteration {iteration}; its state is saved in {states}' in log
    for iteration in range(1, 7):
        assert f'--auto_resume goes on from {states}/{iteration}.state' in log
    assert not (tmp_path / 'experiments/tiny/models/net_g_latest.pth').exists()
    train(tmp_path, 1, '--auto_resume')
    assert_same_run(tmp_path, uninterrupted)


@pytest.mark.parametrize('workers', [0, 2])
def test_a_run_that_has_ended_goes_on_with_a_higher_total_iter(tmp_path, workers):
    """Its end is no multiple of save_checkpoint_freq, and in the middle of an epoch."""
    few = {
        'datasets__train__num_worker_per_gpu': workers,
        'train__total_iter': 5,
        'val': None,
        'logger__keep_best': None,
    }
    prepare(tmp_path / 'longer', **few)
    train(tmp_path / 'longer')
    train(tmp_path / 'longer', 1, '--auto_resume', '--force_yml', 'train:total_iter=7')
    assert '--auto_resume goes on from' in (tmp_path / 'longer/train.log').read_text()
    prepare(tmp_path / 'whole', **few | {'train__total_iter': 7})
    train(tmp_path / 'whole')
    state, other = (
        load(tmp_path / f'{name}/experiments/tiny/training_states/7.state') for name in ('longer', 'whole')
    )
    assert {key for key in other if not same(state[key], other[key])} == set()


def test_the_last_validation_of_a_run_that_is_made_longer_counts(tmp_path):
    """It came after the last state, and may have been the best one."""
    prepare(tmp_path, train__total_iter=5, val__val_freq=4)
    train(tmp_path)
    curves = tmp_path / 'experiments/tiny/curves.csv'

    def last_values():
        rows = [line.split(',') for line in curves.read_text().splitlines()]
        return {name: float(value) for iteration, name, value in rows[1:] if iteration == '5' and ':' in name}

    before = last_values()
    assert before
    train(tmp_path, 1, '--auto_resume', '--force_yml', 'train:total_iter=6')
    assert last_values() == before
    best = load(tmp_path / 'experiments/tiny/training_states/6.state')['best_metric_results']
    ((name, metrics),) = best.items()
    assert metrics['psnr']['val'] >= before[f'{name}: psnr']


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGUSR1], ids=['SIGINT', 'SIGUSR1'])
def test_other_signals_stop_a_run_too(uninterrupted, tmp_path, number):
    prepare(tmp_path)
    assert stop(tmp_path, 4, number=number) == 75
    train(tmp_path, 1, '--auto_resume')
    assert_same_run(tmp_path, uninterrupted)


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGUSR1], ids=['SIGTERM', 'SIGUSR1'])
def test_a_signal_to_all_processes_is_the_main_ones_affair(tmp_path, number):
    """As ``timeout`` and Slurm send it; the loader's workers must not fall before the step is done."""
    prepare(tmp_path, datasets__train__num_worker_per_gpu=2)
    words = ('train', '-opt', 'tiny.yml')
    process = start(train_and_signal_all, number, 3, *words, cwd=tmp_path, log='stop.log')
    assert finish([process]) == [75], (tmp_path / 'stop.log').read_text()[-3000:]
    assert (tmp_path / 'experiments/tiny/training_states/3.state').is_file()


def test_an_interrupt_from_the_terminal_does_not_take_the_workers_away(tmp_path):
    """Ctrl-C goes to the workers too, and the main process may be waiting for what they read."""
    # No validation in between, which would end at once.
    prepare(tmp_path, datasets__train__num_worker_per_gpu=2, val__val_freq=50)
    process = start(train_and_interrupt_all, 'train', '-opt', 'tiny.yml', cwd=tmp_path, log='stop.log')
    assert finish([process]) == [75], (tmp_path / 'stop.log').read_text()[-3000:]
    assert (tmp_path / 'experiments/tiny/training_states/3.state').is_file()


def wait_in_third(*words):
    """The command, whose third iteration waits for a file."""

    def wait():
        Path('waits').touch()
        wait_for(Path('goes_on'))

    before_iteration(3, wait)
    return command(*words)


def impatient(*words):
    run_lock.PATIENCE = 0.1
    return command(*words)


def wait_for(file):
    began = time.monotonic()
    while not file.exists() and time.monotonic() < began + 120:
        time.sleep(0.05)


def test_a_second_run_of_the_same_name_is_refused(uninterrupted, tmp_path):
    """It would rename the folder, and both would write into the new one."""
    prepare(tmp_path)
    words = ('train', '-opt', 'tiny.yml')
    first = start(wait_in_third, *words, cwd=tmp_path, log='first.log')
    wait_for(tmp_path / 'waits')
    for further in ((), ('--auto_resume',)):
        assert finish([start(impatient, *words, *further, cwd=tmp_path, log='other.log')]) == [2]
    (tmp_path / 'goes_on').touch()
    assert finish([first]) == [0], (tmp_path / 'first.log').read_text()[-3000:]
    said = f'a run of this name is going on in {tmp_path}/experiments/tiny; wait for its end'
    assert (tmp_path / 'other.log').read_text().count(said) == 2
    assert_same_run(tmp_path, uninterrupted)


def test_a_second_interrupt_leaves_at_once(tmp_path):
    prepare(tmp_path)
    twice = (signal.SIGINT, signal.SIGINT)
    process = start(train_and_signal, twice, 3, 'train', '-opt', 'tiny.yml', cwd=tmp_path, log='stop.log')
    assert finish([process]) == [-signal.SIGINT]
    assert not list((tmp_path / 'experiments/tiny/training_states').iterdir())


def test_an_interrupt_before_the_first_step_is_an_ordinary_one(tmp_path):
    prepare(tmp_path)

    def interrupted():
        from basicsr import train as module

        # What a shell starts in the background is told to ignore it.
        signal.signal(signal.SIGINT, signal.default_int_handler)

        def build_model(opt):
            os.kill(os.getpid(), signal.SIGINT)
            raise AssertionError('still here')

        module.build_model = build_model
        return command('train', '-opt', 'tiny.yml')

    assert finish([start(interrupted, cwd=tmp_path, log='stop.log')]) == [130]


@pytest.mark.parametrize('amp', ['off', 'fp16'])
def test_accumulating_runs_resume(tmp_path, amp):
    changes = {'train__grad_accum': 2, 'datasets__train__batch_size_per_gpu': 1, 'train__grad_clip': 1.0}
    for name in ('whole', 'cut'):
        prepare(tmp_path / name, **changes, train__amp=amp)
    train(tmp_path / 'whole')
    assert stop(tmp_path / 'cut', 3) == 75
    train(tmp_path / 'cut', 1, '--auto_resume')
    assert_same_run(tmp_path / 'cut', tmp_path / 'whole')
    scalers = load(tmp_path / 'cut/experiments/tiny/training_states/7.state')['scalers']
    assert list(scalers) == ([] if amp == 'off' else ['d', 'g'])


def test_a_seed_that_was_drawn_at_random_is_kept(tmp_path):
    prepare(tmp_path, manual_seed=None)
    assert stop(tmp_path, 3) == 75
    seed = load(tmp_path / 'experiments/tiny/training_states/3.state')['manual_seed']
    shutil.copytree(tmp_path, tmp_path / 'again')
    for folder in (tmp_path, tmp_path / 'again'):
        train(folder, 1, '--auto_resume')
    assert load(tmp_path / 'experiments/tiny/training_states/7.state')['manual_seed'] == seed
    saved = yaml.safe_load((tmp_path / 'experiments/tiny/tiny.yml').read_text())
    assert saved['manual_seed'] == seed
    assert_same_run(tmp_path / 'again', tmp_path)


def test_metrics_and_crops_may_be_others_when_a_run_is_resumed(tmp_path):
    """Another metric begins anew, larger crops empty the image pools; the best network is judged by pairs."""
    prepare(tmp_path, datasets__val__name='z')
    assert stop(tmp_path, 3) == 75
    best = load(tmp_path / 'experiments/tiny/training_states/3.state')['best_metric_results']['z']['psnr']
    ssim = 'val:metrics:ssim={type: calculate_ssim, crop_border: 0}'
    rain = 'datasets:val={type: SingleImageDataset, name: rain, dataroot_lq: data/rainy}'
    roots = 'dataroot_lq: data/val/rainy, dataroot_gt: data/val/clean'
    pairs = f'datasets:val_2={{type: PairedImageDataset, name: z, {roots}}}'
    forced = ['datasets:train:gt_size=40', ssim, 'datasets:val=null', rain, pairs]
    models = tmp_path / 'experiments/tiny/models'
    (models / 'net_g_best_psnr.pth').unlink()
    train(tmp_path, 1, '--auto_resume', '--force_yml', *forced)
    after = load(tmp_path / 'experiments/tiny/training_states/7.state')['best_metric_results']
    assert set(after['z']) == {'psnr', 'ssim'}
    assert after['z']['psnr']['val'] >= best['val']
    assert (models / 'net_g_best_psnr.pth').exists() == (after['z']['psnr']['iter'] > 3)


# ---------------------------------------------------------------------- several processes


@pytest.fixture(scope='module')
def two(tmp_path_factory):
    """A run of two processes that was never stopped, and one that was after iteration 3 or so."""
    folders = [tmp_path_factory.mktemp(name) for name in ('two_uninterrupted', 'two_stopped')]
    for folder in folders:
        prepare(folder, datasets__train__batch_size_per_gpu=1)
    train(folders[0], 2)
    words = ('train', '-opt', 'tiny.yml', '--launcher', 'pytorch')
    # Only one of the two gets the signal.
    ranks = start_ranks(stop_second, 2, *words, cwd=folders[1], log='stop')
    codes = finish(ranks)
    assert codes == [75, 75], [(folders[1] / f'stop{rank}.log').read_text()[-3000:] for rank in (0, 1)]
    return folders


def slow_disk(*words):
    """The command; the disk of the first process takes its time, and the watch is impatient."""
    from cclgan_plugin.mends import saving
    from cclgan_plugin.training import rank_watch

    save = saving.atomic_torch_save

    def atomic_torch_save(obj, path):
        time.sleep(3 if path.suffix == '.state' else 0)
        return save(obj, path)

    saving.atomic_torch_save, rank_watch.GRACE, rank_watch.BEAT = atomic_torch_save, 0.1, 0.2
    return stop_second(*words)


def test_nobody_leaves_while_the_first_process_is_saving(tmp_path):
    prepare(tmp_path, datasets__train__batch_size_per_gpu=1)
    words = ('train', '-opt', 'tiny.yml', '--launcher', 'pytorch')
    assert finish(start_ranks(slow_disk, 2, *words, cwd=tmp_path, log='slow')) == [75, 75]
    assert len(list((tmp_path / 'experiments/tiny/training_states').iterdir())) == 1


def stop_second(*words):
    """The command; the second process gets a signal in iteration 2."""
    if os.environ['RANK'] == '0':
        return command(*words)
    return train_and_signal((signal.SIGTERM,), 2, *words)


def test_two_processes_stop_after_the_same_iteration(two):
    _, folder = two
    states = [path.name for path in (folder / 'experiments/tiny/training_states').iterdir()]
    assert len(states) == 1
    iteration = int(states[0].removesuffix('.state'))
    assert 2 <= iteration <= 4
    for rank in (0, 1):
        log = (folder / f'stop{rank}.log').read_text()
        assert f'[rank {rank}] basicsr: stopped: SIGTERM after iteration {iteration}' in log
    state = load(folder / f'experiments/tiny/training_states/{states[0]}')
    first, second = (rank['pools']['c^']['images'] for rank in state['ranks'])
    assert first
    assert not same(first, second)


def test_two_processes_resume(two, tmp_path):
    uninterrupted, stopped = two
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    train(tmp_path, 2, '--auto_resume')
    assert_same_run(tmp_path, uninterrupted)


def test_torchrun_and_an_interrupt_of_its_whole_group(tmp_path):
    """As from the keyboard: the processes get it from the terminal, and once more from torchrun."""
    prepare(
        tmp_path,
        datasets__train__batch_size_per_gpu=1,
        train__total_iter=40,
        val=None,
        logger__keep_best=None,
    )
    words = ('-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2', '-m', 'cclgan_plugin')
    with (tmp_path / 'out').open('w') as out:
        process = subprocess.Popen(
            [sys.executable, *words, 'train', '-opt', 'tiny.yml', '--launcher', 'pytorch'],
            cwd=tmp_path,
            env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        end = time.monotonic() + 120
        while 'iter:       2' not in (tmp_path / 'out').read_text() and time.monotonic() < end:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(120) == 1
    (state,) = (tmp_path / 'experiments/tiny/training_states').iterdir()
    log = (tmp_path / 'out').read_text()
    for rank in (0, 1):
        assert (
            f'[rank {rank}] basicsr: stopped: SIGINT after iteration {state.stem}; its state is saved' in log
        )


def test_another_number_of_processes_is_refused_or_handled(two, tmp_path):
    _, stopped = two
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    words = ('train', '-opt', 'tiny.yml', '--auto_resume')
    assert finish([start(command, *words, cwd=tmp_path, log='one.log')]) == [2]
    log = (tmp_path / 'one.log').read_text()
    assert 'was saved by another kind of run: 2 process(es) then, 1 now' in log
    assert 'path.resume_changed: allow' in log
    train(tmp_path, 1, '--auto_resume', '--force_yml', 'path:resume_changed=allow')
    state = load(tmp_path / 'experiments/tiny/training_states/7.state')
    assert len(state['ranks']) == state['dealing']['processes'] == 1
    # Back with two; the epoch goes on where one process has left it.
    assert state['dealing']['taken'] > 0
    train(
        *(tmp_path, 2, '--auto_resume', '--force_yml', 'path:resume_changed=allow', 'train:total_iter=8'),
        log='back',
    )
