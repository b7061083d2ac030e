"""What a run leaves behind besides its networks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import torch

from cclgan_plugin.models.run_record import RunRecord


def test_processes_that_see_a_part_of_the_images_agree_on_the_names(tmp_path: Path) -> None:
    paths = [{'lq_path': f'v/{folder}/1.png', 'gt_path': '?'} for folder in 'abc']
    loader = SimpleNamespace(dataset=SimpleNamespace(opt={'name': 'pairs'}, paths=paths))
    for rank in (1, 2):
        record = RunRecord({'rank': rank, 'path': {'visualization': str(tmp_path)}})
        record.finish()
        with record.validating(None, loader, None, {}):
            for pair in paths[rank - 1 :: 2]:
                record.result([pair['lq_path']], {'result': torch.zeros(1, 3, 8, 8)})
    assert len(list((tmp_path / 'final/pairs').iterdir())) == 3


def test_every_validation_image_has_a_final_picture_of_its_own(tmp_path: Path) -> None:
    record = RunRecord({'rank': 1, 'path': {'visualization': str(tmp_path)}})
    record.finish()
    paths = ['v/a/1.png', 'v/b/1.png', 'v/b/1.tif', 'w/b/1.png', 'v/2.png']
    for _ in range(2):  # the same again keeps its name
        record._dataset = 'pairs'
        for path in paths:
            record.result([path], {'result': torch.zeros(1, 3, 8, 8)})
    record._dataset = 'others'
    record.result(['v/a/1.png'], {'result': torch.zeros(1, 3, 8, 8)})
    assert sorted(path.name for path in (tmp_path / 'final/pairs').iterdir()) == [
        *('1.png', '1.png.png', '1.tif.png', '2.png', 'b_1.png.png')
    ]
    assert [path.name for path in (tmp_path / 'final/others').iterdir()] == ['1.png']
