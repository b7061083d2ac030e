"""Planted damage, duplicates and leaks are found, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from tiny_run import write_data, write_options

from cclgan_plugin.cli.main import main
from cclgan_plugin.data.check import Checked, Finding, check_sets
from cclgan_plugin.data.check_report import as_data, contact_sheet, sentences, table
from cclgan_plugin.data.check_sets import sets_of_options, sets_of_places
from cclgan_plugin.data.rain import render_rain
from cclgan_plugin.data.rain_params import RainParams
from cclgan_plugin.errors import DataError, OptionError


def _scene(seed: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    """Some random shapes, BGR; another seed gives another scene."""
    rng = np.random.default_rng(seed)
    image = cv2.resize(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8), size[::-1])
    for _ in range(6):
        centre = [int(rng.integers(limit)) for limit in size[::-1]]
        cv2.circle(image, centre, int(rng.integers(3, 12)), rng.integers(0, 256, 3).tolist(), -1)
    return image


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Unpaired training images and test pairs, all of different scenes: ``train/rainy/0.png`` and so on."""
    for folder, seeds in (('train/rainy', (1, 2, 3)), ('train/clean', (11, 12)), ('val/rainy', (21,))):
        (tmp_path / folder).mkdir(parents=True)
        for index, seed in enumerate(seeds):
            cv2.imwrite(str(tmp_path / folder / f'{index}.png'), _scene(seed))
    (tmp_path / 'val/clean').mkdir()
    cv2.imwrite(str(tmp_path / 'val/clean/0.png'), _scene(21))
    return tmp_path


def _options(data: Path) -> dict[str, dict[str, object]]:
    roots = {
        phase: {
            f'dataroot_{key}': str(data / phase / side) for key, side in (('lq', 'rainy'), ('gt', 'clean'))
        }
        for phase in ('train', 'val')
    }
    return {
        'train': {'name': 't', 'type': 'UnpairedImageDataset', 'gt_size': 32, **roots['train']},
        'val': {'name': 'v', 'type': 'PairedImageDataset', **roots['val']},
    }


def _check(data: Path) -> Checked:
    return check_sets(sets_of_options(_options(data)))


def _only(checked: Checked) -> Finding:
    (finding,) = checked.findings
    return finding


def test_nothing_is_found_where_nothing_is_wrong(data: Path) -> None:
    assert _check(data).findings == []
    assert check_sets(sets_of_places([str(data)])).findings == []


def test_a_scene_on_both_sides_of_the_training(data: Path) -> None:
    clean = cv2.imread(str(data / 'train/clean/1.png'))
    assert clean is not None
    rng = np.random.default_rng(0)
    rainy = render_rain(clean.astype(np.float32) / 255, RainParams(density=100), rng)[0]
    cv2.imwrite(str(data / 'train/rainy/leak.jpg'), cv2.resize(rainy * 255, (80, 60)))
    finding = _only(_check(data))
    assert (finding.kind, finding.is_error) == ('leak', True)
    assert [Path(name).name for name in finding.images] == ['1.png', 'leak.jpg']
    assert 'rainy and clean must not share scenes' in finding.message
    assert 0.85 <= (finding.similarity or 0) < 1


@pytest.mark.parametrize('side', ['rainy', 'clean'])
def test_a_test_scene_in_the_training(data: Path, side: str) -> None:
    test = cv2.imread(str(data / 'val/clean/0.png'))
    assert test is not None
    cv2.imwrite(str(data / f'train/{side}/leak.png'), test[:, ::-1])
    findings = _check(data).findings
    assert {finding.kind for finding in findings} == {'leak'}
    training = 'train lq' if side == 'rainy' else 'train gt'
    assert {finding.sets for finding in findings} == {('val lq', training), ('val gt', training)}
    assert all('training and test must not share scenes' in finding.message for finding in findings)


def test_the_same_pixels_in_another_format_are_a_duplicate(data: Path) -> None:
    cv2.imwrite(str(data / 'train/rainy/again.bmp'), _scene(2))
    finding = _only(_check(data))
    assert (finding.kind, finding.is_error, finding.similarity) == ('duplicate', False, 1.0)
    assert {Path(name).name for name in finding.images} == {'1.png', 'again.bmp'}


def test_flat_images_leak_if_their_pixels_are_the_same(data: Path) -> None:
    for side, level in (('rainy', 90), ('clean', 90)):
        cv2.imwrite(str(data / f'train/{side}/flat.png'), np.full((48, 48, 3), level, np.uint8))
    cv2.imwrite(str(data / 'train/clean/other.png'), np.full((48, 48, 3), 91, np.uint8))
    finding = _only(_check(data))
    assert finding.similarity == 1
    assert 'has the same pixels as' in finding.message


