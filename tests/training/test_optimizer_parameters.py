"""A state that was saved in one memory format goes on in another."""

from __future__ import annotations

import copy

import pytest
import torch

from cclgan_plugin.training.optimizer_parameters import align_states

FORMATS = {'planes': torch.contiguous_format, 'channels_last': torch.channels_last}


def make(values: torch.Tensor, layout: torch.memory_format) -> tuple[torch.nn.Parameter, torch.optim.Adam]:
    p = torch.nn.Parameter(values.clone(memory_format=layout))
    return p, torch.optim.Adam([p], lr=0.1, fused=True)


@pytest.mark.parametrize('saved', FORMATS)
@pytest.mark.parametrize('resumed', FORMATS)
def test_running_means_follow_their_parameters(saved: str, resumed: str) -> None:
    generator = torch.Generator().manual_seed(0)
    start, first, second = torch.randn(3, 8, 4, 3, 3, generator=generator)
    p, optimizer = make(start, FORMATS[saved])
    p.grad = first.contiguous(memory_format=FORMATS[saved])
    optimizer.step()
    q, other = make(p.detach(), FORMATS[resumed])
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    align_states(other)
    for one, parameter, layout in ((optimizer, p, saved), (other, q, resumed)):
        parameter.grad = second.contiguous(memory_format=FORMATS[layout])
        one.step()
    torch.testing.assert_close(q.detach(), p.detach(), rtol=0, atol=1e-6)
    assert other.state[q]['exp_avg'].stride() == q.stride()
    assert other.state[q]['step'] == 2
