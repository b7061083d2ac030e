"""Locations: distinct, within the map, and the vectors found there."""

import pytest
import torch

from cclgan_plugin.archs.sampling import conv_at, draw_locations, sample_locations


def test_locations_are_distinct_and_reproducible():
    drawn = draw_locations(5, 7, 20, torch.Generator().manual_seed(3))
    assert len(set(drawn.tolist())) == 20
    assert 0 <= drawn.min() <= drawn.max() < 35
    assert torch.equal(drawn, draw_locations(5, 7, 20, torch.Generator().manual_seed(3)))


def test_a_small_map_gives_all_its_locations():
    assert sorted(draw_locations(2, 3, 256).tolist()) == list(range(6))


def test_sampled_vectors_are_the_maps_columns():
    x = torch.arange(2 * 3 * 4 * 5).view(2, 3, 4, 5)
    vectors = sample_locations(x, torch.tensor([0, 7, 19]))
    assert torch.equal(vectors[1, 1], x[1, :, 1, 2])
    assert torch.equal(vectors[0, 2], x[0, :, 3, 4])


@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('memory_format', [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('size', [(9, 7), (8, 10)])
def test_convolution_at_locations_equals_the_whole_convolution(stride, memory_format, size):
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(3, 5, 4, stride, padding=1).double()
    x = torch.randn(2, 3, *size, dtype=torch.float64).contiguous(memory_format=memory_format)
    where = torch.randperm(conv(x)[0, 0].numel())
    torch.testing.assert_close(conv_at(conv, x, where), sample_locations(conv(x), where))