@pytest.mark.parametrize('cut', [15, 400])
def test_a_corrupt_file(data: Path, cut: int) -> None:
    path = data / 'train/clean/1.png'
    path.write_bytes(path.read_bytes()[:-cut])
    finding = _only(_check(data))
    assert (finding.kind, finding.is_error, finding.images) == ('corrupt', True, (str(path),))


def test_damage_within_a_jpeg_that_decoders_pass_over(data: Path) -> None:
    path = data / 'train/clean/2.jpg'
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    encoded = bytearray(cv2.imencode('.jpg', noise)[1].tobytes())
    path.write_bytes(encoded)
    assert _check(data).findings == []
    encoded[3000:3200] = bytes(200)
    path.write_bytes(encoded)
    checked = _check(data)
    finding = _only(checked)
    assert (finding.kind, finding.is_error, finding.images) == ('corrupt', True, (str(path),))
    assert as_data(checked)['sets'][1]['corrupt'] == 1


def test_small_images_are_a_warning_or_an_error_as_the_options_say(data: Path) -> None:
    cv2.imwrite(str(data / 'train/clean/small.png'), _scene(31, (20, 60)))
    assert not _only(_check(data)).is_error
    options = _options(data)
    options['train']['small_images'] = 'error'
    finding = _only(check_sets(sets_of_options(options)))
    assert finding.is_error
    assert '60x20, smaller than the crop of 32x32' in finding.message


def test_training_pairs_share_scenes_on_purpose(data: Path) -> None:
    cv2.imwrite(str(data / 'train/rainy/9.png'), _scene(11))
    assert len(check_sets(sets_of_places([str(data)])).findings) == 1
    assert check_sets(sets_of_places([str(data)], paired=True)).findings == []
    options = _options(data)
    options['train']['type'] = 'PairedImageDataset'
    assert check_sets(sets_of_options(options)).findings == []


def test_databases_are_checked_like_folders(data: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(data / 'train/rainy/9.png'), _scene(11))
    places = []
    for side in ('rainy', 'clean'):
        places.append(str(tmp_path / f'{side}.lmdb'))
        assert main(['data', 'lmdb', str(data / 'train' / side), places[-1]]) == 0
    finding = _only(check_sets(sets_of_places(places)))
    assert finding.images == ('0', '9')


def test_what_a_run_would_take_is_what_is_checked(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Sets that are off, lists of other names, and subfolders, into which BasicSR's datasets do not look."""
    options = {**_options(data), 'test_2': None}
    (data / 'val/rainy/0.png').rename(data / 'val/rainy/0_rain.png')
    (data / 'list.txt').write_text('0.png\n')
    options['val'] |= {'meta_info_file': str(data / 'list.txt'), 'filename_tmpl': '{}_rain'}
    sets = sets_of_options(options)
    assert [one.source.names for one in sets[2:]] == [['0_rain.png'], ['0.png']]
    (data / 'list.txt').write_text('0.png\n5.png\n')
    with pytest.raises(DataError, match=r'list\.txt:2: there is no file "5_rain\.png" in'):
        sets_of_options(options)
    (data / 'val/clean/sub').mkdir()
    cv2.imwrite(str(data / 'val/clean/sub/1.png'), _scene(22))
    del options['val']['meta_info_file']
    assert [one.source.names for one in sets_of_options(options)[2:]] == [['0_rain.png'], ['0.png']]
    assert '1 images in subfolders' in caplog.text
    (data / 'val/clean/0.png').unlink()
    with pytest.raises(DataError, match=r'all 1 images of .* lie in subfolders; name them in meta_info_file'):
        sets_of_options(options)


def test_a_misspelt_key_of_a_whole_options_file_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path / 'data')
    options = write_options(tmp_path)
    # Its squares are cut out of one photograph, which the check may well find fault with.
    assert main(['data', 'check', str(options)]) in (0, 1)
    assert 'images: ' in capsys.readouterr().out
    options.write_text(options.read_text().replace('gt_size:', 'gt_sise:'))
    assert main(['data', 'check', str(options)]) == 2
    assert 'Did you mean "gt_size"?' in capsys.readouterr().err


