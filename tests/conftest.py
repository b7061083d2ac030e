"""Any test may import BasicSR, in any order: it has been mended before the first test is collected."""

import logging

import pytest

import cclgan_plugin  # noqa: F401


@pytest.fixture(autouse=True)
def _log_level():
    """What one test silences, the next one hears."""
    logger = logging.getLogger('basicsr')
    level = logger.level
    yield
    logger.setLevel(level)
