"""Numbers, disks and processes that fail: nothing is lost, nothing is silent."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import cv2
import pytest
import torch
from forked import command, finish, needs_fork, run_ranks, start, start_ranks
from tiny_run import tiny_options, write_data, write_options, write_photos
from whole_runs import OPTIONS, assert_same_run, before_iteration, load, prepare, same, train

from cclgan_plugin.archs import CCLGANGenerator
from cclgan_plugin.models.step import CCLGANStep

pytestmark = needs_fork

NETWORKS = ('g', 'g_rain', 'd', 'd_rain', 'h', 'h_rain')


def weights(folder, iteration):
    return {n: load(folder / f'experiments/tiny/models/net_{n}_{iteration}.pth') for n in NETWORKS}


def with_nan(method, term, iterations, *arguments, deferred=False):
    """The command, with a loss that is no number in some iterations."""
    from cclgan_plugin.models import cclgan_model
    from cclgan_plugin.models.cclgan_model import CCLGANModel
    from cclgan_plugin.training.finite_guard import FiniteGuard

    if deferred:
        # What a GPU does, on the CPU, whose fused optimizers can do it too.
        cclgan_model.FiniteGuard = lambda limit, deferred: FiniteGuard(limit, deferred=True)
    original, optimize = getattr(CCLGANStep, method), CCLGANModel.optimize_parameters
    now = [0]

    def losses(self, *args):
        found = original(self, *args)
        if now[0] in iterations:
            found[term] = found[term] * float('nan')
        return found

    def optimize_parameters(self, current_iter):
        now[0] = current_iter
        optimize(self, current_iter)
        # A skipped iteration's graph would be in memory beside that of the next one.
        assert not any(image.requires_grad for image in self._last_images.values())

    setattr(CCLGANStep, method, losses)
    CCLGANModel.optimize_parameters = optimize_parameters
    return command(*arguments)


def run_with_nan(folder, method, term, iterations, *arguments):
    words = ('train', '-opt', 'tiny.yml', *arguments)
    process = start(with_nan, method, term, iterations, *words, cwd=folder, log='nan.log')
    (code,) = finish([process])
    return code, (folder / 'nan.log').read_text()


@pytest.mark.parametrize(
    ('method', 'term'), [('discriminator_losses', 'l_d_rain'), ('generator_losses', 'l_lcl')]
)
def test_an_iteration_with_nan_changes_nothing_and_the_run_goes_on(tmp_path, method, term):
    prepare(tmp_path, logger__save_checkpoint_freq=1, train__total_iter=5, val=None, logger__keep_best=None)
    code, log = run_with_nan(tmp_path, method, term, (1, 3))
    assert code == 0, log[-3000:]
    assert f'{term} is nan at iteration 1; the iteration is skipped, 1 so far (nan_limit: 10)' in log
    assert f'{term} is nan at iteration 3; the iteration is skipped, 2 so far (nan_limit: 10)' in log
    # Not half of it either: discriminators, generators, their average and all means of Adam stay.
    assert same(weights(tmp_path, 2), weights(tmp_path, 3))
    two, three, five = (load(tmp_path / f'experiments/tiny/training_states/{i}.state') for i in (2, 3, 5))
    assert same([o['state'] for o in two['optimizers']], [o['state'] for o in three['optimizers']])
    assert five['skipped'] == 2
    one, four = weights(tmp_path, 1), weights(tmp_path, 4)
    for name in NETWORKS:
        assert not same(one[name], four[name])


@pytest.mark.parametrize(
    ('method', 'term'), [('discriminator_losses', 'l_d'), ('generator_losses', 'l_idt_rain')]
)
def test_a_host_that_does_not_wait_for_its_device_skips_all_the_same(tmp_path, method, term):
    few = {'logger__save_checkpoint_freq': 1, 'train__total_iter': 5}
    prepare(tmp_path, **few, val=None, logger__keep_best=None)

    def deferred(*words):
        return with_nan(method, term, (1, 3), *words, deferred=True)

    (code,) = finish([start(deferred, 'train', '-opt', 'tiny.yml', cwd=tmp_path, log='nan.log')])
    log = (tmp_path / 'nan.log').read_text()
    assert code == 0, log[-3000:]
    assert f'{term} is nan at iteration 3; the iteration is skipped, 2 so far (nan_limit: 10)' in log
    assert same(weights(tmp_path, 2), weights(tmp_path, 3))
    two, three = (load(tmp_path / f'experiments/tiny/training_states/{i}.state') for i in (2, 3))
    assert same([o['state'] for o in two['optimizers']], [o['state'] for o in three['optimizers']])
    one, four = weights(tmp_path, 1), weights(tmp_path, 4)
    assert not any(same(one[name], four[name]) for name in NETWORKS)


def test_a_host_that_does_not_wait_hears_of_the_last_iterations_before_it_ends(tmp_path):
    few = {'train__nan_limit': 1, 'logger__print_freq': 100, 'logger__save_checkpoint_freq': 100}
    prepare(tmp_path, **few, val=None, logger__keep_best=None)

    def deferred(*words):
        return with_nan('generator_losses', 'l_idt', (5, 6), *words, deferred=True)

    (code,) = finish([start(deferred, 'train', '-opt', 'tiny.yml', cwd=tmp_path, log='nan.log')])
    log = (tmp_path / 'nan.log').read_text()
    assert code == 3, log[-3000:]
    assert '(2 skipped, nan_limit is 1)' in log


def test_more_nan_than_allowed_ends_the_run_with_the_good_weights(tmp_path):
    prepare(tmp_path, logger__save_checkpoint_freq=2, train__nan_limit=2, train__total_iter=20)
    code, log = run_with_nan(tmp_path, 'generator_losses', 'l_intra', (3, 5, 6, 7, 8))
    assert code == 3
    assert (
        log.rstrip()
        .splitlines()[-1]
        .startswith(
            'basicsr: error: l_intra is nan at iteration 6; the state of iteration 6, with the weights from '
            'before it, was saved in '
        )
    )
    assert '(3 skipped, nan_limit is 2)' in log
    assert 'Traceback' not in log
    assert all(
        torch.isfinite(v).all() for net in weights(tmp_path, 6).values() for v in net['params'].values()
    )
    # The count goes on in the resumed run, and so does the training.
    code, log = run_with_nan(
        *(tmp_path, 'generator_losses', 'l_intra', (), '--auto_resume', '--force_yml', 'train:total_iter=8')
    )
    assert code == 0, log[-3000:]
    assert load(tmp_path / 'experiments/tiny/training_states/8.state')['skipped'] == 3


def test_a_run_whose_last_iteration_was_skipped_has_not_succeeded(tmp_path):
    prepare(tmp_path)
    code, log = run_with_nan(tmp_path, 'generator_losses', 'l_idt', (7,))
    assert code == 3
    assert 'l_idt is nan at iteration 7; the state of iteration 7' in log
    assert '(the last iteration was skipped)' in log


def test_two_processes_skip_together(tmp_path):
    """A loss that is no number on one process alone keeps both from stepping."""
    prepare(
        tmp_path,
        datasets__train__batch_size_per_gpu=1,
        logger__save_checkpoint_freq=1,
        val=None,
        logger__keep_best=None,
        train__total_iter=3,
    )

    def on_second(*words):
        bad = (2,) if os.environ['RANK'] == '1' else ()
        return with_nan('generator_losses', 'l_idt', bad, *words)

    words = ('train', '-opt', 'tiny.yml', '--launcher', 'pytorch')
    assert finish(start_ranks(on_second, 2, *words, cwd=tmp_path)) == [0, 0]
    assert same(weights(tmp_path, 1), weights(tmp_path, 2))
    assert not same(weights(tmp_path, 2), weights(tmp_path, 3))
    assert 'l_idt is nan at iteration 2; the iteration is skipped' in (tmp_path / 'rank0.log').read_text()


def test_a_process_that_cannot_start_stops_the_others_before_anything_is_renamed(tmp_path):
    """Its images are not on its host, for example."""
    prepare(tmp_path, train__total_iter=1)
    train(tmp_path)

    def without_images_on_the_second(*words):
        if os.environ['RANK'] == '1':
            words = (*words, '--force_yml', 'datasets:train:dataroot_lq=gone')
        return command(*words)

    words = ('train', '-opt', 'tiny.yml', '--launcher', 'pytorch')
    assert finish(start_ranks(without_images_on_the_second, 2, *words, cwd=tmp_path)) == [3, 2]
    assert 'because rank 1 has ended: DataError: datasets.train: ' in (tmp_path / 'rank0.log').read_text()
    assert [path.name for path in (tmp_path / 'experiments').glob('[!.]*')] == ['tiny']


def test_a_process_that_is_slow_to_build_its_model_is_not_dead(tmp_path):
    """Since it fetches weights, for example, while the others are done."""
    prepare(tmp_path, train__total_iter=1, val=None, logger__keep_best=None)

    def slowly_on_the_second(*words):
        from cclgan_plugin.models.cclgan_model import CCLGANModel
        from cclgan_plugin.training import rank_watch

        rank_watch.BEAT = 0.2  # silence of 2.4 s is death
        if os.environ['RANK'] == '1':
            build = CCLGANModel.setup_optimizers

            def setup_optimizers(self):
                time.sleep(6)
                build(self)

            CCLGANModel.setup_optimizers = setup_optimizers
        return command(*words)

    words = ('train', '-opt', 'tiny.yml', '--launcher', 'pytorch')
    run_ranks(slowly_on_the_second, 2, *words, cwd=tmp_path)


# ---------------------------------------------------------------------- checkpoints


def test_only_the_last_states_and_the_best_network_are_kept(tmp_path):
    prepare(tmp_path, logger__save_checkpoint_freq=1, logger__keep_last=2, train__total_iter=5)
    train(tmp_path)
    experiment = tmp_path / 'experiments/tiny'
    assert sorted(p.name for p in (experiment / 'training_states').iterdir()) == ['4.state', '5.state']
    names = {path.name for path in (experiment / 'models').iterdir()}
    expected = {f'net_{n}_{when}.pth' for n in NETWORKS for when in ('4', '5', 'latest')}
    assert names == expected | {'net_g_best_psnr.pth'}
    best = load(experiment / 'training_states/5.state')['best_metric_results']['pairs']['psnr']
    assert best['iter'] in (2, 4)
    if best['iter'] == 4:
        assert same(load(experiment / 'models/net_g_best_psnr.pth'), load(experiment / 'models/net_g_4.pth'))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, if this machine allows that."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    mounted = subprocess.run(
        ['mount', '-t', 'tmpfs', '-o', 'size=2300k', 'tmpfs', str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip('no right to mount a file system')
    yield folder
    subprocess.run(['umount', str(folder)], check=True)


def test_a_full_disk_is_an_error_and_the_older_states_resume(small_disk, tmp_path):
    prepare(tmp_path, logger__save_checkpoint_freq=1, train__total_iter=40, path__root=str(small_disk))
    words = ('train', '-opt', 'tiny.yml', '--force_yml', 'val=null', 'logger:keep_best=null')
    assert finish([start(command, *words, cwd=tmp_path, log='full.log')]) == [3]
    log = (tmp_path / 'full.log').read_text()
    assert 'No space left on device' in log.splitlines()[-1]
    assert 'Traceback' not in log
    models = small_disk / 'experiments/tiny/models'
    states = small_disk / 'experiments/tiny/training_states'
    assert not list(models.glob('.*')) + list(states.glob('.*'))
    last = max(int(path.stem) for path in states.iterdir())
    assert last >= 1
    for name, digest in load(states / f'{last}.state')['networks'].items():
        assert len(digest) == 64
        load(models / name)
    # Room is made; the run goes on.
    subprocess.run(['mount', '-o', 'remount,size=20m', str(small_disk)], check=True)
    words = (*words, 'logger:keep_last=1', f'train:total_iter={last + 2}', '--auto_resume')
    assert finish([start(command, *words, cwd=tmp_path, log='room.log')]) == [0]
    assert f'--auto_resume goes on from {states}/{last}.state' in (tmp_path / 'room.log').read_text()


def filling(folder, *words):
    """The command; before it writes the first picture of a validation, the disk has room for half of it."""
    from basicsr.models import sr_model

    convert = sr_model.tensor2img

    def fill_and_convert(*arguments, **settings):
        filler = folder / 'filler'
        if not filler.exists():
            with suppress(OSError), filler.open('wb', buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            os.truncate(filler, filler.stat().st_size - 4096)
        return convert(*arguments, **settings)

    sr_model.tensor2img = fill_and_convert
    return command(*words)


def assert_only_the_picture_is_missed(folder, log, picture):
    last = log.splitlines()[-1]
    assert last == f'basicsr: error: {folder / picture}: cannot be written: No space left on device'
    assert 'Traceback' not in log
    # In training there is one of its own images, written while there was room.
    found = [path for path in folder.rglob('visualization/**/*') if path.is_file()]
    assert all(cv2.imread(str(path)) is not None for path in found)
    assert not [path for path in found if path.name.startswith('.') or path.name == picture.name]


def test_a_full_disk_under_the_pictures_of_a_validation_is_an_error(small_disk, tmp_path):
    prepare(tmp_path, val__save_img=True, logger__keep_best=None, path__root=str(small_disk))
    words = ('train', '-opt', 'tiny.yml')
    assert finish([start(filling, small_disk, *words, cwd=tmp_path, log='full.log')]) == [2]
    picture = Path('experiments/tiny/visualization/0/0_2.png')
    log = (tmp_path / 'full.log').read_text()
    assert_only_the_picture_is_missed(small_disk, log, picture)
    assert 'An error ends the run after iteration 2, whose state cannot be saved: ' in log


def test_a_full_disk_under_the_pictures_of_a_test_is_an_error(small_disk, tmp_path):
    write_data(tmp_path / 'data')
    weights = tmp_path / 'net_g.pth'
    torch.save({'params': CCLGANGenerator(width=4, num_blocks=1, residual=True).state_dict()}, weights)
    sides = ('g_rain', 'd', 'd_rain', 'h', 'h_rain')
    write_options(
        tmp_path,
        datasets={'test': tiny_options()['datasets']['val']},
        train=None,
        path={'root': str(small_disk), 'pretrain_network_g': str(weights)},
        val__val_freq=None,
        val__save_img=True,
        **{f'network_{name}': None for name in sides},
    )
    words = ('test', '-opt', 'tiny.yml')
    assert finish([start(filling, small_disk, *words, cwd=tmp_path, log='full.log')]) == [2]
    picture = Path('results/tiny/visualization/pairs/0_tiny.png')
    assert_only_the_picture_is_missed(small_disk, (tmp_path / 'full.log').read_text(), picture)


def test_a_folder_that_may_not_be_written_any_more(tmp_path):
    """Also for root, whom no permission stops: the folder is another file system, mounted to be read."""
    prepare(tmp_path, logger__save_checkpoint_freq=2)
    states = tmp_path / 'experiments/tiny/training_states'

    def close():
        subprocess.run(['mount', '--bind', str(states), str(states)], check=True)
        subprocess.run(['mount', '-o', 'remount,bind,ro', str(states)], check=True)

    def closing(*words):
        before_iteration(3, close)
        return command(*words)

    probe = subprocess.run(
        ['mount', '--bind', str(tmp_path), str(tmp_path)], capture_output=True, check=False
    )
    if probe.returncode:
        pytest.skip('no right to mount a file system')
    subprocess.run(['umount', str(tmp_path)], check=True)
    try:
        assert finish([start(closing, 'train', '-opt', 'tiny.yml', cwd=tmp_path, log='ro.log')]) == [3]
    finally:
        subprocess.run(['umount', str(states)], check=False)
    log = (tmp_path / 'ro.log').read_text()
    assert '4.state: Read-only file system' in log.splitlines()[-1]
    assert [path.name for path in states.iterdir()] == ['2.state']
    train(tmp_path, 1, '--auto_resume')
    assert '2.state' in (tmp_path / 'train.log').read_text()


def spoil(path, iteration, *words):
    """The command, for which a picture is no longer one as an iteration begins."""
    before_iteration(iteration, lambda: path.write_bytes(b'no picture'))
    return command(*words)


def signal_in_validation(number, image, *words):
    """The command, which gets a signal as it derains its so manieth validation image."""
    from basicsr.models.sr_model import SRModel

    test, count = SRModel.test, [0]

    def test_and_signal(self):
        count[0] += 1
        if count[0] == image:
            os.kill(os.getpid(), number)
        test(self)

    SRModel.test = test_and_signal
    return command(*words)


@pytest.mark.parametrize('world', [1, 2])
@pytest.mark.parametrize('ended', ['by an error', 'by a signal'])
def test_what_ends_a_run_in_a_validation_loses_no_iteration(tmp_path, world, ended):
    whole, broken = tmp_path / 'whole', tmp_path / 'broken'
    for folder in (whole, broken):
        folder.mkdir()
        prepare(folder)
        write_photos(folder / 'data/val/rainy', 4, seed=3)
        write_photos(folder / 'data/val/clean', 4, seed=4)
    train(whole, world)
    picture = broken / 'data/val/clean/1.png'
    before = picture.read_bytes()
    words = ('train', '-opt', 'tiny.yml', *(('--launcher', 'pytorch') if world > 1 else ()))
    if ended == 'by an error':
        acting, codes = (spoil, world, picture, 4), [3, 2][-world:]
    else:
        # The first image of the second validation: it is not finished.
        acting, codes = (signal_in_validation, world, signal.SIGTERM, 4 // world + 1), [75] * world
    assert finish(start_ranks(*acting, *words, cwd=broken, log='ended')) == codes
    states = broken / 'experiments/tiny/training_states'
    assert [path.name for path in states.iterdir()] == ['4.state']
    log, last = (broken / 'ended0.log').read_text(), (broken / f'ended{world - 1}.log').read_text()
    if ended == 'by an error':
        assert f'An error ends the run after iteration 4, whose state is saved in {states}' in log
        assert '1.png is no image that OpenCV can decode' in last.splitlines()[-1]
    else:
        assert f'SIGTERM after iteration 4; its state is saved in {states}' in log
        assert 'An error' not in log
    picture.write_bytes(before)
    train(broken, world, '--auto_resume')
    assert_same_run(broken, whole)


def test_an_error_within_an_iteration_saves_nothing_of_it(tmp_path):
    prepare(tmp_path)

    def fail():
        raise OSError('the network file system is gone')

    def failing(*words):
        before_iteration(3, fail)
        return command(*words)

    assert finish([start(failing, 'train', '-opt', 'tiny.yml', cwd=tmp_path, log='fail.log')]) != [0]
    assert list((tmp_path / 'experiments/tiny/training_states').iterdir()) == []


# ---------------------------------------------------------------------- processes


def die_in_second(number, *words):
    """The command; the second process is killed in iteration 3, or fails there."""

    def die():
        if number == 0:
            raise MemoryError('an image too large')
        os.kill(os.getpid(), number)

    if os.environ['RANK'] == '1':
        before_iteration(3, die)
    return command(*words)


@pytest.mark.parametrize(
    ('number', 'reason'),
    [
        (signal.SIGKILL, 'rank 1 is dead: no sign of life'),
        (signal.SIGSTOP, 'rank 1 is dead: no sign of life'),
        (0, 'rank 1 has ended: MemoryError: an image too large'),
    ],
    ids=['killed', 'stands still', 'fails'],
)
def test_a_process_that_dies_ends_the_run_within_30_s_with_the_reason(tmp_path, number, reason):
    prepare(
        tmp_path,
        datasets__train__batch_size_per_gpu=1,
        logger__save_checkpoint_freq=2,
        val=None,
        logger__keep_best=None,
    )
    words = ('train', '-opt', 'tiny.yml', '--launcher', 'pytorch')
    first, second = start_ranks(die_in_second, 2, number, *words, cwd=tmp_path)
    states = tmp_path / 'experiments/tiny/training_states'
    began = time.monotonic()
    while not (states / '2.state').is_file() and time.monotonic() < began + 120:
        time.sleep(0.1)
    first.join(30)
    code = first.exitcode
    for process in (first, second):
        process.kill()
        process.join()
    log = (tmp_path / 'rank0.log').read_text()
    assert code == 3, log[-3000:]
    assert f'[rank 0] basicsr: error: The training ends, because {reason}' in log
    if number == signal.SIGKILL:
        write_options(
            tmp_path, **{**OPTIONS, 'datasets__train__batch_size_per_gpu': 1}, logger__use_tb_logger=False
        )
        train(tmp_path, 2, '--auto_resume', log='resumed')
        assert '2.state' in (tmp_path / 'resumed0.log').read_text()


# ---------------------------------------------------------------------- data


@pytest.mark.parametrize('world', [1, 2])
def test_fewer_images_than_one_batch_are_repeated_if_asked(tmp_path, world):
    few = {'datasets__train__batch_size_per_gpu': 8, 'train__total_iter': 3, 'val': None}
    prepare(tmp_path, **few, logger__keep_best=None, logger__save_checkpoint_freq=3)
    words = ('train', '-opt', 'tiny.yml')
    assert finish([start(command, *words, cwd=tmp_path, log='refused.log')]) == [2]
    assert 'set small_set: repeat' in (tmp_path / 'refused.log').read_text()
    assert not (tmp_path / 'experiments').exists()
    train(tmp_path, world, '--force_yml', 'datasets:train:small_set=repeat')
    dealing = load(tmp_path / 'experiments/tiny/training_states/3.state')['dealing']
    assert dealing == {'processes': world, 'batch': 8, 'samples': 5 * (2, 4)[world - 1], 'taken': 8 * world}


# ---------------------------------------------------------------------- determinism


def test_an_operation_that_is_not_deterministic_is_named(tmp_path):
    prepare(tmp_path)

    def with_put(*words):
        from cclgan_plugin.models.cclgan_model import CCLGANModel

        draw = CCLGANModel._draw_locations

        def draw_locations(self):
            torch.zeros(3).put_(torch.tensor([0, 1]), torch.ones(2), accumulate=False)
            return draw(self)

        CCLGANModel._draw_locations = draw_locations
        return command(*words)

    words = ('train', '-opt', 'tiny.yml')
    assert finish([start(with_put, *words, cwd=tmp_path, log='put.log')]) == [3]
    log = (tmp_path / 'put.log').read_text()
    assert 'deterministic: true: the operation put_' in log
    assert 'Traceback' not in log
    words = (*words, '--force_yml', 'deterministic=false', 'train:total_iter=1')
    assert finish([start(with_put, *words, cwd=tmp_path, log='free.log')]) == [0], sys.exc_info()