def test_the_command_prints_writes_and_exits_as_it_says(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = tmp_path / 'options.yml'
    options.write_text(yaml.safe_dump({'datasets': _options(data)}))
    assert main(['data', 'check', str(options), '--strict']) == 0
    cv2.imwrite(str(data / 'train/rainy/again.png'), _scene(2))
    assert main(['data', 'check', str(options)]) == 0
    assert main(['data', 'check', str(options), '--strict']) == 1
    (data / 'val/rainy/0.png').write_text('text')
    capsys.readouterr()
    words = ['--json', str(tmp_path / 'a' / 'r.json'), '--sheet', str(tmp_path / 's.png')]
    assert main(['data', 'check', str(options), *words]) == 1
    printed = capsys.readouterr()
    assert printed.err == ''
    assert 'error: ' in printed.out
    assert '8 images: 1 errors, 1 warnings' in printed.out
    found = json.loads((tmp_path / 'a' / 'r.json').read_text())
    assert found['ok'] is False
    assert found['counts'] == {'corrupt': 1, 'duplicate': 1}
    assert [one['images'] for one in found['sets']] == [4, 2, 1, 1]
    assert found['sets'][0]['width'] == [64, 64, 64]
    sheet = cv2.imread(str(tmp_path / 's.png'))
    assert sheet is not None
    assert sheet.shape[1] > 4 * 128


def test_the_sheet_shows_leaks_side_by_side(data: Path) -> None:
    without = contact_sheet(_check(data)).shape
    cv2.imwrite(str(data / 'train/rainy/leak.png'), _scene(11))
    checked = _check(data)
    sheet = contact_sheet(checked)
    assert sheet.shape[0] > without[0] + 128
    assert np.array_equal(sheet[-130:-5, 5:125], sheet[-130:-5, 137:257])


def test_the_table_has_a_line_per_set_and_long_lists_are_cut(data: Path) -> None:
    for index in range(15):
        cv2.imwrite(str(data / 'train/clean' / f'copy{index:02d}.png'), _scene(11))
    checked = _check(data)
    assert [line.split()[:2] for line in table(checked).splitlines()[1:]] == [
        ['train', 'lq'],
        ['train', 'gt'],
        ['val', 'lq'],
        ['val', 'gt'],
    ]
    lines = sentences(checked, 10)
    assert len(lines) == 11
    assert lines[-1] == '... and 5 more: the same pixels twice in one set, in train gt'
    assert len(sentences(checked)) == 15


@pytest.mark.parametrize(
    ('datasets', 'message'),
    [
        (None, 'datasets: expected a map'),
        ({'train': {'dataroot_lq': 'x'}}, r'datasets\.train: expected a map with a type'),
        (
            {'train': {'type': 'UnpairedImageDataset', 'dataroot_lq': 'x', 'dataroot_gtt': 'y'}},
            'dataroot_gt is missing. Did you mean "dataroot_gtt"',
        ),
        ({'test': {'type': 'SingleImageDataset', 'dataroot_lq': '/x/y'}}, 'there is no folder'),
    ],
)
def test_options_that_name_no_images(datasets: object, message: str) -> None:
    with pytest.raises((OptionError, DataError), match=message):
        sets_of_options(datasets)


def test_an_options_file_whose_sets_are_no_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / 'a.yml').write_text('model_type: SRModel\ndatasets: 5\n')
    assert main(['data', 'check', str(tmp_path / 'a.yml')]) == 2
    assert 'a.yml:2: datasets: expected a map of keys, got 5' in capsys.readouterr().err


def test_wrong_words(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (['--similarity', '2'], ['--crop', '0'], ['--sheet', 'x.jpg'], [str(data / 'nowhere')]):
        assert main(['data', 'check', str(data), *words]) == 2
        assert 'basicsr: error: ' in capsys.readouterr().err


@pytest.mark.parametrize('given', ['options', 'folder'])
def test_a_sheet_among_the_images_is_refused_before_anything_is_decoded(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], given: str
) -> None:
    target = tmp_path / 'options.yml' if given == 'options' else data
    (tmp_path / 'options.yml').write_text(yaml.safe_dump({'datasets': _options(data)}))
    for words in (['--sheet', 'train/rainy/s.png'], ['--json', 'train/rainy/r.png']):
        assert main(['data', 'check', str(target), words[0], str(data / words[1])]) == 2
        printed = capsys.readouterr()
        assert f'error: {words[0]}: ' in printed.err
        assert printed.out == ''
        assert not (data / words[1]).exists()


def test_what_is_written_replaces_nothing_of_another_kind(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = tmp_path / 'options.yml'
    options.write_text(yaml.safe_dump({'datasets': _options(data)}))
    notes, labels, folder = tmp_path / 'notes.png', tmp_path / 'labels.json', tmp_path / 'folder.json'
    notes.write_text('mine')
    labels.write_text('{"a.png": "street"}')
    folder.mkdir()
    before = {path: path.read_bytes() for path in (notes, labels)}
    for words in (['--sheet', notes], ['--json', labels], ['--json', notes], ['--json', folder]):
        assert main(['data', 'check', str(options), *map(str, words)]) == 2
        assert f'error: {words[0]}: "{words[1]}" is ' in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (notes, labels)} == before
    (tmp_path / 'empty.json').touch()
    own = ['--json', str(tmp_path / 'empty.json'), '--sheet', str(tmp_path / 'sheet.png')]
    for _ in range(2):
        assert main(['data', 'check', str(options), *own]) == 0
    assert json.loads((tmp_path / 'empty.json').read_text())['ok'] is True
