"""Wrong options of the dataset end with the key, the value and what was expected."""

from __future__ import annotations

from typing import Any

import pytest

from cclgan_plugin.data.unpaired_settings import UnpairedSettings
from cclgan_plugin.errors import OptionError

ROOTS = {'dataroot_lq': 'rainy', 'dataroot_gt': 'clean'}


def test_what_is_left_out_or_empty_has_its_default() -> None:
    settings = UnpairedSettings.from_options(
        {**ROOTS, 'resize': None, 'io_backend': None, 'num_worker_per_gpu': 4}
    )
    assert (settings.gt_size, settings.resize, settings.use_hflip) == (256, None, True)
    assert (settings.small_images, settings.corrupt_images) == ('pad', 'error')
    assert settings.io_backend == {'type': 'disk'}


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'dataroot_lq': None}, 'dataroot_lq: missing'),
        ({'dataroot_gt': 3}, 'dataroot_gt: 3, expected a path'),
        ({'gt_size': '64'}, "gt_size: '64', expected a whole number"),
        ({'gt_size': True}, 'gt_size: True, expected a whole number'),
        ({'gt_size': 0}, 'gt_size: 0; a crop has at least 1 pixel'),
        ({'gt_size': 64, 'resize': 32}, 'resize: 32 is smaller than gt_size: 64'),
        ({'use_hflip': 'yes'}, "use_hflip: 'yes', expected true or false"),
        ({'io_backend': 'disk'}, "io_backend: 'disk', expected e.g."),
        ({'small_images': 'pda'}, 'small_images: "pda", expected one of pad, error. Did you mean "pad"'),
        ({'corrupt_images': 'ignore'}, 'corrupt_images: "ignore", expected one of error, skip'),
        ({'phase': 'val'}, 'for phase "val"; use PairedImageDataset'),
        ({'scale': 4}, 'scale: 4; .* must be 1'),
    ],
)
def test_wrong_values_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        UnpairedSettings.from_options({**ROOTS, **change})
