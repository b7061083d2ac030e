"""Bands give what the whole image gives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cclgan_plugin.inference.exact import keeping, run_in_bands, statistics
from cclgan_plugin.inference.exact.bands import MemoryLimitError
from cclgan_plugin.inference.exact.trace import TileError
from cclgan_plugin.inference.pixels import scaled


def difference(network, image, **settings):
    with torch.inference_mode():
        whole = network(image)
    in_bands = run_in_bands(network, image, **{'budget': 1 << 30, **settings})
    assert in_bands.shape == whole.shape
    assert whole.std() > 0.01  # a constant result would prove nothing
    return float((in_bands - whole).abs().max())


def photo(height, width, seed=0):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ('norm', 'anti_alias', 'residual'), list(product(('instance', 'none'), (True, False), (True, False)))
)
def test_every_kind_of_generator_in_thin_bands_is_the_whole_image(
    make_network, monkeypatch, norm, anti_alias, residual
):
    network = make_network(norm=norm, anti_alias=anti_alias, residual=residual)
    assert difference(network, photo(61, 38), band=7) < 1e-5
    # Nothing is kept that need not be: computing again is always cheaper.
    monkeypatch.setattr(keeping, 'FLOPS_PER_SECOND', 1e30)
    assert difference(network, photo(30, 57), budget=1000, band=5) < 1e-5


@pytest.mark.parametrize('size', [(5, 1), (1, 40), (8, 70), (129, 33)])
@pytest.mark.parametrize('band', [1, 16, 1000])
def test_every_size_and_thickness(make_network, size, band):
    assert difference(make_network(), photo(*size), band=band) < 2e-5


def test_one_change_for_all_colours(make_network):
    assert difference(make_network(residual_channels=1), photo(61, 38), band=7) < 1e-5


@pytest.mark.parametrize('options', [{}, {'norm': 'none', 'anti_alias': False}])
def test_skips_reach_over_the_passes(make_network, options):
    assert difference(make_network(skips=True, **options), photo(61, 38), band=7) < 1e-5


def test_tiles_without_the_statistics_of_the_whole_differ_widely(make_network):
    """The error that all this is about, so that the tests above would see it."""
    network, image = make_network(residual=False), photo(64, 64)
    image[:, :, :32] *= 0.3
    with torch.inference_mode():
        tiles = torch.cat([network(image[:, :, :32]), network(image[:, :, 32:])], 2)
        assert (tiles - network(image)).abs().max() > 0.1


def test_kept_on_the_disk_it_is_the_same(make_network, tmp_path, monkeypatch):
    from cclgan_plugin.inference.exact import stores

    written = []
    original = stores.DiskStore.write
    monkeypatch.setattr(stores.DiskStore, 'write', lambda *a: (written.append(a[1]), original(*a)))
    # Nothing fits into the memory for maps, so whatever has to be kept goes to the disk.
    assert difference(make_network(), photo(97, 64), budget=1000, band=4, folder=str(tmp_path)) < 1e-5
    assert written
    assert not list(tmp_path.iterdir())


def test_autocast_is_followed(make_network):
    network, image = make_network(), photo(64, 48)
    with torch.inference_mode(), torch.autocast('cpu', torch.bfloat16):
        whole = network(image)
    in_bands = run_in_bands(network, image, 1 << 30, torch.bfloat16, band=9)
    assert (in_bands - whole).abs().mean() < 2e-2  # bfloat16 has 8 bits, and rounds otherwise in each shape
    assert (in_bands - run_in_bands(network, image, 1 << 30, band=9)).abs().max() > 0


class _Others(nn.Module):
    """Operations that CCLGAN's generator does without."""

    def __init__(self, norm):
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3, padding=2, dilation=2, padding_mode='replicate'), norm
        self.second = nn.Conv2d(8, 4, 4, stride=2, padding=1)
        self.up, self.last = nn.ConvTranspose2d(4, 8, 4, stride=2, padding=1), nn.Conv2d(16, 3, 1)

    def forward(self, x):
        y = F.leaky_relu(self.norm(self.first(x)), 0.1)
        z = F.interpolate(F.pad(self.second(y), (1, 1, 2, 2)), scale_factor=2, mode='nearest')
        y = torch.cat(
            [y, self.up(z)[..., 4:-4, 2:-2][..., : y.shape[2], : y.shape[3]] * 0 + y.mean(1, keepdim=True)], 1
        )
        y = y - y.mean((2, 3), keepdim=True) / (y.var((2, 3), keepdim=True) + 1)
        return torch.sigmoid(self.last(y))


@pytest.mark.parametrize(
    'norm',
    [
        nn.InstanceNorm2d(8),
        nn.InstanceNorm2d(8, affine=True),
        nn.GroupNorm(2, 8),
        nn.GroupNorm(1, 8),
        nn.BatchNorm2d(8),
    ],
    ids=repr,
)
def test_other_networks_norms_and_global_means(norm):
    torch.manual_seed(0)
    for tensor in [*norm.parameters(), *norm.buffers()]:
        if tensor.is_floating_point():
            nn.init.uniform_(tensor, 0.5, 1.5)
    assert difference(_Others(norm).eval(), photo(40, 28), band=6) < 1e-5


