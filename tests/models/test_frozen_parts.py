"""Networks of somebody else's of which a part is frozen: it stays so, and the rest learns."""

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
from basicsr.utils.registry import ARCH_REGISTRY
from tiny_run import tiny_options, write_data

from cclgan_plugin.archs import CCLGANDiscriminator, CCLGANGenerator
from cclgan_plugin.options.parse import parse_options
from cclgan_plugin.training.optimizer_parameters import parameters_of


class FrozenStem(CCLGANGenerator):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.stem.requires_grad_(False)


class FrozenFirst(CCLGANDiscriminator):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.conv1.requires_grad_(False)


def test_frozen_parts_do_not_learn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for arch in (FrozenStem, FrozenFirst):
        monkeypatch.setitem(ARCH_REGISTRY._obj_map, arch.__name__, arch)
    write_data(tmp_path / 'data')
    networks = {'network_g': {'type': 'FrozenStem'}, 'network_d': {'type': 'FrozenFirst'}}
    options = tiny_options(name='frozen')
    for name, changed in networks.items():
        options[name] |= changed
    (tmp_path / 'frozen.yml').write_text(yaml.safe_dump(options))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', ['basicsr', '-opt', 'frozen.yml'])
    opt, _ = parse_options(str(tmp_path), is_train=True)
    make_exp_dirs(opt)
    set_random_seed(0)
    model: Any = build_model(opt)

    before = {name: p.clone() for name, p in model.step.nets.named_parameters()}
    model.feed_data({'lq': torch.rand(1, 3, 32, 32), 'gt': torch.rand(1, 3, 32, 32)})
    model.optimize_parameters(1)
    after = dict(model.step.nets.named_parameters())
    still = {name for name, p in before.items() if torch.equal(p, after[name])}
    frozen = {name for name in before if name.startswith(('g.stem.', 'd.conv1.'))}
    assert frozen
    # Rainy and clean images within the hinge pull at the last biases alike, against each other.
    assert still - {'d.conv5.bias', 'd_rain.conv5.bias'} == frozen, 'the rest learns'
    # Several processes exchange the gradients of what the optimizers have, and of nothing else.
    learning = {id(p) for optimizer in model.optimizers for p in parameters_of(optimizer)}
    assert not learning & {id(after[name]) for name in frozen}
