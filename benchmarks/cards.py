"""What graphics cards can do at most."""

from __future__ import annotations

#: Dense bfloat16 products with float32 sums, in TFLOP/s, by a piece of the name that PyTorch reports; from
#: the maker's data sheets, without sparsity. A name that is part of another comes after it.
BF16_PEAK_TFLOPS = (
    ('H100 PCIe', 756.0),
    ('H100 NVL', 835.0),
    ('H100', 989.4),
    ('H200 NVL', 835.0),
    ('H200', 989.4),
    ('A100', 312.0),
    ('L40S', 362.0),
    ('A30', 165.0),
    ('A40', 149.7),
    ('RTX 3090', 71.0),
    ('RTX 4090', 165.2),
)


def bf16_peak(card: str) -> float | None:
    """FLOP/s that a card reaches at most in bfloat16; ``None`` for a card that is not in the table."""
    for piece, tflops in BF16_PEAK_TFLOPS:
        if piece in card:
            return tflops * 1e12
    return None
