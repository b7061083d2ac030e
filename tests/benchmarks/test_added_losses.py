"""The benchmark of the added losses steps the models that it says it does."""

from __future__ import annotations

import pytest
from contrastive_runs import contrastive_options, losses_for, plain_options

from benchmarks.added_losses import FILES, Stepper, variants


@pytest.mark.parametrize('file', FILES)
def test_variants_are_the_base_each_loss_and_all(file: str) -> None:
    made = dict(variants(file, 'cpu'))
    alone = made.pop('alone')
    assert alone['model_type'] != 'ContrastiveModel'
    assert 'contrastive_opt' not in alone['train']
    singles = [name for name in made if ' + ' not in name]
    assert len(made) == len(singles) + (len(singles) > 1)
    for name, opt in made.items():
        assert opt['model_type'] == 'ContrastiveModel'
        assert opt['train']['contrastive_opt'].keys() == set(name.split(' + '))


def test_a_loss_costs_what_it_computes() -> None:
    """The generator's own forward pass is not repeated for intra-CCL, which runs the encoder alone."""
    opt = plain_options('SRModel')
    alone, added = (
        Stepper(o, 1).gflop()
        for o in (opt, contrastive_options('SRModel', intra_ccl=losses_for('SRModel')['intra_ccl']))
    )
    # relu1_2 and relu2_1 of VGG19 on 32 x 32 pixels, in multiply-adds: gt and lq forward, the output forward
    # and backward to its pixels.
    convolutions = 9 * (32 * 32 * (3 * 64 + 64 * 64) + 16 * 16 * 64 * 128)
    assert added - alone == pytest.approx(4 * 2 * convolutions / 1e9, rel=1e-6)