class _Shuffled(nn.Module):
    def forward(self, x):
        return x.transpose(2, 3).contiguous().transpose(2, 3) * 0 + x.flip(2)


def test_an_operation_without_a_rule_is_refused():
    with pytest.raises(TileError, match=r'do not know the operation "(transpose|flip)"'):
        run_in_bands(_Shuffled(), photo(16, 16), 1 << 30)


class _InPlace(nn.Module):
    """Writes into a part of a map that is read as a whole afterwards, or into what nobody else reads."""

    def __init__(self, part: bool) -> None:
        super().__init__()
        self.part, self.conv = part, nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        if self.part:
            y[:, :1] *= 0.1
            return y
        return y.view(y.shape).mul_(0.1)


def test_a_change_in_place_of_a_part_is_refused() -> None:
    """It would be lost."""
    x = torch.rand(1, 3, 40, 30)
    with pytest.raises(TileError, match='writes into a part of a map'):
        run_in_bands(_InPlace(True), x, 10**9, band=7)
    network = _InPlace(False)
    with torch.inference_mode():
        torch.testing.assert_close(run_in_bands(network, x, 10**9, band=7), network(x))


def test_statistics_are_exact_without_float64_on_the_device(make_network, monkeypatch) -> None:
    """Apple's GPUs have none, so that it is computed on the CPU."""
    network = make_network(width=4, num_blocks=2)
    assert difference(network, photo(60, 50), band=9) < 1e-4
    expected = run_in_bands(network, photo(60, 50), 1 << 30, band=9)
    monkeypatch.setattr(statistics, '_WITHOUT_FLOAT64', ('cpu',))
    assert torch.equal(run_in_bands(network, photo(60, 50), 1 << 30, band=9), expected)


def test_threads_may_trace_at_once(make_network) -> None:
    """Tracing changes nn.Module for as long as it takes."""
    network, call = make_network(width=4, num_blocks=2), nn.Module.__call__
    x = torch.rand(1, 3, 40, 30)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: run_in_bands(network, x, 10**9), range(12)):
            assert found.shape == x.shape
    assert nn.Module.__call__ is call


class _Whole(nn.Module):
    """Changes an image by a number that belongs to the whole of it."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def forward(self, x):
        return x * 0.5 + self.number(x).reshape(1, -1, 1, 1)


@pytest.mark.parametrize(
    'number',
    [
        lambda x: x.amax((2, 3)),
        lambda x: x.amin((2, 3)),
        lambda x: x.std((2, 3)),
        lambda x: torch.linalg.vector_norm(x, dim=(2, 3)),
        lambda x: x.flatten(2).mean(2),
        lambda x: x.mean((1, 2, 3)),
        lambda x: x.mean(),
        lambda x: x.mean(1).mean((1, 2)),
    ],
    ids=['amax', 'amin', 'std', 'norm', 'flat mean', 'mean with channels', 'mean of all', 'mean of means'],
)
def test_of_a_whole_map_only_means_sums_and_variances_are_known(number):
    with pytest.raises(TileError, match=r'do not know the operation "\w+" of the network over a whole map'):
        run_in_bands(_Whole(number), photo(16, 16), 1 << 30, band=4)


@pytest.mark.parametrize('keep', [True, False])
@pytest.mark.parametrize('name', ['mean', 'sum', 'var'])
def test_means_sums_and_variances_of_a_whole_map(name, keep):
    network = _Whole(lambda x: getattr(x, name)((2, 3), keepdim=keep))
    assert difference(network, photo(40, 28), band=6) < 2e-4


def test_too_little_memory_is_said_at_once(make_network):
    with pytest.raises(MemoryLimitError, match=r'needs about \d+ MiB .* raise --memory'):
        run_in_bands(make_network(), photo(64, 64), 1000)


@pytest.mark.parametrize('kind', [np.uint8, np.uint16])
@pytest.mark.parametrize('size', [(61, 38), (30, 57)])
def test_pixels_are_never_floats_as_a_whole_and_come_out_the_same(make_network, monkeypatch, kind, size):
    from cclgan_plugin.inference.exact import stores
    from cclgan_plugin.inference.pixels import to_network

    network, full = make_network(), np.iinfo(kind).max
    pixels = (photo(*size)[0].permute(1, 2, 0).numpy() * full).astype(kind)
    x, back = to_network(pixels)
    expected = back(run_in_bands(network, x, 1 << 30, band=7))
    bands = []
    monkeypatch.setattr(stores, 'scaled', lambda band: (bands.append(band.size), scaled(band))[1])
    result = run_in_bands(network, pixels, 1 << 30, band=7)
    np.testing.assert_array_equal(result, expected)
    assert result.dtype == kind
    assert max(bands) < pixels.size
