"""The comparison of methods: its options are real ones, its results are kept, its pages are the results'."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from benchmarks.comparison import published
from benchmarks.comparison.plan_files import (
    Protocol,
    Side,
    Truth,
    read_methods,
    read_protocol,
    read_scale,
)
from benchmarks.comparison.plan_files import TestSet as Pictures
from benchmarks.comparison.recipes import options_hash, training_options, write_options
from benchmarks.comparison.results import FILE, Result, append_result, read_results
from benchmarks.comparison.runs import Run
from benchmarks.comparison.scoring import score
from benchmarks.comparison.tables import pages
from benchmarks.comparison.training_data import write_pairs
from benchmarks.methods import main, parse
from cclgan_plugin.errors import DataError, OptionError
from cclgan_plugin.options.check import check_options
from cclgan_plugin.options.inherit import load_options
from cclgan_plugin.zoo.index import find_entry

ROOT = Path(__file__).resolve().parents[2]
PROTOCOLS = ('rain800', 'rain100l-alt', 'real')
SCALES = ('cpu', 'gpu', 'gpu-quick', 'smoke')
RESULT = Result(
    protocol='rain800',
    scale='cpu',
    method='cut',
    seed=0,
    options='0' * 12,
    machine={'cpu': 'a processor', 'threads': '1', 'torch': '2.0', 'commit': 'abc'},
    steps=10,
    seconds=90.0,
    peak_memory=10**9,
    means={'Rain800': {'psnr': 20.0, 'ssim': 0.5, 'rain_left': 0.9, 'content_lost': 1.5}},
    images={'Rain800': {'a.png': {'psnr': 20.0}}},
)


@pytest.mark.parametrize('scale', SCALES)
@pytest.mark.parametrize('protocol', PROTOCOLS)
def test_every_training_has_options_that_the_command_takes(
    tmp_path: Path, protocol: str, scale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Options of a card are told to be wrong where there is none.
    monkeypatch.setattr('torch.cuda.is_available', lambda: True)
    read = read_protocol(protocol)
    hashes = set()
    for method in read_methods().values():
        if method.base is None or (method.pairs and read.truth is None):
            continue
        options = training_options(method, read_scale(scale), read, 3)
        hashes.add(options_hash(options))
        file = tmp_path / f'{method.name}.yml'
        write_options(options, file, {'data': tmp_path, 'work': tmp_path, 'weights': tmp_path})
        written = load_options(file)
        check_options(written)  # raises where an option is not one
        assert '{' not in file.read_text().replace('{}', ''), 'a folder was not filled in'
        assert written.values['manual_seed'] == 3
        train = written.values['train']
        assert train['total_iter'] - train.get('net_d_init_iters', 0) == read_scale(scale).iterations
    assert len(hashes) >= 10


def test_the_hash_tells_options_apart_and_not_folders() -> None:
    protocol, scale = read_protocol('rain800'), read_scale('cpu')
    one = training_options(read_methods()['cut'], scale, protocol, 0)
    assert options_hash(one) == options_hash(training_options(read_methods()['cut'], scale, protocol, 0))
    assert options_hash(one) != options_hash(training_options(read_methods()['cut'], scale, protocol, 1))
    assert str(ROOT) not in json.dumps(one)


def test_the_hash_is_the_same_however_a_step_is_computed() -> None:
    options = training_options(read_methods()['cclgan'], read_scale('cpu'), read_protocol('rain800'), 0)
    before = options_hash(options)
    options['train'] |= {'channels_last': True, 'cuda_graphs': True, 'compile': True, 'checkpointing': True}
    assert options_hash(options) == before
    options['train']['amp'] = 'bf16'
    assert options_hash(options) != before


def test_the_results_are_of_the_options_of_today() -> None:
    """Otherwise their commands, printed beside them, would train something else."""
    checked = 0
    for result in read_results():
        method = read_methods().get(result.method)
        if result.scale != 'zoo' and method and method.base:
            scale, protocol = read_scale(result.scale), read_protocol(result.protocol)
            options = training_options(method, scale, protocol, result.seed)
            assert result.options == options_hash(options), result.key
            checked += 1
    assert checked > 50


def test_the_hash_sees_the_weights_that_a_training_starts_from(monkeypatch) -> None:
    """The name in the options stays when the Model Zoo gets other weights under it."""
    options = training_options(read_methods()['cclgan-small'], read_scale('cpu'), read_protocol('rain800'), 0)
    assert options['path']['pretrain_network_g'] == 'cclgan://derain-small-free'
    before = options_hash(options)
    entry = find_entry('derain-small-free')
    monkeypatch.setattr(
        'benchmarks.comparison.recipes.find_entry', lambda name: entry.model_copy(update={'sha256': name * 8})
    )
    assert options_hash(options) != before


@pytest.mark.parametrize(('scale', 'generators'), [('cpu', 1000), ('smoke', 4), ('gpu', 20000)])
def test_what_discriminators_learn_before_comes_on_top(scale: str, generators: int) -> None:
    options = training_options(read_methods()['cclgan-small'], read_scale(scale), read_protocol('rain800'), 0)
    train = options['train']
    assert train['net_d_init_iters'] == min(2500, generators * 5 // 2)
    assert train['total_iter'] - train['net_d_init_iters'] == generators
    assert train['scheduler']['decay_end'] == train['total_iter']
    assert train['scheduler']['decay_start'] == train['total_iter'] - generators // 2


@pytest.mark.parametrize(('scale', 'device'), [('cpu', 'cpu'), ('gpu', 'cuda'), ('gpu-quick', 'cuda')])
def test_a_result_names_the_device_of_its_training(scale: str, device: str) -> None:
    methods, protocol = read_methods(), read_protocol('rain800')
    assert Run(methods['cut'], read_scale(scale), protocol, 0).device == device
    assert Run(methods['input'], read_scale(scale), protocol, 0).device == 'cpu'


def test_an_ablation_differs_in_what_its_name_says() -> None:
    protocol, scale = read_protocol('rain800'), read_scale('cpu')
    methods = read_methods()
    whole, without = (training_options(methods[n], scale, protocol, 0) for n in ('cclgan', 'cclgan-no-inter'))
    assert whole['train'].pop('inter_ccl_opt')
    assert without['train'].pop('inter_ccl_opt') is None
    assert {**whole, 'name': ''} == {**without, 'name': ''}
    other = training_options(methods['cclgan-other-generator'], scale, protocol, 0)
    assert (whole['network_g']['residual'], other['network_g']['residual']) == (True, False)
    assert (whole['network_g']['skips'], other['network_g']['skips']) == (True, False)


@pytest.mark.parametrize(('read', 'name'), [(read_scale, 'cpus'), (read_protocol, 'rain80')])
def test_misspelt_names_are_told(read, name) -> None:
    with pytest.raises(OptionError, match='Did you mean'):
        read(name)


def test_results_are_kept_and_the_last_of_a_run_counts(tmp_path: Path) -> None:
    file = tmp_path / 'results' / 'methods.jsonl'
    assert read_results(file) == []
    append_result(RESULT, file)
    append_result(replace(RESULT, seed=1), file)
    append_result(replace(RESULT, seconds=5.0), file)
    found = read_results(file)
    assert [(r.seed, r.seconds) for r in found] == [(1, 90.0), (0, 5.0)]
    assert len(file.read_text().splitlines()) == 3
    with open(file, 'a') as more:
        more.write('{"protocol": \n')
    with pytest.raises(DataError, match=r'methods\.jsonl:4'):
        read_results(file)


def test_scores_tell_rain_from_content(tmp_path: Path) -> None:
    truth = np.full((32, 32, 3), 100, np.uint8)
    rainy = truth.copy()
    rainy[:, 8:12] += 50
    for name, image in (('rainy', rainy), ('clean', truth)):
        (tmp_path / name).mkdir()
        Image.fromarray(image).save(tmp_path / name / 'a.png')
    test = Pictures(name='t', rainy='rainy', clean='clean')

    def scores(change):
        return score(change, test, tmp_path)['a.png']

    untouched = scores(lambda image: image)
    assert untouched['rain_left'] == 1
    assert untouched['content_lost'] == 0
    half = scores(lambda image: image - (image == 150).astype(np.uint8) * 25)
    assert half['rain_left'] == pytest.approx(0.5)
    assert half['psnr'] > untouched['psnr']
    darker = scores(lambda image: image - 3)
    assert darker['content_lost'] == pytest.approx(3)
    assert 'psnr' not in scores(lambda image: truth), 'infinite'


def test_a_missing_test_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / 'list.txt').write_text('gone.png\n')
    with pytest.raises(DataError, match=r'gone\.png'):
        score(lambda image: image, Pictures(name='t', rainy='.', list='list.txt'), tmp_path)


def test_the_table_has_means_over_seeds_and_their_spread() -> None:
    other = replace(RESULT, seed=1, means={'Rain800': {'psnr': 21.0, 'ssim': 0.7}})
    text = pages([RESULT, other])
    row = next(line for line in text.splitlines() if line.startswith('| CUT-like'))
    assert '20.50 ± 0.50 / 0.6000 ± 0.1000' in row
    assert '| 2 |' in ' '.join(row.split())
    assert 'python benchmarks/methods.py rain800 --scale cpu' in text


def test_the_published_pages_are_those_of_the_results() -> None:
    assert published.check_pages(ROOT, ROOT / 'benchmarks' / 'results' / 'methods.jsonl') == 0


def test_other_results_make_the_pages_late(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / 'docs').mkdir()
    for name, mark in (('MODEL_ZOO.md', 'comparison'), ('README.md', 'comparison summary')):
        (tmp_path / name).write_text(f'<!-- {mark}: begin -->\n<!-- {mark}: end -->\n')
    results = tmp_path / 'results.jsonl'
    append_result(RESULT, results)
    published.write_pages(tmp_path, results)
    assert published.check_pages(tmp_path, results) == 0
    append_result(replace(RESULT, method='dclgan'), results)
    assert published.check_pages(tmp_path, results) == 1
    printed = capsys.readouterr().out
    for name in ('MODEL_ZOO.md', 'README.md', 'comparison.png'):
        assert name in printed


def test_pairs_are_aligned_and_lie_where_basicsr_looks(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    clean = generator.integers(0, 255, (20, 40, 3), np.uint8)
    data = tmp_path / 'data'
    for name, image in (('rainy/deep/a.png', clean[:, 7:] // 2), ('clean/deep/a.png', clean)):
        (data / name).parent.mkdir(parents=True)
        Image.fromarray(image).save(data / name)
    (data / 'list.txt').write_text('rainy/deep/a.png\n')
    (data / 'offsets.csv').write_text('file,rainy_x_offset\na.png,7\n')
    protocol = Protocol(
        name='p',
        title='P',
        rainy=Side(root='.', lists=('list.txt',)),
        truth=Truth(root='.', replace=('rainy', 'clean'), offsets='offsets.csv'),
        tests=(Pictures(name='t', rainy='rainy'),),
    )
    write_pairs(protocol, data, tmp_path / 'work')
    (found,) = (tmp_path / 'work/pairs/p/clean').iterdir()
    assert np.array_equal(np.asarray(Image.open(found)), clean[:, 7:])
    rainy = tmp_path / 'work/pairs/p/rainy' / found.name
    assert np.array_equal(np.asarray(Image.open(rainy)), clean[:, 7:] // 2)


@pytest.fixture(scope='module')
def small_protocol(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A protocol over the demo's photographs, and their folder."""
    from cclgan_plugin.data.demo import write_demo

    folder = tmp_path_factory.mktemp('protocol')
    write_demo(str(folder / 'data'))
    protocol = {
        'name': 'demo',
        'title': 'Demo',
        'rainy': {'root': 'val/rainy'},
        'clean': {'root': 'clean'},
        'truth': {'root': 'val/clean'},
        'tests': [{'name': 'few', 'rainy': 'val/rainy', 'clean': 'val/clean', 'list': 'few.txt'}],
    }
    names = sorted(path.name for path in (folder / 'data/val/rainy').iterdir())
    (folder / 'data' / 'few.txt').write_text(f'{names[0]}\n')
    (folder / 'demo.yml').write_text(yaml.safe_dump(protocol))
    return folder / 'demo.yml', folder / 'data'


