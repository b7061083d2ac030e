"""A second training run in one process logs to the file of the first; a message before the log file is
known keeps the file from ever being opened; a name that the locale's encoding lacks is no line of it.

In every release: ``get_root_logger`` sets its handlers up once, the file's in the encoding of the locale. May
go when it follows ``log_file``, in UTF-8.
"""

from __future__ import annotations

import logging

from basicsr.utils import logger as basicsr_logger

from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace

__all__ = ['apply', 'get_root_logger', 'needed']


def get_root_logger(
    logger_name: str = 'basicsr',
    log_level: int = logging.INFO,
    log_file: str | None = None,
) -> logging.Logger:
    """BasicSR's logger; a ``log_file`` takes the place of the one before.

    Args:
        logger_name: of the logger.
        log_level: of rank 0; the other ranks log errors alone.
        log_file: where rank 0 writes from now on; None leaves it as it is.
    """
    original = get_root_logger.unmended  # type: ignore[attr-defined]
    logger: logging.Logger = original(logger_name, log_level)
    if log_file is None:
        return logger
    for handler in [handler for handler in logger.handlers if isinstance(handler, logging.FileHandler)]:
        logger.removeHandler(handler)
        handler.close()
    if basicsr_logger.get_dist_info()[0] != 0:
        logger.setLevel(logging.ERROR)
        return logger
    logger.setLevel(log_level)
    file_handler = logging.FileHandler(log_file, 'w', encoding='utf-8')
    file_handler.setFormatter(logging.Formatter('%(asctime)s %(levelname)s: %(message)s'))
    file_handler.setLevel(log_level)
    logger.addHandler(file_handler)
    return logger


def apply() -> None:
    """Let every run write its own log file."""
    replace(basicsr_logger.get_root_logger, get_root_logger)
