"""Pictures: right colours, readable captions, images side by side."""

import cv2
import numpy as np
import pytest
import torch

from cclgan_plugin.errors import TrainingError
from cclgan_plugin.training.pictures import labelled_row, save_png, to_uint8


def test_values_are_rounded_and_clamped():
    image = torch.tensor([-0.5, 0.5, 2.0]).view(3, 1, 1).expand(3, 2, 4)
    assert to_uint8(image).shape == (2, 4, 3)
    assert to_uint8(image)[0, 0].tolist() == [0, 128, 255]


def test_images_stand_side_by_side_unchanged():
    left, right = np.full((160, 200, 3), 40, np.uint8), np.full((100, 180, 3), 90, np.uint8)
    row = labelled_row({'rainy': left, 'truth': right})
    assert row.shape[1] == 200 + 180 + 8
    assert (row[-1, 10] == 40).all()
    assert (row[22:122, 206:386] == 90).all()
    assert (row[122:, 206:386] == 255).all()
    assert (row[:20] < 100).any()  # the captions


def test_small_images_are_enlarged_so_that_captions_fit():
    assert labelled_row({'r': np.zeros((32, 32, 3), np.uint8)}).shape[1] >= 150


def test_png_keeps_rgb(tmp_path):
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 200
    save_png(red, tmp_path / 'new folder' / 'red.png')
    assert cv2.imread(str(tmp_path / 'new folder' / 'red.png'))[0, 0].tolist() == [0, 0, 200]


def test_a_picture_that_cannot_be_written_is_an_error_of_the_training(tmp_path):
    (tmp_path / 'folder').write_bytes(b'a file')
    with pytest.raises(TrainingError, match=r'red\.png: cannot be written: .*go on with --auto_resume'):
        save_png(np.zeros((4, 4, 3), np.uint8), tmp_path / 'folder' / 'red.png')
