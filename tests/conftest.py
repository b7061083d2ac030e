"""Any test may import BasicSR, in any order: it has been mended before the first test is collected."""

import logging
import os

# Before PyTorch is imported: there is a process of tests for each processor, and they start others.
os.environ.setdefault('OMP_NUM_THREADS', '1')

import pytest
import torch

if not torch.cuda.is_available():
    # Before Triton is imported by anybody: without a card its kernels are interpreted, number by number.
    os.environ.setdefault('TRITON_INTERPRET', '1')
    # The first backward pass settles which devices have threads. After tracing with fake tensors it would
    # find some, and processes forked from this one could not differentiate any more.
    torch.zeros(1, requires_grad=True).sum().backward()

import cclgan_plugin  # noqa: F401
from cclgan_plugin.mends import resume_state


@pytest.fixture(autouse=True)
def _log_level():
    """What one test silences, the next one hears."""
    logger = logging.getLogger('basicsr')
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture(autouse=True)
def _nothing_to_go_on_with(monkeypatch):
    """What one test resumes, the next one does not."""
    monkeypatch.setattr(resume_state, 'starting_point', resume_state.starting_point)
    monkeypatch.setattr(resume_state, 'starting_dealing', resume_state.starting_dealing)
    monkeypatch.setattr(resume_state, 'starting_images', resume_state.starting_images)
    monkeypatch.setattr(resume_state, 'starting_networks', resume_state.starting_networks)
    monkeypatch.setattr(resume_state, 'starting_at_end', resume_state.starting_at_end)
