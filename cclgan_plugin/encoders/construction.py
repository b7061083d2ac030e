"""Building a network inside someone else's training run without leaving a trace in it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch

RANDOM_SEED = 0

_warned: set[str] = set()


@contextmanager
def undisturbed_construction() -> Iterator[None]:
    """Build on the CPU in float32 from a fixed seed, and give every global state back as it was.

    An encoder is built at its first call, in the middle of a training step. If building drew from
    the global generator, a run that resumes (and builds once more) would differ from one that does not.
    """
    default_dtype = torch.get_default_dtype()
    # A tensor made in inference mode can never take part in autograd, not even later.
    with torch.random.fork_rng(devices=[]), torch.device('cpu'), torch.inference_mode(False):
        # torch.manual_seed would also reseed the generators of the GPUs, which are not forked here.
        torch.default_generator.manual_seed(RANDOM_SEED)
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(default_dtype)


def warn_of_random_weights(what: str) -> None:
    """Say once per process, to BasicSR's log, what ``weights: random`` means for ``what``."""
    if what in _warned:
        return
    _warned.add(what)
    logging.getLogger('basicsr').warning(
        f'{what} has random weights (weights: random). Its features know nothing of what photographs '
        'show, so the semantic loss built on them does not do what the paper describes. This is for '
        'tests and demonstrations only.'
    )
