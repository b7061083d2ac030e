"""A run does exactly as many iterations as were asked for, however long an epoch is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from basicsr import train as train_module
from basicsr.models.sr_model import SRModel
from basicsr.utils.logger import MessageLogger

from cclgan_plugin.errors import OptionError
from cclgan_plugin.mends import epoch_arithmetic, experiment_folders, resume_state
from cclgan_plugin.training.epoch_plan import Dealing

MakeOpt = Callable[..., dict[str, Any]]
Train = Callable[[dict[str, Any]], None]


@pytest.fixture
def iterations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The iterations that the model was asked for."""
    done: list[int] = []
    optimize = SRModel.optimize_parameters

    def optimize_parameters(self: SRModel, current_iter: int) -> None:
        done.append(current_iter)
        optimize(self, current_iter)

    monkeypatch.setattr(SRModel, 'optimize_parameters', optimize_parameters)
    return done


# 8 images in batches of 3 are 2 full batches, not the 3 that BasicSR counts.
@pytest.mark.parametrize('total_iter', [1, 2, 7, 10])
def test_every_iteration_runs(
    make_opt: MakeOpt, train: Train, iterations: list[int], total_iter: int
) -> None:
    train(make_opt(images=8, total_iter=total_iter))
    assert iterations == list(range(1, total_iter + 1))


def test_iterations_are_missing_without_the_mend(
    make_opt: MakeOpt, train: Train, iterations: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    unmended = train_module.create_train_val_dataloader.unmended
    monkeypatch.setattr(train_module, 'create_train_val_dataloader', unmended)
    train(make_opt(images=5, total_iter=10))
    assert len(iterations) < 10


def test_a_dataset_smaller_than_a_batch_is_refused_by_its_options(
    make_opt: MakeOpt, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As of a dataset that the check before a run does not know.
    monkeypatch.setattr(experiment_folders, 'before_create', [])
    with pytest.raises(OptionError, match=r'2 images.*batch_size_per_gpu is 3.*dataset_enlarge_ratio 1'):
        train(make_opt(images=2))


def test_enlarging_helps_a_small_dataset(make_opt: MakeOpt, train: Train, iterations: list[int]) -> None:
    opt = make_opt(images=2, total_iter=3)
    opt['datasets']['train']['dataset_enlarge_ratio'] = 2
    train(opt)
    assert iterations == [1, 2, 3]


def test_a_small_dataset_is_repeated_if_asked(make_opt: MakeOpt, train: Train, iterations: list[int]) -> None:
    opt = make_opt(images=2, total_iter=4)
    opt['datasets']['train']['small_set'] = 'repeat'
    train(opt)
    assert iterations == [1, 2, 3, 4]


def test_a_small_dataset_is_repeated_for_all_gpus_of_a_process(make_opt: MakeOpt) -> None:
    opt = make_opt(images=2) | {'num_gpu': 2}
    opt['datasets']['train']['small_set'] = 'repeat'
    loader, *_ = train_module.create_train_val_dataloader(opt, logging.getLogger('quiet'))
    assert loader.batch_size == 6
    assert len(loader) == 1


def test_the_model_is_told_the_length_of_an_epoch(make_opt: MakeOpt) -> None:
    opt = make_opt(images=8)
    train_module.create_train_val_dataloader(opt, logging.getLogger('quiet'))
    assert opt['datasets']['train']['iters_per_epoch'] == 2


@pytest.mark.parametrize('length', [1, 2, 3, 7])
@pytest.mark.parametrize(('start_epoch', 'start_iter'), [(0, 0), (1, 5), (4, 5), (20, 5), (3, 11)])
def test_epochs_suffice_from_any_starting_point(length: int, start_epoch: int, start_iter: int) -> None:
    total = 11
    last = epoch_arithmetic.count_epochs(total, length, start_epoch, start_iter)
    epochs = last - start_epoch + 1
    # A sampler may skip what the interrupted epoch had already given; at the worst all but one batch.
    skipped = length - 1 if start_iter else 0
    assert epochs * length - skipped >= total - start_iter
    assert epochs * length <= total - start_iter + 3 * length


def test_a_fresh_run_forgets_an_earlier_resume(make_opt: MakeOpt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume_state, 'starting_point', (3, 7))
    monkeypatch.setattr(resume_state, 'starting_dealing', Dealing(1, 2, 3))
    assert train_module.load_resume_state(make_opt()) is None
    assert resume_state.starting_point == (0, 0)
    assert resume_state.starting_dealing is None


def test_last_validation_has_the_number_of_the_last_iteration(
    make_opt: MakeOpt, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    validated: list[int] = []
    monkeypatch.setattr(
        SRModel,
        'nondist_validation',
        lambda self, loader, current_iter, *rest: validated.append(current_iter),
    )
    opt = make_opt(images=8, total_iter=3)
    opt['datasets']['val'] = {**opt['datasets']['train'], 'phase': 'val', 'name': 'val'}
    opt['val'] = {'val_freq': 100, 'save_img': False}
    train(opt)
    assert validated == [3]


def _logged(caplog: pytest.LogCaptureFixture, current_iter: int) -> str:
    opt = {'name': 'run', 'logger': {'print_freq': 1, 'use_tb_logger': False}, 'train': {'total_iter': 4}}
    with caplog.at_level(logging.INFO):
        logger = MessageLogger(opt)
        logger.logger = logging.getLogger('heard')
        logger.start_time -= 10.0 * current_iter  # each iteration took ten seconds
        logger({'epoch': 0, 'iter': current_iter, 'lrs': [0.1], 'time': 10.0, 'data_time': 0.0})
    return caplog.messages[-1]


def test_the_time_that_is_left_ends_at_zero(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert '[eta: 0:00:20,' in _logged(caplog, 2)
    assert '[eta: 0:00:00,' in _logged(caplog, 4)
    monkeypatch.setattr(MessageLogger, '__init__', MessageLogger.__init__.unmended)
    assert '[eta: -1 day, 23:59:50' in _logged(caplog, 4)


def test_a_test_run_may_pass_its_name() -> None:
    from basicsr.models.base_model import BaseModel

    model = BaseModel({'num_gpu': 0, 'is_train': False, 'dist': False})
    seen: list[Any] = []
    model.nondist_validation = lambda loader, current_iter, tb_logger, save_img: seen.append(current_iter)
    model.validation([], 'a_name', None)
    assert seen == ['a_name']
