"""Folders are searched at any depth, in a fixed order, and without traps."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from unprivileged import unprivileged

from cclgan_plugin.data.image_folder import find_images, visible_files
from cclgan_plugin.errors import DataError


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b'')


def test_images_at_any_depth_with_any_case_of_the_extension(tmp_path: Path) -> None:
    _touch(tmp_path, 'b.PNG', 'a.jpeg', 'sub/deep er/c.Tif', 'sub/ä.webp', 'notes.txt', 'sub/list.csv')
    assert find_images(str(tmp_path)) == ['a.jpeg', 'b.PNG', 'sub/deep er/c.Tif', 'sub/ä.webp']


def test_pictures_that_are_not_read_are_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Somebody's photographs may be mostly of such a kind."""
    _touch(tmp_path, 'a.png', 'b.HEIC', 'sub/c.heic', 'd.cr2', 'notes.txt')
    for _ in range(2):
        assert find_images(str(tmp_path), 'dataroot_lq') == ['a.png']
    (told,) = caplog.messages
    assert told.startswith(f'dataroot_lq: 2 x .heic, 1 x .cr2 in "{tmp_path}" are not read; only .png, .jpg')


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    _touch(tmp_path, 'a.png', '._a.png', '.cache/b.png', '__MACOSX/._c.png')
    assert find_images(str(tmp_path)) == ['a.png']


def test_a_circle_of_links_ends_and_images_keep_their_own_path(tmp_path: Path) -> None:
    _touch(tmp_path, 'z/deep/a.png', 'b/c.png')
    os.symlink(tmp_path, tmp_path / 'z' / 'deep' / 'circle')
    os.symlink(tmp_path / 'z', tmp_path / 'b' / 'again')
    assert find_images(str(tmp_path)) == ['b/c.png', 'z/deep/a.png']


def test_links_to_other_folders_are_followed(tmp_path: Path) -> None:
    _touch(tmp_path, 'other/a.png')
    (tmp_path / 'root').mkdir()
    os.symlink(tmp_path / 'other', tmp_path / 'root' / 'link')
    assert find_images(str(tmp_path / 'root')) == ['link/a.png']


def test_a_dangling_link_is_listed_and_named_when_it_is_read(tmp_path: Path) -> None:
    os.symlink(tmp_path / 'gone.png', tmp_path / 'a.png')
    assert find_images(str(tmp_path)) == ['a.png']


def test_what_is_neither_file_nor_folder_is_left_out(tmp_path: Path) -> None:
    _touch(tmp_path, 'a.png')
    os.mkfifo(tmp_path / 'pipe.png')
    assert find_images(str(tmp_path)) == ['a.png']


def test_links_to_pipes_and_devices_are_left_out_too(tmp_path: Path) -> None:
    """Reading them would never end, or fill the memory."""
    _touch(tmp_path, 'in/a.png')
    os.mkfifo(tmp_path / 'pipe')
    for name, target in (('p', tmp_path / 'pipe'), ('z', '/dev/zero'), ('loop', 'loop.png'), ('b', 'a.png')):
        os.symlink(target, tmp_path / 'in' / f'{name}.png')
    assert find_images(str(tmp_path / 'in')) == ['a.png', 'b.png', 'loop.png']


def test_a_missing_folder_is_named_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / 'rainy' / 'train').mkdir(parents=True)
    with pytest.raises(
        DataError, match=r'dataroot_lq: there is no folder ".*rany/train".*Did you mean "rainy"'
    ):
        find_images(str(tmp_path / 'rany' / 'train'), 'dataroot_lq')


def test_a_relative_folder_is_named_with_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=f'no folder "datasets/rainy" .*{tmp_path.name}'):
        find_images('datasets/rainy')


def test_a_file_instead_of_a_folder_is_named(tmp_path: Path) -> None:
    _touch(tmp_path, 'a.png')
    with pytest.raises(DataError, match=r'"[^"]*a\.png" is a file'):
        find_images(str(tmp_path / 'a.png'))


def test_an_empty_folder_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'no image in .*\.png, \.jpg.* found no file at all'):
        find_images(str(tmp_path))


def test_a_folder_of_other_files_says_what_was_found(tmp_path: Path) -> None:
    _touch(tmp_path, 'a.heic', 'b.HEIC', 'c')
    with pytest.raises(DataError, match=r'found only 2 x \.heic, 1 x no extension'):
        find_images(str(tmp_path))


@pytest.mark.parametrize(
    ('mode', 'reason'), [(0, 'sub/" cannot be listed'), (0o600, 'sub/deep/" cannot be entered')]
)
def test_a_subfolder_without_rights_is_named_and_may_be_passed_over(
    tmp_path: Path, mode: int, reason: str
) -> None:
    _touch(tmp_path, 'a.png', 'sub/deep/b.png', 'z/c.png')
    (tmp_path / 'sub').chmod(mode)
    found: list[DataError] = []
    with unprivileged():
        with pytest.raises(DataError, match=f'DIR: ".*{reason}: Permission denied'):
            visible_files(str(tmp_path), 'DIR')
        assert visible_files(str(tmp_path), 'DIR', found.append) == ['a.png', 'z/c.png']
    (tmp_path / 'sub').chmod(0o700)
    assert len(found) == 1


def test_a_folder_without_rights_is_never_passed_over(tmp_path: Path) -> None:
    (tmp_path / 'in').mkdir(0)
    with unprivileged(), pytest.raises(DataError, match='in/" cannot be listed'):
        visible_files(str(tmp_path / 'in'), 'DIR', print)
    (tmp_path / 'in').chmod(0o700)
