"""The counts of a step: parts add up, optimizers are left out, memory is given back."""

from __future__ import annotations

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import counting
from benchmarks.observer import PARTS
from benchmarks.step_recipes import Recipe, Setting
from benchmarks.step_variants import build_variant

TINY = Setting(size=32, width=2, blocks=1, encoder='none')


def test_parts_of_our_step() -> None:
    counts = counting.count_step(build_variant(Recipe(TINY)))[0]
    assert list(counts.parts) == [part for part in PARTS if 'optimizers' not in part]
    assert counts.flops == sum(part.flops for part in counts.parts.values()) > 0
    assert '_fused_adam_' not in counts.ops
    # All that the forward passes keep is given back by the end.
    assert sum(part.saved for part in counts.parts.values()) == 0
    kept = counts.parts['translate'].saved + counts.parts['G losses'].saved
    assert counts.saved == kept == sum(counts.saved_by_node.values())


def test_the_oracle_does_and_holds_more() -> None:
    ours, oracle = (counting.count_step(build_variant(Recipe(TINY, oracle=o)))[0] for o in (False, True))
    assert oracle.ops.total() > 2 * ours.ops.total()
    assert oracle.saved > ours.saved


def test_the_fused_attention_kernel_is_counted_like_the_plain_one() -> None:
    attention = torch.nn.MultiheadAttention(8, 2, batch_first=True).eval().requires_grad_(False)
    x = torch.rand(3, 5, 8)
    found = []
    for fast in (True, False):
        torch.backends.mha.set_fastpath_enabled(fast)
        try:
            with FlopCounterMode(display=False) as flops, counting.OpCount() as ops:
                attention(x, x, x, need_weights=False)
        finally:
            torch.backends.mha.set_fastpath_enabled(True)
        assert ('_native_multi_head_attention' in ops.counts) == fast
        found.append(flops.get_total_flops())
    assert found[0] == found[1] == 2 * 15 * 8 * 32 + 2 * 2 * 3 * 25 * 8


def test_the_cpu_s_attention_kernel_is_counted_like_its_formula() -> None:
    q = torch.rand(3, 2, 64, 8, requires_grad=True)
    found = []
    for backend in (SDPBackend.FLASH_ATTENTION, SDPBackend.MATH):
        with sdpa_kernel(backend), FlopCounterMode(display=False) as flops, counting.OpCount() as ops:
            torch.nn.functional.scaled_dot_product_attention(q, q, q).sum().backward()
        assert ('_scaled_dot_product_flash_attention_for_cpu' in ops.counts) == (
            backend is SDPBackend.FLASH_ATTENTION
        )
        found.append(flops.get_total_flops())
    # Two products forward, four backward; the fused kernel forms one of the first two again.
    product = 2 * 3 * 2 * 64 * 64 * 8
    assert found == [7 * product, 6 * product]
