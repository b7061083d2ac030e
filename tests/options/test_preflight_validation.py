"""Sets whose pictures could not be saved or measured are refused by name."""

from __future__ import annotations

import pytest

from cclgan_plugin.errors import DataError, OptionError
from cclgan_plugin.options.preflight_validation import check_borders, check_saved_names


@pytest.mark.parametrize('names', [['a/0.png', 'b/0.png'], ['0.jpg', '1.png', '0.png'], ['a/0', 'b/0']])
def test_two_pictures_of_one_name_are_named(names: list[str]) -> None:
    with pytest.raises(DataError, match=f'{names[0]} and {names[-1]} would be saved as one picture, "0"'):
        check_saved_names({'save_img': True}, names)
    check_saved_names({'save_img': False}, names)
    check_saved_names({'save_img': True}, ['a/0.png', 'b/1.png'])


@pytest.mark.parametrize(
    ('metric', 'border', 'fits'),
    [
        ('calculate_psnr', 19, True),
        ('calculate_psnr', 20, False),
        ('calculate_ssim', 14, True),
        ('calculate_ssim', 15, False),
        ('calculate_niqe', 30, True),
        ('another', 30, True),
    ],
)
def test_what_a_border_leaves(metric: str, border: int, fits: bool) -> None:
    val = {'metrics': {'m': {'type': metric, 'crop_border': border}}}
    check_borders(val, [])
    if fits:
        check_borders(val, [(40, 60), (80, 40)])
    else:
        with pytest.raises(OptionError, match=rf'val\.metrics\.m\.crop_border: {border} leaves \d+ pixels'):
            check_borders(val, [(60, 60), (60, 40)])
