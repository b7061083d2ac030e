"""Modes are read from words, and leave the precision of float32 as it was."""

from __future__ import annotations

import pytest
import torch

from benchmarks.modes import PLAIN, Mode
from cclgan_plugin.errors import OptionError


def test_words() -> None:
    assert Mode.parse('fp32') == PLAIN
    assert Mode.parse('bf16+channels_last') == Mode(bf16=True, channels_last=True)
    assert str(Mode.parse('channels_last+bf16')) == 'bf16+channels_last'
    assert str(PLAIN) == 'fp32'


def test_an_unknown_word_is_refused_with_a_hint() -> None:
    with pytest.raises(OptionError, match=r'there is no "chanels_last".*Did you mean "channels_last"'):
        Mode.parse('bf16+chanels_last')


@pytest.mark.parametrize('tf32', [False, True])
def test_precision_of_float32_is_restored(tf32: bool) -> None:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with pytest.raises(RuntimeError), Mode(tf32=tf32).float32_products():  # noqa: PT012
        assert torch.get_float32_matmul_precision() == ('high' if tf32 else 'highest')
        assert torch.backends.cudnn.allow_tf32 == tf32
        raise RuntimeError
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before
