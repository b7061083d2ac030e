"""SRModel in half precision and channels-last memory: the same training, to what the precision moves."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from basicsr.models.sr_model import SRModel
from contrastive_runs import build, contrastive_options, losses_for, plain_options, train, weights
from forked import needs_fork, run_ranks
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from cclgan_plugin.errors import OptionError
from cclgan_plugin.losses import LCLLoss


def trained(name: str = 'PairedModel', iterations: int = 3, **modes: Any) -> Any:
    model = build(plain_options('SRModel', **modes) | {'model_type': name})
    train(model, 'SRModel', iterations)
    return model


def test_without_modes_it_is_srmodel_to_the_last_bit() -> None:
    expected, found = weights(trained('SRModel')), weights(trained())
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_channels_last_changes_roundings_only() -> None:
    plain, model = trained('SRModel'), trained(channels_last=True)
    assert model.net_g.conv_first.weight.is_contiguous(memory_format=torch.channels_last)
    assert model.get_current_log()['l_pix'] == pytest.approx(plain.get_current_log()['l_pix'], rel=1e-4)


def test_ddp_gets_the_network_in_its_memory_format(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    wrap = SRModel.model_to_device

    def watched(self: SRModel, net: torch.nn.Module) -> torch.nn.Module:
        seen.append(net.conv_first.weight.is_contiguous(memory_format=torch.channels_last))
        return wrap(self, net)

    monkeypatch.setattr(SRModel, 'model_to_device', watched)
    build(plain_options('SRModel', channels_last=True) | {'model_type': 'PairedModel'})
    assert seen[0]


def test_bf16_learns_in_bfloat16_and_keeps_everything_else() -> None:
    """The forward pass only: loss, weights, their gradients and the validation are float32."""
    plain, model = trained('SRModel'), trained(amp='bf16')
    assert model.get_current_log()['l_pix'] == pytest.approx(plain.get_current_log()['l_pix'], rel=0.05)
    assert model.output.dtype == torch.float32
    seen: list[torch.dtype] = []
    for net in (model.net_g, model.net_g_ema):
        net.conv_first.register_forward_hook(lambda module, args, result: seen.append(result.dtype))
    train(model, 'SRModel', 1, first=4)
    model.test()
    assert seen == [torch.bfloat16, torch.float32]
    for parameter in model.net_g.parameters():
        assert parameter.dtype == parameter.grad.dtype == torch.float32


@pytest.mark.parametrize('amp', ['off', 'bf16'])
def test_a_copy_of_the_network_is_one(amp: str, tmp_path: Path) -> None:
    """Not bound to the weights of the other, and a file of it can be written."""
    net = trained(amp=amp, iterations=1).net_g
    other = copy.deepcopy(net)
    for parameter in other.parameters():
        parameter.data.zero_()
    assert not other(torch.ones(1, 3, 8, 8)).any()
    torch.save(net, tmp_path / 'net.pt')


@pytest.mark.parametrize('amp', ['off', 'bf16'])
def test_ccl_losses_go_with_it(amp: str) -> None:
    opt = contrastive_options('SRModel', **losses_for('SRModel')) | {'base_model_type': 'PairedModel'}
    opt['train']['amp'] = amp
    model = build(opt)
    train(model, 'SRModel', 1)
    assert {'l_intra_ccl', 'l_lcl'} <= model.get_current_log().keys()


DECLARED = {'type': 'CCLGANGenerator', 'width': 4, 'num_blocks': 1}


def compared(declared: bool, distributed: bool) -> tuple[list[torch.dtype], dict[str, Any]]:
    """Two iterations with LCL in net_g's own features: their dtypes, and the log."""
    lcl = {'type': 'LCLLoss', 'num_patches': 8} if declared else losses_for('SRModel')['lcl']
    opt = contrastive_options('SRModel', lcl=lcl)
    opt |= {'base_model_type': 'PairedModel', 'dist': distributed}
    opt['network_g'] = DECLARED if declared else opt['network_g']
    opt['train'] |= {'amp': 'bf16', 'ema_decay': 0}
    seen: list[torch.dtype] = []

    class Watched(LCLLoss):
        def forward(self, queries: Any, keys: Any, *further: Any) -> Tensor:
            seen.extend(x.dtype for features in (queries, keys) for x in features.values())
            loss = super().forward(queries, keys, *further)
            seen.append(loss.dtype)
            return loss

    model = build(opt)
    assert isinstance(model.net_g, DistributedDataParallel) is distributed
    model.contrastive.terms.lcl.loss.__class__ = Watched
    train(model, 'SRModel', 2)
    return seen, dict(model.log_dict)


def compare_under_ddp(declared: bool) -> None:
    torch.distributed.init_process_group('gloo')
    torch.save(compared(declared, True), 'ddp')
    torch.distributed.destroy_process_group()


@needs_fork
@pytest.mark.parametrize('declared', [True, False])
def test_lcl_s_queries_and_keys_are_in_one_precision(declared: bool, tmp_path: Path) -> None:
    """Whether net_g gives its levels itself or by its modules' names, and inside DDP: to the last bit."""
    dtypes, log = compared(declared, False)
    levels = 3 if declared else len(losses_for('SRModel')['lcl']['layers'])
    assert dtypes == 2 * [*[torch.bfloat16] * (2 * levels), torch.float32]
    run_ranks(compare_under_ddp, 1, declared, cwd=tmp_path)
    assert torch.load(tmp_path / 'ddp') == (dtypes, log)


@pytest.mark.parametrize(
    ('modes', 'message'),
    [
        ({'amp': 'fp16'}, 'train.amp: PairedModel knows off and bf16, not fp16'),
        ({'amp': 'bf61'}, 'train.amp: .* got "bf61". Did you mean "bf16"'),
        ({'channels_last': 'yse'}, "train.channels_last: expected true or false, got 'yse'"),
    ],
)
def test_what_it_does_not_know_it_refuses(modes: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        trained(**modes)
