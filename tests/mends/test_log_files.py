"""Each run of a process writes its own log file."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from basicsr.utils import get_root_logger
from basicsr.utils import logger as basicsr_logger


@pytest.fixture
def name() -> Iterator[str]:
    yield 'probe'
    logger = logging.getLogger('probe')
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    basicsr_logger.initialized_logger.pop('probe', None)


def write_two(get_logger: Callable[..., logging.Logger], name: str, folder: Path) -> tuple[str, str]:
    first, second = folder / 'first.log', folder / 'second.log'
    for file in (first, second):
        get_logger(name, log_file=str(file)).info(f'to {file.name}')
    return tuple(file.read_text() if file.exists() else '' for file in (first, second))  # type: ignore[return-value]


def test_second_run_logs_into_the_first_file_without_the_mend(name: str, tmp_path: Path) -> None:
    first, second = write_two(get_root_logger.unmended, name, tmp_path)
    assert 'to second.log' in first
    assert second == ''


def test_second_run_has_its_own_file(name: str, tmp_path: Path) -> None:
    first, second = write_two(get_root_logger, name, tmp_path)
    assert 'to first.log' in first
    assert 'second' not in first
    assert 'INFO: to second.log' in second


def test_a_message_before_the_file_is_known_does_not_keep_it_closed(name: str, tmp_path: Path) -> None:
    get_root_logger(name).warning('early')
    get_root_logger(name, log_file=str(tmp_path / 'a.log')).info('later')
    assert 'later' in (tmp_path / 'a.log').read_text()


@pytest.mark.parametrize('early', [False, True])
def test_files_are_utf_8_whatever_the_locale(name: str, tmp_path: Path, early: bool) -> None:
    if early:
        get_root_logger(name)
    logger = get_root_logger(name, log_file=str(tmp_path / 'a.log'))
    assert [h.encoding for h in logger.handlers if isinstance(h, logging.FileHandler)] == ['utf-8']


@pytest.mark.skipif(sys.flags.utf8_mode, reason='the locale does not count')
def test_files_are_the_locales_without_the_mend(name: str, tmp_path: Path) -> None:
    logger = get_root_logger.unmended(name, log_file=str(tmp_path / 'a.log'))
    assert [h.encoding for h in logger.handlers if isinstance(h, logging.FileHandler)] == ['locale']


def test_other_ranks_write_no_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    get_root_logger(name)
    monkeypatch.setattr(basicsr_logger, 'get_dist_info', lambda: (1, 2))
    logger = get_root_logger(name, log_file=str(tmp_path / 'a.log'))
    assert logger.level == logging.ERROR
    assert not (tmp_path / 'a.log').exists()
