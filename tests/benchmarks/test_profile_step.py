"""The command ``python benchmarks/profile_step.py``: every operator is there, with its share of the whole."""

from __future__ import annotations

import re

import pytest
import torch

from benchmarks import profile_step
from benchmarks.counting import count_step
from benchmarks.profile_step import Cost, StepProfile
from benchmarks.step_recipes import Recipe, Setting
from benchmarks.step_variants import build_variant

TINY = Setting(size=32, width=2, blocks=1, encoder='none')


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_operators_of_a_step_and_the_time_in_them() -> None:
    found = profile_step.profile_step(build_variant(Recipe(TINY)), steps=2)
    calls = {cost.name: cost.calls for cost in found.costs}
    counted, _ = count_step(build_variant(Recipe(TINY)))
    for name in ('native_layer_norm', 'native_layer_norm_backward', 'convolution_backward'):
        assert calls[f'aten::{name}'] == counted.ops[name] > 0
    assert [cost.seconds for cost in found.costs] == sorted(
        (cost.seconds for cost in found.costs), reverse=True
    )
    assert found.seconds > 0


def test_report_sums_up_what_it_does_not_show() -> None:
    costs = [Cost('a', 2, 0.003), Cost('b|' + 'x' * 200, 4, 0.001), Cost('c', 1, 0.001)]
    text = profile_step.report(StepProfile(0.010, costs), top=1)
    assert re.search(r'\| a +\| +2 \| 3\.00 \| 60\.0 % \|', text)
    assert re.search(r'\| 2 others +\| +5 \| 2\.00 \| 40\.0 % \|', text)
    assert text.endswith('10.0 ms a step, 7 calls, 5.0 ms in them: 50 % of the step')
    assert 'b/' + 'x' * 85 + '...' in profile_step.report(StepProfile(0.010, costs), top=3)


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ['--size=32', '--width=2', '--blocks=1', '--encoder=none', '--threads=1', '--steps=1']
    assert profile_step.main([*arguments, '--mode=bf16', '--top=3']) == 0
    printed = capsys.readouterr().out
    assert printed.count('\n| ') == 4  # the heads are in the first line
    assert ' others ' in printed
    with pytest.raises(SystemExit):
        profile_step.main([*arguments, '--mode=bf61'])
    assert 'Did you mean "bf16"' in capsys.readouterr().err
