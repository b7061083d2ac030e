"""Compiled steps, and what CUDA graphs ask: nothing that a graph returned is read in a later iteration."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from basicsr.models import build_model
from basicsr.train import make_exp_dirs
from basicsr.utils import set_random_seed
from tiny_run import tiny_options, write_data
from torch import nn
from torch.utils._pytree import tree_leaves

from cclgan_plugin.models.step_modes import StepModes
from cclgan_plugin.options.parse import parse_options
from cclgan_plugin.training.finite_guard import NonFiniteLoss


class Networks(nn.Module):
    """What a network shows of itself to :class:`StepModes`."""

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1


class Recorder:
    """Stands in for the memory of CUDA graphs: destroys what it returned when the next iteration begins."""

    def __init__(self) -> None:
        self.returned: list[torch.Tensor] = []
        self.iterations = 0
        self.nets: nn.ModuleDict | None = None

    def compiled(self, function: Any, graphs: bool = False) -> Any:
        if not graphs:
            return function

        def recorded(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            self.returned += [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
            return result

        return recorded

    def begin(self) -> None:
        self.iterations += 1
        assert self.nets is not None
        gradients = [p.grad for p in self.nets.parameters() if p.grad is not None]
        for tensor in [*self.returned, *gradients]:
            tensor.data.fill_(float('nan'))
        self.returned.clear()


def trained(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, recorder: Recorder | None, **changes: Any
):
    """Logs and weights of five iterations, validated in between."""
    write_data(folder / 'data')
    (folder / f'{name}.yml').write_text(yaml.safe_dump(tiny_options(name=name, **changes)))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, 'argv', ['basicsr', '-opt', f'{name}.yml'])
    opt, _ = parse_options(str(folder), is_train=True)
    if recorder:
        opt['train'] |= {'compile': True, 'cuda_graphs': True}
        monkeypatch.setattr(
            StepModes, '_compiled', lambda self, *args, **how: recorder.compiled(*args, **how)
        )
        monkeypatch.setattr(torch.compiler, 'cudagraph_mark_step_begin', recorder.begin)
    make_exp_dirs(opt)
    set_random_seed(0)
    model = build_model(opt)
    if recorder:
        recorder.nets = model.step.nets
    logs = []
    for iteration in range(1, 6):
        generator = torch.Generator().manual_seed(iteration)
        lq, gt = torch.rand(2, 2, 3, 32, 32, generator=generator)
        model.feed_data({'lq': lq, 'gt': gt})
        model.update_learning_rate(iteration)
        model.optimize_parameters(iteration)
        logs.append(model.get_current_log())
    model.save(0, 5)
    return logs, {f'{n}.{k}': v.clone() for n, net in model.nets.items() for k, v in net.state_dict().items()}


@pytest.mark.parametrize(
    'changes', [{}, {'train__pool_size': 3, 'train__grad_accum': 2}, {'train__net_d_iters': 2}]
)
def test_nothing_outlives_its_iteration(
    changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pools, logs, averages, gradients and accumulation: the same bits as without graphs."""
    plain_logs, plain = trained(tmp_path, monkeypatch, 'plain', None, **changes)
    recorder = Recorder()
    logs, found = trained(tmp_path, monkeypatch, 'graphs', recorder, **changes)
    assert recorder.iterations == 5
    assert recorder.returned
    assert logs == plain_logs
    assert found.keys() == plain.keys()
    assert all(torch.equal(found[key], plain[key]) for key in plain)


def test_the_recorder_notices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients that were kept for the next iteration would be found out."""
    monkeypatch.setattr(torch.optim.Adam, 'zero_grad', lambda self, set_to_none=True: None)
    with pytest.raises(NonFiniteLoss):
        trained(tmp_path, monkeypatch, 'graphs', Recorder(), train__nan_limit=0)


def test_networks_are_recorded_and_losses_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses are logged in later iterations, and read by the guard against NaN there."""
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(torch, 'compile', lambda function, **how: asked.append(how) or function)
    modes = StepModes(compile=True, cuda_graphs=True)
    modes.prepare(nn.ModuleDict({'g': Networks()}))
    modes.prepare_losses([nn.L1Loss(), None])
    common = {'dynamic': False, 'backend': 'inductor'}
    assert asked == [common | {'mode': 'reduce-overhead'}, common | {'mode': None}]
