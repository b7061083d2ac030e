"""``basicsr data`` says what it wrote, names what it could not, and asks before it replaces anything."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from cclgan_plugin.cli import data
from cclgan_plugin.errors import DataError, OptionError


@pytest.fixture
def run() -> Callable[..., int]:
    """``run('demo', DIR, ...)`` as the command line would."""
    parser = argparse.ArgumentParser('basicsr')
    data.add_parser(parser.add_subparsers(required=True))

    def command(*words: object) -> int:
        args = parser.parse_args(['data', *map(str, words)])
        result = args.run(args)
        assert isinstance(result, int)
        return result

    return command


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    (tmp_path / 'clean').mkdir()
    for index in range(3):
        cv2.imwrite(str(tmp_path / 'clean' / f'{index}.png'), np.full((40, 50, 3), 40 * index, np.uint8))
    return tmp_path / 'clean'


def _rainy(path: Path) -> np.ndarray:
    image = cv2.imread(str(path))
    assert image is not None
    return image


def test_demo_says_what_it_wrote(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run('demo', tmp_path / 'demo') == 0
    printed = capsys.readouterr().out
    assert f'{tmp_path}/demo/rainy: ' in printed
    assert f'{tmp_path}/demo/val/clean: ' in printed
    assert 'preview.png' in printed
    with pytest.raises(DataError, match='not empty'):
        run('demo', tmp_path / 'demo')
    assert run('demo', tmp_path / 'demo', '--overwrite', '--seed', 3) == 0


def test_rain_writes_and_says_how_many(
    run: Callable[..., int], clean: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run('rain', clean, tmp_path / 'out') == 0
    assert '3 rainy images' in capsys.readouterr().out
    assert len(list((tmp_path / 'out').iterdir())) == 3


def test_no_progress_bar_where_there_is_no_terminal(
    run: Callable[..., int], clean: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run('rain', clean, tmp_path / 'out')
    assert capsys.readouterr().err == ''


def test_a_bad_file_is_named_the_others_are_done_and_the_exit_code_is_1(
    run: Callable[..., int], clean: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (clean / '1.png').write_text('no image')
    assert run('rain', clean, tmp_path / 'out') == 1
    printed = capsys.readouterr()
    assert f'left out: {clean}/1.png: not a PNG' in printed.err
    assert '2 rainy images, 1 left out' in printed.out
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['0.png', '2.png']


def test_every_number_of_the_rain_is_an_option(run: Callable[..., int], clean: Path, tmp_path: Path) -> None:
    run('rain', clean, tmp_path / 'none', '--density', 0, '--veil', 0)
    np.testing.assert_array_equal(_rainy(tmp_path / 'none' / '1.png'), _rainy(clean / '1.png'))
    run('rain', clean, tmp_path / 'usual', '--density', 3000)
    for number, value in {
        'length': 0.5,
        'width': 0.05,
        'angle': 30,
        'angle-jitter': 15,
        'brightness': 0.2,
        'opacity': 0.1,
        'depth': 1,
        'blur': 8,
        'veil': 0.5,
        'vary': 0.5,
        'seed': 1,
    }.items():
        run('rain', clean, tmp_path / number, '--density', 3000, f'--{number}', value)
        assert (
            np.abs(
                _rainy(tmp_path / number / '0.png').astype(int) - _rainy(tmp_path / 'usual' / '0.png')
            ).max()
            > 5
        )


def test_the_type_sets_the_rest(run: Callable[..., int], clean: Path, tmp_path: Path) -> None:
    for kind in ('drizzle', 'rain', 'downpour'):
        run('rain', clean, tmp_path / kind, '--type', kind)
    light = [_rainy(tmp_path / kind / '0.png').mean() for kind in ('drizzle', 'rain', 'downpour')]
    assert light == sorted(light)


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--density', '-1'], 'rain: density is -1'),
        (['--angle', '80'], 'angle is 80'),
        (['--vary', '2'], '--vary 2'),
    ],
)
def test_numbers_out_of_range_end_before_anything_is_written(
    run: Callable[..., int], clean: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        run('rain', clean, tmp_path / 'out', *words)
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    'words', [[], ['dmeo', 'x'], ['rain', 'only one'], ['rain', 'a', 'b', '--type', 'snow']]
)
def test_wrong_words_end_with_the_usage(
    run: Callable[..., int], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*words)
    assert ended.value.code == 2
    assert 'usage: basicsr data' in capsys.readouterr().err


def test_the_help_shows_examples(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run('--help')
    assert 'basicsr data demo datasets/demo' in capsys.readouterr().out


def test_masks_and_a_preview_are_written_on_request(
    run: Callable[..., int], clean: Path, tmp_path: Path
) -> None:
    words = ['--masks', tmp_path / 'masks', '--preview', tmp_path / 'preview.png', '--type', 'storm']
    assert run('rain', clean, tmp_path / 'out', *words) == 0
    assert sorted(path.name for path in (tmp_path / 'masks').iterdir()) == [
        '0.png.png',
        '1.png.png',
        '2.png.png',
    ]
    mask, black = _rainy(tmp_path / 'masks' / '0.png.png'), _rainy(tmp_path / 'out' / '0.png')
    assert mask.shape == black.shape
    assert mask.max() > 100
    # On black ground it is brightest where streaks cover it most.
    covered = mask[..., 0] > np.quantile(mask, 0.95)
    assert black[covered].mean() > 1.2 * black[~covered].mean()
    assert _rainy(tmp_path / 'preview.png').shape[1] > 5 * 256
    with pytest.raises(DataError, match='MASKS'):
        run('rain', clean, tmp_path / 'other', '--masks', clean)
    with pytest.raises(OptionError, match=r'--preview preview\.jpg'):
        run('rain', clean, tmp_path / 'other', '--preview', 'preview.jpg')
    assert not (tmp_path / 'other').exists()


def test_the_help_does_not_wait_for_torch() -> None:
    import subprocess
    import sys

    script = (
        'import sys; sys.argv = ["basicsr"]; from cclgan_plugin.cli.main import main\n'
        'for words in (["data", "--help"], ["data", "rain", "--help"], ["data", "check", "--help"]):\n'
        '    assert main(words) == 0\n'
        'assert not {"torch", "basicsr", "cv2"} & set(sys.modules), sorted(sys.modules)'
    )
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'storm' in done.stdout


@pytest.mark.parametrize('masks', ['out', 'out/masks', '.'])
def test_masks_do_not_get_among_the_rainy_images(
    clean: Path, tmp_path: Path, run: Callable[..., int], masks: str
) -> None:
    (tmp_path / 'set').mkdir()
    with pytest.raises(DataError, match=r'MASKS: .* lie one inside the other'):
        run('rain', clean, tmp_path / 'set' / 'out', '--masks', tmp_path / 'set' / masks)
    assert not (tmp_path / 'set' / 'out').exists()


@pytest.mark.parametrize('preview', ['clean/0.png', 'clean/p.png', 'out/p.png', 'masks/p.png', 'link.png'])
def test_a_preview_replaces_no_photograph_and_does_not_get_among_images(
    clean: Path, tmp_path: Path, run: Callable[..., int], preview: str
) -> None:
    (tmp_path / 'link.png').symlink_to(clean / '0.png')
    before = (clean / '0.png').read_bytes()
    words = ['--masks', tmp_path / 'masks', '--preview', tmp_path / preview]
    with pytest.raises(DataError, match=r'--preview: .* lie one inside the other'):
        run('rain', clean, tmp_path / 'out', *words)
    assert (clean / '0.png').read_bytes() == before
    assert not (tmp_path / 'out').exists()


def test_an_image_too_large_for_its_format_is_left_out(
    run: Callable[..., int], clean: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(clean / 'wide.png'), np.zeros((2, 17000, 3), np.uint8))
    words = ('lmdb', clean, tmp_path / 'clean.lmdb', '--encode', 'webp')
    assert run(*words) == 1
    assert run(*words, '--skip-corrupt') == 0
    printed = capsys.readouterr()
    assert f'no good: {clean}/wide.png: an image of 17000x2 as .webp' in printed.err
    assert '3 images, 1 left out' in printed.out


def test_a_database_without_the_images_that_are_no_good_is_verified_again(
    run: Callable[..., int], clean: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (clean / 'bad.png').write_bytes(b'')
    words = ('lmdb', clean, tmp_path / 'clean.lmdb', '--verify')
    assert run(*words, '--skip-corrupt') == 0
    capsys.readouterr()
    assert run(*words, '--skip-corrupt') == 0
    assert '1 of 4 images are no good and left out of the comparison' in capsys.readouterr().out
    assert run(*words) == 1
    # What the database holds of a file that can no longer be compared is too much.
    (clean / '0.png').write_bytes(b'')
    assert run(*words, '--skip-corrupt') == 1
    assert 'key "0" belongs to none of the images' in capsys.readouterr().err
