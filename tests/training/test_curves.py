"""Curves: a table that survives interruptions, and a picture of it."""

import csv
import os
import subprocess
import sys

import cv2
import pytest

from cclgan_plugin.errors import TrainingError
from cclgan_plugin.training.curves import Curves


def rows(folder):
    with (folder / 'curves.csv').open() as file:
        return [(int(r['iteration']), r['name'], float(r['value'])) for r in csv.DictReader(file)]


def test_values_are_on_disk_at_once_and_exact(tmp_path):
    Curves(tmp_path).add(3, {'l_idt': 0.1 + 0.2, 'l_lcl': 1e-30})
    assert rows(tmp_path) == [(3, 'l_idt', 0.1 + 0.2), (3, 'l_lcl', 1e-30)]


def test_a_resumed_run_drops_what_came_after_its_state(tmp_path):
    first = Curves(tmp_path)
    for iteration in (1, 2, 3):
        first.add(iteration, {'l_idt': float(iteration)})
    resumed = Curves(tmp_path, go_on=True)
    resumed.cut(2)
    resumed.add(3, {'l_idt': 30.0})
    assert rows(tmp_path) == [(1, 'l_idt', 1.0), (2, 'l_idt', 2.0), (3, 'l_idt', 30.0)]


def test_a_new_run_begins_a_new_table(tmp_path):
    Curves(tmp_path).add(1, {'l_idt': 1.0})
    Curves(tmp_path)
    assert rows(tmp_path) == []


def test_a_line_cut_short_by_a_kill_is_passed_over(tmp_path):
    Curves(tmp_path).add(1, {'l_idt': 1.0})
    with (tmp_path / 'curves.csv').open('a') as file:
        file.write('2,l_idt,\r\n3,l_i')
    resumed = Curves(tmp_path, go_on=True)
    resumed.cut(5)
    assert len(resumed.draw().read_bytes()) > 0
    assert rows(tmp_path) == [(1, 'l_idt', 1.0)]


def test_the_validation_that_is_done_again_is_not_there_twice(tmp_path):
    Curves(tmp_path).add(2, {'l_idt': 1.0, 'val: psnr': 20.0})
    resumed = Curves(tmp_path, go_on=True)
    resumed.cut(2)
    resumed.add(2, {'val: psnr': 20.0})
    assert rows(tmp_path) == [(2, 'l_idt', 1.0), (2, 'val: psnr', 20.0)]


def test_names_are_utf_8_whatever_the_locale(tmp_path):
    """A resumed run reads what it has written, with the name of a data set in it."""
    code = (
        'import sys; from cclgan_plugin.training.curves import Curves\n'
        'for go_on in (False, True):\n'
        '    c = Curves(__import__("pathlib").Path(sys.argv[1]), go_on=go_on)\n'
        '    c.cut(1 + go_on); c.add(1 + go_on, {"val: pr\\u0142": 1.0})\n'
    )
    environment = {**os.environ, 'LC_ALL': 'C', 'PYTHONUTF8': '0', 'PYTHONCOERCECLOCALE': '0'}
    subprocess.run([sys.executable, '-c', code, str(tmp_path)], env=environment, check=True)
    lines = (tmp_path / 'curves.csv').read_text('utf-8').splitlines()
    assert lines[1:] == ['1,val: pr\u0142,1.0', '2,val: pr\u0142,1.0']


def test_a_folder_that_is_gone_is_an_error_of_the_training(tmp_path):
    curves = Curves(tmp_path / '.')
    (tmp_path / 'curves.csv').unlink()
    tmp_path.rmdir()
    with pytest.raises(TrainingError, match=r'Cannot write .*curves\.csv: No such file or directory'):
        curves.add(1, {'l_idt': 1.0})


def test_the_picture_shows_each_name(tmp_path):
    curves = Curves(tmp_path)
    assert curves.draw() is None
    for iteration in range(5):
        curves.add(iteration, {name: float(iteration) for name in ('l_a', 'l_b', 'l_c', 'l_d', 'val: psnr')})
    picture = cv2.imread(str(curves.draw()))
    assert picture.shape[0] > 400  # five diagrams need two rows
    assert picture.std() > 10


def test_a_picture_that_cannot_be_written_is_an_error_of_the_training(tmp_path):
    curves = Curves(tmp_path)
    curves.add(1, {'l_d': 1.0})
    (tmp_path / 'curves.png').mkdir()
    with pytest.raises(TrainingError, match=r'curves\.png: cannot be written: .*--auto_resume'):
        curves.draw()
