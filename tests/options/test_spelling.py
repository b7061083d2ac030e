"""A refused key of a foreign model is a slip of the pen for certain; anything else passes."""

from __future__ import annotations

import pytest

from cclgan_plugin.options.spelling import near_misspelling

KNOWN = ('total_iter', 'gan_opt', 'pixel_opt', 'network_g', 'ldl_opt', 'resize_prob', 'val_freq', 'use_hflip')


@pytest.mark.parametrize(
    ('word', 'meant'),
    [
        ('gan_otp', 'gan_opt'),
        ('total_itre', 'total_iter'),
        ('total_iters', 'total_iter'),
        ('totl_iter', 'total_iter'),
        ('totaliter', 'total_iter'),
        ('val_freqq', 'val_freq'),
        ('pixle_opt', 'pixel_opt'),
        ('Pixel_opt', 'pixel_opt'),
        ('use_flip', 'use_hflip'),
    ],
)
def test_slips_are_found(word: str, meant: str) -> None:
    """One letter too many, too few, another one, two exchanged, the underscore, the case."""
    assert near_misspelling(word, KNOWN) == meant


@pytest.mark.parametrize(
    'word',
    [
        'network_h',
        'network_d',
        'lcl_opt',
        'lpl_opt',
        'resize_prob2',
        'gan2_opt',
        'style_opt',
        'mixing_prob',
        'fix_iter',
        'x',
    ],
)
def test_other_names_are_left_alone(word: str) -> None:
    """A model of another package may have a third network, a numbered key, a loss of its own."""
    assert near_misspelling(word, KNOWN) is None
