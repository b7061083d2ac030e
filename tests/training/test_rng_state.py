"""Every global generator goes on from where it was, after a safe load."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch

from cclgan_plugin.training.rng_state import rng_state, set_rng_state


def draw() -> list[float]:
    return [random.random(), random.gauss(0, 1), float(np.random.standard_normal()), float(torch.rand(()))]


def test_generators_go_on(tmp_path: Path) -> None:
    cpu = torch.device('cpu')
    random.gauss(0, 1)  # leaves a second number for the next call
    np.random.standard_normal()
    torch.save(rng_state(cpu), tmp_path / 'rng')
    expected = [draw() for _ in range(3)]
    set_rng_state(torch.load(tmp_path / 'rng', weights_only=True), cpu)
    assert [draw() for _ in range(3)] == expected
