"""Older checkpoints go, and only they."""

from __future__ import annotations

from pathlib import Path

from cclgan_plugin.training.retention import remove_older


def test_the_best_network_stays_whatever_its_metric_is_called(tmp_path: Path) -> None:
    for iteration in (4, 8):
        (tmp_path / f'{iteration}.state').touch()
        for name in ('net_g', 'net_g_rain', 'net_h'):
            (tmp_path / f'{name}_{iteration}.pth').touch()
    for name in ('net_g_best_psnr_4', 'net_g_best_4', 'net_g_latest', 'mine_4'):
        (tmp_path / f'{name}.pth').touch()
    assert remove_older(tmp_path, tmp_path, current_iter=8, keep=1) == [4]
    assert {path.name for path in tmp_path.iterdir()} == {
        *('8.state', 'net_g_8.pth', 'net_g_rain_8.pth', 'net_h_8.pth'),
        *('net_g_best_psnr_4.pth', 'net_g_best_4.pth', 'net_g_latest.pth', 'mine_4.pth'),
    }
