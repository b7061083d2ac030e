"""``logger.keep_best``: the best network is saved, and that there is none is said once, at the end."""

from __future__ import annotations

import logging
import math
from types import SimpleNamespace
from typing import Any

import pytest

from cclgan_plugin.models.cclgan_model import CCLGANModel


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What of a model in training has to do with best values; ``saved`` lists the networks saved."""
    model: Any = CCLGANModel.__new__(CCLGANModel)
    sets = {phase: {'name': phase, 'type': 'SingleImageDataset'} for phase in ('val', 'val_2')}
    metrics = {'niqe': {'type': 'calculate_niqe', 'better': 'lower'}}
    model.opt = {'datasets': sets, 'val': {'metrics': metrics}, 'logger': {'keep_best': 'niqe'}}
    model.is_train, model.record, model.saved = True, SimpleNamespace(finished=False), []
    monkeypatch.setattr(model, '_save_generator', lambda *words: model.saved.append(words))
    for name in sets:
        model._initialize_best_metric_results(name)
    return model


@pytest.mark.parametrize('value', [math.nan, 5.0])
def test_no_best_network_is_told_at_the_end(
    model: Any, value: float, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger('basicsr').addHandler(caplog.handler)
    try:
        for finished in (False, True):
            model.record.finished = finished
            before = caplog.text
            for name in ('val', 'val_2'):
                model._update_best_metric_result(name, 'niqe', value if name == 'val' else math.nan, 4)
    finally:
        logging.getLogger('basicsr').removeHandler(caplog.handler)
    assert not before
    told = 'keep_best: niqe could not be measured on any image of val; there is no net_g_best_niqe.pth'
    assert caplog.messages == ([told] if math.isnan(value) else [])
    assert bool(model.saved) is not math.isnan(value)
