"""Bytes that a dataset hands over reach the model as floats."""

from __future__ import annotations

import torch
from basicsr.data.prefetch_dataloader import CPUPrefetcher


def test_bytes_become_floats_and_all_else_stays() -> None:
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    batch = {'lq': levels, 'gt': levels.float() / 255, 'mask': levels, 'lq_path': ['a.png']}
    prefetcher = CPUPrefetcher([batch])
    prefetcher.reset()
    given = prefetcher.next()
    assert given['lq'].dtype == torch.float32
    assert torch.equal(given['lq'], batch['gt'])
    assert given['gt'] is batch['gt']
    assert given['mask'] is levels
    assert given['lq_path'] == ['a.png']
    assert prefetcher.next() is None


def test_without_the_mend_they_stay_bytes() -> None:
    levels = torch.arange(4, dtype=torch.uint8)
    prefetcher = CPUPrefetcher([{'lq': levels}])
    assert CPUPrefetcher.next.unmended(prefetcher)['lq'].dtype == torch.uint8
