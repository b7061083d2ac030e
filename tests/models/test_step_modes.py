"""Recorded and compiled steps: nothing that a recording returned is read in a later iteration."""

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
from graph_stand_in import Stage
from tiny_run import tiny_options, write_data
from torch import Tensor, nn

from cclgan_plugin.archs import CCLGANDiscriminator, CCLGANGenerator
from cclgan_plugin.models import cclgan_parts
from cclgan_plugin.models.lanes import Lanes
from cclgan_plugin.models.step_modes import StepModes
from cclgan_plugin.options.parse import parse_options
from cclgan_plugin.training import recorder
from cclgan_plugin.training.finite_guard import NonFiniteLoss


def trained(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, stage: Stage | None, **changes: Any):
    """Logs and weights of five iterations."""
    write_data(folder / 'data')
    (folder / f'{name}.yml').write_text(yaml.safe_dump(tiny_options(name=name, **changes)))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, 'argv', ['basicsr', '-opt', f'{name}.yml'])
    opt, _ = parse_options(str(folder), is_train=True)
    if stage:
        opt['train']['cuda_graphs'] = True
        begin = recorder.Recorder.begin

        def begin_with_nothing_left(self: recorder.Recorder, kind: Any) -> None:
            for recorded in stage.recorded:
                recorded.destroy()
            begin(self, kind)

        monkeypatch.setattr(recorder, 'WARM_UP', 1)
        monkeypatch.setattr(recorder, '_Stage', lambda device: stage)
        monkeypatch.setattr(recorder.Recorder, 'begin', begin_with_nothing_left)
        monkeypatch.setattr(cclgan_parts, 'Lanes', lambda device: Lanes())
    make_exp_dirs(opt)
    set_random_seed(0)
    model = build_model(opt)
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
    ('changes', 'replays'),
    [
        ({}, [4, 4, 4]),
        ({'train__pool_size': 3, 'train__ema_decay': 0.9}, [4, 4, 4]),
        # Two kinds of iterations, of which the one that trains the generators has a part more.
        ({'train__net_d_iters': 2}, [1, 1, 1, 2, 2]),
        ({'train__grad_clip': 0.1}, [4, 4, 4]),
    ],
)
def test_nothing_outlives_its_iteration(
    changes: dict[str, Any], replays: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pools, logs, averages and gradients: the same bits as without recording."""
    plain_logs, plain = trained(tmp_path, monkeypatch, 'plain', None, **changes)
    stage = Stage()
    logs, found = trained(tmp_path, monkeypatch, 'recorded', stage, **changes)
    assert sorted(recorded.replays for recorded in stage.recorded) == replays
    assert logs == plain_logs
    assert found.keys() == plain.keys()
    assert all(torch.equal(found[key], plain[key]) for key in plain)


def test_the_stand_in_notices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients that were kept for the next iteration would be found out."""
    monkeypatch.setattr(torch.optim.Adam, 'zero_grad', lambda self, set_to_none=True: None)
    with pytest.raises(NonFiniteLoss):
        trained(tmp_path, monkeypatch, 'recorded', Stage(), train__nan_limit=0)


def test_validation_stays_uncompiled() -> None:
    """Its images are of many sizes, each of which would be compiled for."""
    compiled = []

    def backend(graph: Any, inputs: Any) -> Any:
        compiled.append(graph)
        return graph.forward

    nets = nn.ModuleDict({'g': CCLGANGenerator(width=4, num_blocks=1), 'd': CCLGANDiscriminator(width=4)})
    StepModes(compile=True, compile_backend=backend).prepare(nets)
    with torch.no_grad():
        for size in (32, 40):
            for net in nets.values():
                net(torch.rand(1, 3, size, size))
    assert not compiled
    nets['g'].forward_features(torch.rand(1, 3, 32, 32), ())
    assert compiled


def test_networks_and_losses_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    class Networks(nn.Module):
        def encode(self, x: Tensor) -> Tensor:
            return x + 1

    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(torch, 'compile', lambda function, **how: asked.append(how) or function)
    modes = StepModes(compile=True)
    modes.prepare(nn.ModuleDict({'g': Networks()}))
    modes.prepare_losses([nn.L1Loss(), None])
    assert asked == [{'dynamic': False, 'backend': 'inductor'}] * 2
