"""Videos in a folder are found by the same rules as pictures: nothing hidden, links followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cclgan_plugin.errors import DataError
from cclgan_plugin.inference import jobs as module
from cclgan_plugin.inference.jobs import plan


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b'')


def test_hidden_files_are_no_jobs_and_do_not_stand_for_pictures(tmp_path: Path) -> None:
    _touch(tmp_path, 'in/a.mp4', 'in/.thumbs/t.png', 'in/.thumbs/v.mp4', 'in/._a.mp4')
    jobs = plan([str(tmp_path / 'in')], str(tmp_path / 'out'))
    assert [(job.name, job.is_video) for job in jobs] == [('a.mp4', True)]


def test_links_are_followed(tmp_path: Path) -> None:
    _touch(tmp_path, 'in/a.png', 'other/b.mp4', 'other/c.gif')
    os.symlink(tmp_path / 'other', tmp_path / 'in' / 'link')
    jobs = plan([str(tmp_path / 'in')], str(tmp_path / 'out'))
    assert [job.name for job in jobs] == ['a.png', 'link/b.mp4', 'link/c.gif']


def test_a_folder_with_neither_is_told_what_it_has(tmp_path: Path) -> None:
    _touch(tmp_path, 'in/a.txt', 'in/b.gif')
    with pytest.raises(DataError, match=r'no image in ".*", found only 1 x \.gif, 1 x \.txt|1 x \.txt, 1 x'):
        plan([str(tmp_path / 'in')], str(tmp_path / 'out'))


@pytest.mark.parametrize('given', ['in', 'in/**/*.png', 'in/*/*.png', '[i]n/**/*'])
@pytest.mark.parametrize('compare', [None, 'in/seen'])
def test_what_an_earlier_run_left_below_the_input_is_no_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, compare: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    _touch(tmp_path, 'in/day/a.png', 'in/day/b.png')
    first = plan([given], 'in/out', compare)
    assert [job.name.rpartition('/')[2] for job in first] == ['a.png', 'b.png']
    _touch(tmp_path, *(job.out for job in first), *([f'{compare}/a.png'] if compare else []))
    assert plan([given], 'in/out', compare) == first


def test_results_may_be_derained_once_more(tmp_path: Path) -> None:
    _touch(tmp_path, 'out/a.png', 'out/again/a.png')
    for given in ('out', 'out/*.png'):
        (job,) = plan([str(tmp_path / given)], str(tmp_path / 'out/again'))
        assert job.source == str(tmp_path / 'out/a.png')


@pytest.mark.parametrize('given', ['in', 'in/**/*.png'])
def test_nothing_but_results_is_said(tmp_path: Path, given: str) -> None:
    _touch(tmp_path, 'in/out/a.png')
    with pytest.raises(DataError, match=r'besides what lies in ".*out"'):
        plan([str(tmp_path / given)], str(tmp_path / 'in/out'))


@pytest.mark.parametrize('out', ['out', 'not/there/yet'])
def test_names_that_differ_in_capitals_are_two_where_the_disk_tells_them_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    names = ['A.jpg', 'B.jpg', 'a.jpg', 'b.jpg']
    _touch(tmp_path, *(f'in/{name}' for name in names), 'out/x', 'other/A.jpg', 'other/a.jpg')
    if len(os.listdir(tmp_path / 'in')) < 4:
        pytest.skip('this disk does not')
    inputs = [str(tmp_path / 'in')]
    assert [job.name for job in plan(inputs, str(tmp_path / out))] == names
    assert sorted(os.listdir(tmp_path)) == ['in', 'other', 'out']
    assert os.listdir(tmp_path / 'out') == ['x']
    for name in ('A.jpg', 'a.jpg'):
        with pytest.raises(DataError, match=rf'in/{name} and .*other/{name} would both become'):
            plan([*inputs, str(tmp_path / 'other' / name)], str(tmp_path / out))
    probed: list[str] = []
    monkeypatch.setattr(module, '_tells_capitals', probed.append)
    with pytest.raises(DataError, match=r'A\.jpg and .*a\.jpg would both become'):
        plan(inputs, str(tmp_path / out))
    assert len(probed) == 1


def test_the_picture_itself_is_known_by_another_spelling(tmp_path: Path) -> None:
    """A second name of the file is what a disk shows that does not tell capitals apart."""
    _touch(tmp_path, 'in/A.JPG', 'in/b.jpg', 'in/c.jpg')
    if not (tmp_path / 'in/a.jpg').exists():
        os.link(tmp_path / 'in/A.JPG', tmp_path / 'in/a.jpg')
    with pytest.raises(DataError, match='would take the place of the picture itself'):
        plan([str(tmp_path / 'in/A.JPG')], str(tmp_path / 'in/a.jpg'))
    # Other names of one file are no danger: a result replaces the name, not the file.
    os.link(tmp_path / 'in/b.jpg', tmp_path / 'in/dry.jpg')
    assert len(plan([str(tmp_path / 'in/b.jpg')], str(tmp_path / 'in/dry.jpg'))) == 1
    if len(os.listdir(tmp_path / 'in')) == 5:
        (tmp_path / 'in/C.jpg').write_bytes(b'')
        assert len(plan([str(tmp_path / 'in/c.jpg')], str(tmp_path / 'in/C.jpg'))) == 1


def test_a_file_may_be_named_twice_in_several_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _touch(tmp_path, 'in/a.png', 'in/b.png')
    os.symlink('in', 'link')
    jobs = plan(['in//a.png', 'in/a.png', './in', str(tmp_path / 'in/a.png'), 'link', 'in/*.png'], 'out')
    assert [(job.source, job.name) for job in jobs] == [('in//a.png', 'a.png'), ('./in/b.png', 'b.png')]
