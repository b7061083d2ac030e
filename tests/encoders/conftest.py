"""A CLIP small enough for tests, and a way to hear what is said to BasicSR's log."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import open_clip
import pytest
import torch

TINY_CLIP = 'cclgan-test-tiny'


@pytest.fixture(scope='session')
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of an open_clip model with 32x32 images, two layers and an embedding of 8 numbers."""
    config = {
        'embed_dim': 8,
        'quick_gelu': True,
        'vision_cfg': {'image_size': 32, 'layers': 2, 'width': 16, 'head_width': 8, 'patch_size': 8},
        'text_cfg': {'context_length': 4, 'vocab_size': 10, 'width': 8, 'heads': 1, 'layers': 1},
    }
    path = tmp_path_factory.mktemp('open_clip') / f'{TINY_CLIP}.json'
    path.write_text(json.dumps(config))
    open_clip.add_model_config(path)
    return TINY_CLIP


@pytest.fixture
def tiny_clip_model(tiny_clip: str) -> torch.nn.Module:
    """The whole tiny CLIP, both halves, with weights that are random but always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return open_clip.create_model(tiny_clip).eval()


@pytest.fixture
def tiny_clip_file(tiny_clip_model: torch.nn.Module, tmp_path: Path) -> Path:
    path = tmp_path / 'clip.pt'
    torch.save({'epoch': 3, 'state_dict': tiny_clip_model.state_dict()}, path)
    return path


@pytest.fixture
def basicsr_log() -> Iterator[list[logging.LogRecord]]:
    """Records of the logger 'basicsr', also where BasicSR has cut it off from the root logger."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    logger = logging.getLogger('basicsr')
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)
    logger.setLevel(level)