def test_what_is_wanted_again_is_trained_again_and_a_test_of_weights_writes_nothing() -> None:
    """The folder of trainings goes with the results file."""
    assert parse(['rain800']).work == ROOT / 'experiments' / 'methods'
    assert parse(['rain800', '--results', 'some/again.jsonl']).work == ROOT / 'experiments' / 'again'
    assert parse(['rain800', '--results', 'again.jsonl', '--work', 'mine']).work == Path('mine')
    assert parse(['rain800']).results == FILE
    assert parse(['zoo', '--zoo', 'derain-small']).results is None


def test_methods_are_trained_and_tested_once(
    small_protocol: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    protocol, data = small_protocol
    apart = yaml.safe_load(protocol.read_text())
    apart['rainy'] = {'root': 'rainy'}
    apart.pop('truth')
    honest = tmp_path / 'honest.yml'
    honest.write_text(yaml.safe_dump(apart))

    results = tmp_path / 'results.jsonl'
    folders = ['--data', str(data), '--work', str(tmp_path / 'work'), '--results', str(results)]

    def run(file: Path, *arguments: str) -> str:
        """What the command prints, in this process."""
        assert main([str(file), '--scale', 'smoke', *folders, *arguments]) == 0
        return capsys.readouterr().out

    assert '2 runs' in run(honest, '--methods', 'input,cut', '--plan')
    assert not (tmp_path / 'work').exists()

    script = [sys.executable, str(ROOT / 'benchmarks/methods.py'), str(honest), '--scale', 'smoke', *folders]
    env = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(
        [*script, '--methods', 'input,cut'], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = {result.method: result for result in read_results(results)}
    assert set(found) == {'input', 'cut'}
    assert found['cut'].steps == 4
    assert found['cut'].seconds > 1
    assert found['cut'].peak_memory > 10**8
    assert found['input'].means['few']['rain_left'] == 1
    assert found['cut'].means['few']['psnr'] != found['input'].means['few']['psnr']
    assert (
        f'cut                      seed 0  few: psnr {found["cut"].means["few"]["psnr"]:.4g}, ' in done.stdout
    )

    nothing = run(honest, '--methods', 'input,cut')
    assert '0 runs' in nothing
    assert '--results NEW_FILE' in nothing
    again = tmp_path / 'again.jsonl'
    assert '1 runs' in run(honest, '--methods', 'cut', '--plan', '--results', str(again))
    # In the same folder of trainings it is the same training, of the commit and the machine of then.
    (ledger,) = (tmp_path / 'work/costs').glob('*cut*.json')
    costs = json.loads(ledger.read_text())
    assert costs['machine'] == found['cut'].machine
    ledger.write_text(json.dumps({**costs, 'machine': {**costs['machine'], 'commit': 'of then'}}))
    assert 'commit of then, and is tested only' in run(honest, '--methods', 'cut', '--results', str(again))
    assert [result.machine['commit'] for result in read_results(again)] == ['of then']

    shown = run(honest, '--pictures', str(tmp_path / 'shown'))
    assert shown.split() == [str(tmp_path / 'shown' / 'demo-few.jpg')]
    with Image.open(tmp_path / 'shown' / 'demo-few.jpg') as picture:
        assert picture.width > 3 * picture.height / 2, 'input, cut, truth'
    with pytest.raises(DataError, match='has been trained yet'):
        run(honest, '--pictures', str(tmp_path / 'shown'), '--seeds', '5')

    # The same scenes in training and test: the check ends it before anything is trained.
    with pytest.raises(DataError, match='not fit for these tests'):
        run(protocol, '--methods', 'cut')
