"""The averaged generator: parameters are averaged, buffers are taken over."""

from types import SimpleNamespace

import torch
from torch import nn

from cclgan_plugin.models.cclgan_parts import CCLGANParts


def test_parameters_are_averaged_and_buffers_copied():
    torch.manual_seed(0)
    current, average = (nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)) for _ in range(2))
    before = average[0].weight.detach().clone()
    for _ in range(3):
        current(torch.randn(4, 1, 5, 5))
    CCLGANParts.model_ema(SimpleNamespace(net_g=current, net_g_ema=average), 0.75)
    torch.testing.assert_close(average[0].weight, 0.75 * before + 0.25 * current[0].weight)
    assert current[1].num_batches_tracked == 3
    for mean, buffer in zip(average.buffers(), current.buffers(), strict=True):
        assert torch.equal(mean, buffer)
