"""``basicsr derain`` on real files: good ones, bad ones, many, and interrupted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image
from unprivileged import unprivileged

from cclgan_plugin.cli.main import main
from cclgan_plugin.inference import Derainer

PHOTO = np.ascontiguousarray(skimage.data.astronaut()[100:140, 200:248])


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    import torch

    from cclgan_plugin.archs import CCLGANGenerator
    from cclgan_plugin.inference.weights_file import NetworkWeights, write_weights

    options = {'width': 4, 'num_blocks': 1, 'residual': True}
    network = CCLGANGenerator(**options)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.2)
    file = tmp_path_factory.mktemp('weights') / 'small.safetensors'
    write_weights(file, NetworkWeights('CCLGANGenerator', options, network.state_dict()))
    return file


@pytest.fixture
def derain(model, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        return main(['derain', '--model', str(model), '--device', 'cpu', *map(str, arguments)])

    return run


@pytest.fixture
def expected(model):
    return Derainer.from_pretrained(model, device='cpu')


def save(path, pixels=PHOTO):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob('*') if p.is_file())


def test_one_file_becomes_one_file(derain, tmp_path, expected):
    save(tmp_path / 'a.png')
    assert derain('a.png', '-o', 'new/dry.png') == 0
    np.testing.assert_array_equal(pixels(tmp_path / 'new/dry.png'), expected(PHOTO))
    assert (expected(PHOTO) != PHOTO).any()


@pytest.mark.parametrize('words', [[], ['--memory', '2G']])
def test_a_pipe_that_holds_a_picture_is_one_file(derain, tmp_path, expected, words):
    content = save(tmp_path / 'a.png').read_bytes()
    os.mkfifo(tmp_path / 'pipe')
    with ThreadPoolExecutor() as pool:
        writing = pool.submit((tmp_path / 'pipe').write_bytes, content)
        assert derain('pipe', '-o', 'dry.png', *words) == 0
        writing.result()
    np.testing.assert_array_equal(pixels(tmp_path / 'dry.png'), expected(PHOTO))


def test_the_standard_input_is_one_file(model, tmp_path, expected):
    command = [sys.executable, '-m', 'cclgan_plugin', 'derain', '/dev/stdin', '-o', 'dry.png']
    command += ['--model', str(model), '--device', 'cpu']
    content = save(tmp_path / 'a.png').read_bytes()
    subprocess.run(command, input=content, cwd=tmp_path, check=True)
    np.testing.assert_array_equal(pixels(tmp_path / 'dry.png'), expected(PHOTO))


def test_a_folder_may_be_called_like_a_file_if_it_is_said_to_be_one(derain, tmp_path):
    save(tmp_path / 'in/a.png')
    assert derain('in', '-o', 'dry.jpg/') == 0
    assert derain('in', '-o', 'dry.jpg') == 0
    assert files(tmp_path / 'dry.jpg') == ['a.png']


def test_a_tree_keeps_its_shape_and_equal_sizes_go_together(derain, tmp_path, expected):
    for i, name in enumerate(['a.png', 'b/c.png', 'b/d/e.png', 'b/d/f.png']):
        save(tmp_path / 'in' / name, np.roll(PHOTO[: 40 - 4 * (i // 3)], i, 0))
    assert derain('in', '-o', 'out', '--batch', 2) == 0
    assert files(tmp_path / 'out') == ['a.png', 'b/c.png', 'b/d/e.png', 'b/d/f.png']
    for name in files(tmp_path / 'out'):
        distance = expected(pixels(tmp_path / 'in' / name)).astype(int) - pixels(tmp_path / 'out' / name)
        assert np.abs(distance).max() <= 1  # batches add up in another order


def test_patterns_keep_the_tree_below_their_fixed_part(derain, tmp_path):
    for name in ['x/a.png', 'x/y/b.png', 'x/y/c.jpg']:
        save(tmp_path / 'in' / name)
    assert derain('in/**/*.png', '-o', 'out') == 0
    assert files(tmp_path / 'out') == ['x/a.png', 'x/y/b.png']


def test_what_is_there_is_left_alone(derain, tmp_path, capsys):
    for name in ('a.png', 'b.png'):
        save(tmp_path / 'in' / name)
    save(tmp_path / 'out/a.png', PHOTO[:5, :5])
    assert derain('in', '-o', 'out') == 0
    assert '1 derained, 1 there already' in capsys.readouterr().out
    assert pixels(tmp_path / 'out/a.png').shape == (5, 5, 3)
    assert derain('in', '-o', 'out', '--overwrite') == 0
    assert pixels(tmp_path / 'out/a.png').shape == PHOTO.shape


def test_bad_files_are_named_the_others_go_on_and_the_exit_code_is_1(derain, tmp_path, capsys):
    folder = tmp_path / 'in'
    save(folder / 'good.png')
    (folder / 'empty.png').touch()
    (folder / 'text.jpg').write_text('no picture')
    (folder / 'cut.png').write_bytes((folder / 'good.png').read_bytes()[:1000])
    Image.fromarray(PHOTO).save(folder / 'grey.jpg', quality=95)
    jpeg = (folder / 'grey.jpg').read_bytes()
    (folder / 'grey.jpg').write_bytes(jpeg[: len(jpeg) // 2] + bytes(len(jpeg) // 2 - 2) + jpeg[-2:])
    (folder / 'dangling.png').symlink_to('nowhere')
    (folder / 'loop.png').symlink_to('loop.png')
    (folder / 'circle').symlink_to('.')
    frames = [Image.fromarray(np.roll(PHOTO, i, 0)) for i in range(2)]
    frames[0].save(folder / 'moving.webp', save_all=True, append_images=frames[1:])
    # Of kinds that are not read: in a folder they are named all the same.
    Image.fromarray(PHOTO).save(folder / 'still.gif')
    (folder / 'phone.HEIC').write_bytes(b'\0\0\0\x18ftypheic' + b'\0' * 100)
    (folder / 'notes.txt').write_text('no picture')
    assert derain('in', '-o', 'out') == 1
    printed = capsys.readouterr()
    assert files(tmp_path / 'out') == ['good.png']
    left_out = [line for line in printed.err.splitlines() if line.startswith('left out: ')]
    for name, why in {
        'empty.png': 'the file is empty',
        'text.jpg': 'begins with the text',
        'cut.png': 'truncated',
        'grey.jpg': 'the JPEG file is damaged',
        'dangling.png': '',
        'loop.png': '',
        'moving.webp': '2 frames',
        'still.gif': 'not a PNG',
        'phone.HEIC': 'not a PNG',
    }.items():
        assert sum(f'in/{name}: ' in line and why in line for line in left_out) == 1, name
    assert len(left_out) == 9
    assert '1 derained, 9 left out' in printed.out


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read everything')
def test_unreadable_files_are_named(derain, tmp_path, capsys):
    save(tmp_path / 'in/a.png').chmod(0)
    assert derain('in', '-o', 'out') == 1
    assert 'in/a.png' in capsys.readouterr().err


def test_a_subfolder_that_cannot_be_listed_is_named_and_the_others_are_done(derain, tmp_path, capsys):
    save(tmp_path / 'in/a.png')
    save(tmp_path / 'in/z/b.png')
    (tmp_path / 'in/lost+found').mkdir(0)
    with unprivileged():
        assert derain('in', '-o', 'out') == 1
    printed = capsys.readouterr()
    assert files(tmp_path / 'out') == ['a.png', 'z/b.png']
    assert 'left out: INPUT: "in/lost+found/" cannot be listed: Permission denied' in printed.err
    assert '2 derained, 1 left out' in printed.out


@pytest.mark.parametrize('shape', [(1, 1), (1, 60), (60, 1), (2, 3), (8, 30_000), (30_000, 8)])
def test_any_size(derain, tmp_path, expected, shape):
    picture = np.resize(PHOTO, (*shape, 3))
    save(tmp_path / 'a.png', picture)
    assert derain('a.png', '-o', 'b.png') == 0
    np.testing.assert_array_equal(pixels(tmp_path / 'b.png'), expected(picture))


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda: ['in', '-o', 'in'], 'the result would take the place of the picture itself'),
        (lambda: ['in/a.png', '-o', 'in/a.png'], 'the result would take the place of the picture itself'),
        (lambda: ['in/a.png', '-o', 'link.png'], 'the result would take the place of the picture itself'),
        (lambda: ['in/a.png', 'in/x/a.png', '-o', 'out'], 'would both become'),
        (lambda: ['in', '-o', 'in/a.png'], 'is a file, a folder was expected'),
        (lambda: ['inn', '-o', 'out'], 'no file or folder "inn". Did you mean "in"'),
        (lambda: ['in/*.bmp', '-o', 'out'], r'nothing matches "in/\*.bmp"'),
        (lambda: ['hollow', '-o', 'out'], 'no image in "hollow"'),
        (lambda: ['in', '-o', 'out', '--batch', '0'], '--batch 0'),
        (lambda: ['in', '-o', 'out', '--memory', 'lots'], 'memory "lots"'),
        (lambda: ['in', '-o', 'out', '--memory', '1M'], '--memory: 1 MiB are allowed, but the program alone'),
        (lambda: ['in', '-o', 'out', '--device', 'toaster'], 'device "toaster"'),
        (lambda: ['in', '-o', 'out', '--metrics', 'truth'], 'no folder "truth"'),
        (lambda: ['-', '-o', '-'], 'a pipe: expected'),
        (lambda: ['in', '-o', 'dry.jpg'], 'expected a folder, such as "dry"'),
        (lambda: ['in/a.png', 'in/x/a.png', '-o', 'dry.MP4'], 'but INPUT is not one file'),
        (lambda: ['in/*.png', '-o', 'new/dry.gif'], 'expected a folder, such as "new/dry"'),
        (lambda: ['in', '-o', 'out', '--frames', '48x40'], '--frames: for raw frames in a pipe only'),
        (lambda: ['in', '-o', 'out', '--frames16'], '--frames16: for raw frames in a pipe only'),
        *(
            (lambda words=words: ['-', '-o', '-', '--frames', '48x40', *words], f'{words[0]}: not for frames')
            for words in (['--metrics', 'in'], ['--niqe'], ['--compare'], ['--batch', '2'], ['--overwrite'])
        ),
        (lambda: ['-', '-o', '-', '--frames', '1000000x1000000'], 'expected at most 1073741824'),
        (lambda: ['-', '-o', '-', '--frames', '9' * 5000 + 'x1'], 'a pipe: expected'),
    ],
    ids=range(26),
)
def test_commands_that_cannot_be_meant_end_before_anything_is_written(
    derain, tmp_path, capsys, make, message
):
    import re

    save(tmp_path / 'in/a.png')
    save(tmp_path / 'in/x/a.png')
    (tmp_path / 'hollow').mkdir()
    (tmp_path / 'link.png').symlink_to('in/a.png')
    before = files(tmp_path), (tmp_path / 'in/a.png').read_bytes()
    assert derain(*make()) == 2
    assert re.search(message, capsys.readouterr().err)
    assert (files(tmp_path), (tmp_path / 'in/a.png').read_bytes()) == before


def test_results_inside_the_input_folder_are_no_inputs(derain, tmp_path):
    save(tmp_path / 'in/a.png')
    assert derain('in', '-o', 'in/dry') == 0
    save(tmp_path / 'in/b.png')
    assert derain('in', '-o', 'in/dry') == 0
    assert files(tmp_path / 'in') == ['a.png', 'b.png', 'dry/a.png', 'dry/b.png']


def test_compare_and_metrics(derain, tmp_path, capsys):
    for name in ('a.png', 'b.png'):
        save(tmp_path / 'in' / name)
        save(tmp_path / 'truth' / name)
    assert derain('in', '-o', 'out', '--compare', '--metrics', 'truth') == 0
    assert pixels(tmp_path / 'out/compare/a.jpg').shape == (40, 2 * 48 + 6, 3)
    from basicsr.metrics import calculate_psnr

    psnr = calculate_psnr(pixels(tmp_path / 'out/a.png')[..., ::-1], PHOTO[..., ::-1], 0, test_y_channel=True)
    lines = (tmp_path / 'out/metrics.csv').read_text().splitlines()
    assert lines[0] == 'picture,psnr,ssim'
    assert lines[-1].startswith(f'mean,{psnr:.6g},')
    assert f'mean of 2: psnr {psnr:.4f}' in capsys.readouterr().out
    # What was there already is measured, too; what has no truth is named.
    (tmp_path / 'truth/b.png').unlink()
    assert derain('in', '-o', 'out', '--metrics', 'truth') == 1
    printed = capsys.readouterr()
    assert 'truth has no picture of that name' in printed.err
    assert 'mean of 1: ' in printed.out


def test_a_mean_says_of_how_many_pictures_it_is_and_the_table_keeps_those_of_before(derain, tmp_path, capsys):
    save(tmp_path / 'in/a.png')
    save(tmp_path / 'truth/a.png', PHOTO // 2)
    assert derain('in', '-o', 'out', '--metrics', 'truth') == 0
    capsys.readouterr()
    before = (tmp_path / 'out/metrics.csv').read_text().splitlines()
    save(tmp_path / 'in/b.png')
    save(tmp_path / 'in/tiny.png', PHOTO[:8, :8])
    assert derain('in/b.png', '-o', 'out') == 0
    save(tmp_path / 'truth/b.png', pixels(tmp_path / 'out/b.png'))  # as if it had been left untouched
    save(tmp_path / 'truth/tiny.png', PHOTO[:8, :8] // 2)
    assert derain('in/b.png', 'in/tiny.png', '-o', 'out', '--metrics', 'truth') == 0
    printed = capsys.readouterr().out
    assert 'mean of 2: psnr ' in printed
    assert '(of 1; 1 infinite: as the truth), ssim 1.0000 (of 1)' in printed
    lines = (tmp_path / 'out/metrics.csv').read_text().splitlines()
    assert [line.split(',')[0] for line in lines] == ['picture', 'a.png', 'b.png', 'tiny.png', 'mean']
    assert lines[1] == before[1]
    (tmp_path / 'out/a.png').unlink()
    assert derain('in/b.png', '-o', 'out', '--metrics', 'truth') == 0
    assert 'psnr inf (of 0; 1 infinite: as the truth)' in capsys.readouterr().out
    lines = (tmp_path / 'out/metrics.csv').read_text().splitlines()
    assert [line.split(',')[0] for line in lines] == ['picture', 'b.png', 'tiny.png', 'mean']


@pytest.mark.parametrize(
    'own', ['name,stars\na.png,5\n', 'picture,stars\na.png,5\n', 'picture,psnr\na.png,good\n']
)
def test_somebody_elses_table_is_not_replaced(derain, tmp_path, capsys, own):
    save(tmp_path / 'in/a.png')
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out/metrics.csv').write_text(own)
    assert derain('in', '-o', 'out', '--niqe') == 2
    assert 'out/metrics.csv: --metrics and --niqe write their table there' in capsys.readouterr().err
    assert (tmp_path / 'out/metrics.csv').read_text() == own
    assert files(tmp_path / 'out') == ['metrics.csv']  # before anything was computed
    assert derain('in', '-o', 'out') == 0
    assert derain('in', '-o', 'out', '--niqe', '--overwrite') == 0
    assert (tmp_path / 'out/metrics.csv').read_text().startswith('picture,niqe\n')


def test_the_truth_is_the_picture_of_the_same_name_or_the_only_one_of_its_stem(derain, tmp_path, capsys):
    for name in ('a.png', 'a.bmp', 'b.png', 'c.png'):
        save(tmp_path / 'in' / name)
    save(tmp_path / 'truth/a.png', PHOTO // 2)
    for name in ('a.bmp', 'b.bmp', 'c.bmp', 'c.tif'):
        save(tmp_path / 'truth' / name)
    assert derain('in', '-o', 'out', '--metrics', 'truth') == 1
    printed = capsys.readouterr().err
    assert 'out/c.png: --metrics: truth has c.bmp and c.tif, but no c.png' in printed
    assert printed.count('not measured') == 1
    rows = [line.split(',') for line in (tmp_path / 'out/metrics.csv').read_text().splitlines()[1:]]
    psnr = {name: value for name, value, _ in rows}
    assert psnr['a.bmp'] == psnr['b.png'] != psnr['a.png']


HEADERS = Path(sysconfig.get_paths()['include'], 'Python.h')


@pytest.mark.skipif(
    shutil.which('g++') is None or not HEADERS.exists(),
    reason='needs a C++ compiler and headers',
)
def test_compiled_gives_the_same_pictures(derain, tmp_path, expected):
    save(tmp_path / 'in/a.png')
    assert derain('in', '-o', 'out', '--compile') == 0
    difference = pixels(tmp_path / 'out/a.png').astype(int) - expected(PHOTO).astype(int)
    assert abs(difference).max() <= 1


def test_a_pipe_of_frames(model, expected):
    frames = np.stack([PHOTO, PHOTO[::-1]])
    command = [sys.executable, '-m', 'cclgan_plugin', 'derain', '-', '-o', '-', '--frames', '48x40']
    command += ['--model', str(model), '--device', 'cpu']
    done = subprocess.run(command, input=frames.tobytes(), capture_output=True, check=True)
    result = np.frombuffer(done.stdout, np.uint8).reshape(frames.shape)
    np.testing.assert_array_equal(result, [expected(frame) for frame in frames])
    done = subprocess.run(command, input=frames.tobytes()[:-5], capture_output=True, check=False)
    assert done.returncode == 2
    assert b'the pipe ended within frame 2' in done.stderr


def test_killed_in_the_middle_nothing_is_half_and_the_same_command_goes_on(model, tmp_path, expected):
    for i in range(40):
        save(tmp_path / f'in/{i:02}.png', np.roll(np.tile(PHOTO, (6, 6, 1)), i, 0))
    command = [sys.executable, '-m', 'cclgan_plugin', 'derain', 'in', '-o', 'out']
    command += ['--model', str(model), '--device', 'cpu']
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment)
    deadline = time.monotonic() + 90
    while len(list(Path(tmp_path, 'out').glob('*.png'))) < 3:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = sorted(Path(tmp_path, 'out').glob('[0-9]*.png'))
    assert 3 <= len(done) < 40
    for path in done:
        np.testing.assert_array_equal(pixels(path), expected(pixels(tmp_path / 'in' / path.name)))
    times = {path: path.stat().st_mtime_ns for path in done}
    again = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert f'{40 - len(done)} derained, {len(done)} there already' in again.stdout
    assert len(list(Path(tmp_path, 'out').glob('[0-9]*.png'))) == 40
    assert {path: path.stat().st_mtime_ns for path in done} == times


def test_what_is_wrong_with_a_file_takes_one_line_and_no_library_adds_any(model, tmp_path):
    save(tmp_path / 'in/good.png')
    content = bytearray((tmp_path / 'in/good.png').read_bytes())
    for suffix in ('png', 'webp', 'tif', 'bmp', 'jpg'):
        Image.fromarray(PHOTO).save(tmp_path / f'in/short.{suffix}')
        whole = (tmp_path / f'in/short.{suffix}').read_bytes()
        (tmp_path / f'in/short.{suffix}').write_bytes(whole[: len(whole) // 2])
        (tmp_path / f'in/head.{suffix}').write_bytes(whole[:20])
    content[60] ^= 255
    (tmp_path / 'in/damaged.png').write_bytes(content)
    (tmp_path / 'in/two\nlines.png').touch()
    Image.fromarray(PHOTO).save(tmp_path / 'in/exif.png', exif=b'MM\0*garbage')
    command = [sys.executable, '-m', 'cclgan_plugin', 'derain', 'in', '-o', 'out', '--model', str(model)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 12
    assert all(line.startswith('left out: in/') for line in lines), done.stderr
    assert 'left out: in/two\\nlines.png: the file is empty' in lines


def test_names_that_are_no_unicode(model, tmp_path):
    name = os.fsdecode(b'caf\xe9.png')
    save(tmp_path / 'in' / name)
    save(tmp_path / 'truth' / name)
    environment = {**os.environ, 'PYTHONIOENCODING': 'ascii:strict'}
    command = [sys.executable, '-m', 'cclgan_plugin', 'derain', 'in', '-o', b'\xfcber']
    command += ['--metrics', 'truth', '--compare', '--model', str(model)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    out = tmp_path / os.fsdecode(b'\xfcber')
    assert b'\ncaf\xe9.png,' in (out / 'metrics.csv').read_bytes()
    assert (out / 'compare' / os.fsdecode(b'caf\xe9.jpg')).exists()


def test_a_name_of_the_full_length(derain, tmp_path):
    save(tmp_path / 'in' / ('a' * 251 + '.png'))
    save(tmp_path / 'in' / ('a' * 250 + 'b.png'))
    assert derain('in', '-o', 'out') == 0
    assert files(tmp_path / 'out') == files(tmp_path / 'in')


def test_a_file_that_is_named_twice_is_done_once(derain, tmp_path, capsys):
    save(tmp_path / 'in/a.png')
    assert derain('in/a.png', 'in/a.png', 'in', 'in/*.png', '-o', 'out') == 0
    assert '1 derained' in capsys.readouterr().out


@pytest.mark.parametrize('extension', ['.gif', '.heic', '.mp4'])
def test_a_picture_is_not_written_as_what_it_cannot_be(derain, tmp_path, capsys, extension):
    save(tmp_path / 'a.png')
    assert derain('a.png', '-o', f'b{extension}') == 2
    assert (
        f'a.png is a picture, which is not written as {extension}; expected .png' in capsys.readouterr().err
    )
    assert files(tmp_path) == ['a.png']


def test_an_empty_output_is_not_the_current_folder(derain, tmp_path, capsys):
    save(tmp_path / 'in/a.png')
    assert derain('in', '-o', '') == 2
    assert '-o: an empty name' in capsys.readouterr().err


def test_compared_pictures_that_differ_in_the_extension_only(derain, tmp_path):
    for name in ('x/a.png', 'x/a.jpg', 'b.png'):
        save(tmp_path / 'in' / name)
    assert derain('in', '-o', 'out', '--compare', 'seen') == 0
    assert files(tmp_path / 'seen') == ['b.jpg', 'x/a.jpg.jpg', 'x/a.png.jpg']


def test_a_compared_picture_keeps_off_the_long_name_of_another(derain, tmp_path):
    for name in ('a.png', 'a.jpg', 'a.png.bmp'):
        save(tmp_path / 'in' / name)
    assert derain('in', '-o', 'out', '--compare', 'seen') == 0
    assert files(tmp_path / 'seen') == ['a.jpg.jpg', 'a.png.bmp.jpg', 'a.png.jpg']


def test_compared_pictures_are_made_up_for_after_an_interruption(derain, tmp_path, capsys):
    save(tmp_path / 'in/a.png')
    assert derain('in', '-o', 'out') == 0
    assert derain('in', '-o', 'out', '--compare') == 0
    assert '0 derained, 1 there already' in capsys.readouterr().out
    assert pixels(tmp_path / 'out/compare/a.jpg').shape == (40, 2 * 48 + 6, 3)
    # What is there is not the result of this input.
    save(tmp_path / 'out/a.png', PHOTO[:5, :5])
    (tmp_path / 'out/compare/a.jpg').unlink()
    assert derain('in', '-o', 'out', '--compare') == 1
    assert 'in/a.png: --compare: the result has 5x5 pixels, the input 48x40' in capsys.readouterr().err


def test_compared_pictures_replace_no_input(derain, tmp_path, capsys):
    save(tmp_path / 'in/a.png')
    save(tmp_path / 'in/a.jpg')
    save(tmp_path / 'in/b.jpg')
    before = (tmp_path / 'in/b.jpg').read_bytes()
    assert derain('in', '-o', 'out', '--compare', 'in') == 2
    assert 'would take the place of an input' in capsys.readouterr().err
    assert (tmp_path / 'in/b.jpg').read_bytes() == before
    assert not (tmp_path / 'out').exists()


def test_a_folder_in_the_place_of_a_result_is_named(derain, tmp_path, capsys):
    save(tmp_path / 'in/a.png')
    (tmp_path / 'out/a.png').mkdir(parents=True)
    assert derain('in', '-o', 'out') == 1
    assert 'out/a.png: cannot be written: Is a directory' in capsys.readouterr().err


def test_what_a_killed_run_left_half_written_is_removed(derain, tmp_path):
    from cclgan_plugin.partial_file import partial_path

    dead = subprocess.Popen([sys.executable, '-c', ''])
    dead.wait()
    save(tmp_path / 'in/a.png')
    (tmp_path / 'out').mkdir()
    for path in ('out/b.png', 'out/clip.mp4'):
        mine = Path(partial_path(str(tmp_path / path), keep_extension=path.endswith('mp4')))
        mine.touch()  # of a process that lives
        assert str(os.getpid()) in mine.name
        mine.with_name(mine.name.replace(f'.{os.getpid()}.', f'.{dead.pid}.')).touch()
    (tmp_path / 'out/.hidden').touch()
    assert derain('in', '-o', 'out') == 0
    left = files(tmp_path / 'out')
    assert len(left) == 4
    assert not [name for name in left if f'.{dead.pid}.' in name]
