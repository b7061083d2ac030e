"""Metrics of a validation or a test, as BasicSR registers them."""

from __future__ import annotations

from typing import Literal

from cclgan_plugin.options.schema.common import Options, Whole, option


class _MetricOptions(Options):
    crop_border: Whole = option('pixels left out at each edge', ge=0)


class PSNROptions(_MetricOptions):
    """Peak signal-to-noise ratio in dB; needs the ground truth."""

    type: Literal['calculate_psnr'] = option('PSNR')
    test_y_channel: bool = option('on the luma channel only, as deraining papers do', False)
    better: Literal['higher', 'lower'] = option('which value is the best one', 'higher')


class SSIMOptions(_MetricOptions):
    """Structural similarity; needs the ground truth."""

    type: Literal['calculate_ssim'] = option('SSIM')
    test_y_channel: bool = option('on the luma channel only, as deraining papers do', False)
    better: Literal['higher', 'lower'] = option('which value is the best one', 'higher')


class NIQEOptions(_MetricOptions):
    """Naturalness without a ground truth; images of at least 96 pixels a side."""

    type: Literal['calculate_niqe'] = option('NIQE')
    convert_to: Literal['y', 'gray'] = option('which grey image is judged', 'y')
    better: Literal['higher', 'lower'] = option('which value is the best one', 'lower')
