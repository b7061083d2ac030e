"""Lists of images are read as BasicSR writes them and as people do."""

from __future__ import annotations

from pathlib import Path

import pytest

from cclgan_plugin.data.meta_info import check_listable, read_meta_info
from cclgan_plugin.errors import DataError


def _names(path: Path, text: str) -> list[tuple[str, int]]:
    path.write_bytes(text.encode())
    return [tuple(image) for image in read_meta_info(str(path))]


def test_shapes_comments_and_blank_lines_are_left_out(tmp_path: Path) -> None:
    text = '# rainy\n\n0001.png (480,320,3)\n 0002.png (480, 320)\nbaboon.png (120,125,3) 1\n'
    assert _names(tmp_path / 'list.txt', text) == [('0001.png', 3), ('0002.png', 4), ('baboon.png', 5)]


def test_spaces_and_brackets_in_names_stay(tmp_path: Path) -> None:
    text = 'my photo (2).png\nrainy day/photo (1,2,3) b.png (4,5,3)\n'
    assert _names(tmp_path / 'list.txt', text) == [
        ('my photo (2).png', 1),
        ('rainy day/photo (1,2,3) b.png', 2),
    ]


def test_lists_from_windows_and_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert _names(tmp_path / 'list.txt', '\ufeffä.png\r\nb.png\r\n') == [('ä.png', 1), ('b.png', 2)]


def test_a_list_without_names_is_an_error(tmp_path: Path) -> None:
    (tmp_path / 'list.txt').write_text('# nothing\n\n')
    with pytest.raises(DataError, match=r'meta_info_file_lq: ".*list\.txt" names no image'):
        read_meta_info(str(tmp_path / 'list.txt'), 'meta_info_file_lq')


def test_a_missing_list_a_folder_and_a_picture_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='there is no file'):
        read_meta_info(str(tmp_path / 'list.txt'))
    with pytest.raises(DataError, match='is a folder'):
        read_meta_info(str(tmp_path))
    (tmp_path / 'a.jpg').write_bytes(b'\xff\xd8\xff\xe0')
    with pytest.raises(DataError, match='not a text file'):
        read_meta_info(str(tmp_path / 'a.jpg'))


@pytest.mark.parametrize(
    'name',
    ['#1.png', ' a.png', '# a/b.png', 'a\nb.png', 'a\rb.png', '\ufeffa.png', 'caf\udce9.png', '\u2003a.png'],
)
def test_names_that_a_list_would_not_give_back_are_refused(name: str) -> None:
    check_listable(['a b.png', 'a #1.png', 'ä (1,2,3)/b.png'], 'CLEAN_DIR')
    with pytest.raises(DataError, match=r'CLEAN_DIR: .* cannot stand in a list'):
        check_listable(['a.png', name], 'CLEAN_DIR')
