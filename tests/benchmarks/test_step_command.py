"""The command ``python benchmarks/step.py``: tables, files and messages. What it times is not looked at."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import step
from benchmarks.cards import bf16_peak
from benchmarks.modes import Mode
from benchmarks.peak_memory import peak_of_command, process_peak
from benchmarks.step_goals import Goal
from benchmarks.step_recipes import Setting
from benchmarks.step_settings import read_setting
from benchmarks.throughput import measure_throughput, throughput_recipes
from benchmarks.timing import Spread, Times

ROOT = Path(__file__).resolve().parents[2]
TINY = ['--size=32', '--width=2', '--blocks=1', '--encoder=none', '--rounds=1', '--modes=fp32']


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / 'page.md'
    page.write_text('<!-- step table: begin -->\n<!-- step table: end -->\n')
    files = ['--json', str(tmp_path / 'f.json'), '--png', str(tmp_path / 'f.png'), '--readme', str(page)]
    assert step.main([*TINY, '--threads=1', '--no-memory', *files]) == 0
    printed = capsys.readouterr()
    assert printed.err == ''
    assert printed.out.strip() in page.read_text()
    for title in ('Variants', 'Parts', 'What each term adds', 'Floor by part', 'Most frequent operations'):
        assert f'### {title}' in printed.out
    assert (tmp_path / 'f.png').read_bytes().startswith(b'\x89PNG')
    found = json.loads((tmp_path / 'f.json').read_text())
    assert list(found['variants']) == [
        'oracle',
        'ours',
        'ours as CycleGAN',
        'ours as CUT',
        'ours as DCLGAN',
        'ours without idt',
        'ours without lcl',
        'ours without inter',
    ]
    ours = found['variants']['ours']
    assert ours['flops'] == sum(part['flops'] for part in ours['counts']['parts'].values())
    assert ours['ops'] == sum(sum(part['ops'].values()) for part in ours['counts']['parts'].values())
    assert found['machine']['torch'] == str(torch.__version__)


@pytest.mark.parametrize(
    ('argument', 'message'),
    [
        ('--encoder=clop', '--encoder must be none, or clip, vgg joined by "+", got "clop"'),
        ('--modes=bf61', 'Did you mean "bf16"'),
        ('--size=8', '--size must be at least 24, got 8'),
    ],
)
def test_wrong_arguments(argument: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert step.main([*TINY, argument]) == 2
    assert message in capsys.readouterr().err


def test_throughput_of_every_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('benchmarks.throughput.BLOCK_SECONDS', 0)
    setting = Setting(size=32, width=2, blocks=1, encoder='none')
    recipes = throughput_recipes(setting, [2], [Mode(), Mode(tf32=True)])
    assert [recipe.name for recipe in recipes[:2]] == ['oracle tf32', 'ours']
    found = list(measure_throughput(recipes[1:3], blocks=1))
    assert [(t.name, t.batch) for t in found] == [('ours', 2), ('ours tf32', 2)]
    assert all(t.images_per_second and t.peak_bytes is None and t.share_of_peak is None for t in found)


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        ([], 'fp32,tf32,tf32+bf16,tf32+bf16+channels_last'),
        (['--speeds=bf16,graphs'], 'bf16,graphs'),
        (
            ['--modes=compile'],
            'fp32,tf32,tf32+bf16,tf32+bf16+channels_last,compile,tf32+compile,tf32+bf16+compile,'
            'tf32+bf16+channels_last+compile',
        ),
    ],
)
def test_modes_of_the_throughput_table(arguments: list[str], expected: str) -> None:
    args = step.parse([*TINY, *arguments])
    modes = step.throughput_modes(args, step.read_recipes(args, read_setting(args)))
    assert ','.join(map(str, modes)) == expected
    recipes = throughput_recipes(Setting(), [1, 4, 16], modes)
    assert len(recipes) == 3 * (1 + len(modes))
    assert recipes[0].name == 'oracle tf32'


def test_spread_and_ratios() -> None:
    assert Spread.of([1, 2, 3, 4, 5]) == Spread(2, 3, 4)
    assert Spread.of([7.0]) == Spread(7, 7, 7)
    assert Times([1.0, 4.0], {}).ratios(Times([2.0, 2.0], {})) == [2.0, 0.5]


def test_goals() -> None:
    assert Goal('a', 1.5, at_least=1.6).row(1.5) == ['a', 'at least 1.6', '1.500', 'no']
    assert Goal('b', 1.0, at_most=1.01).row(1.0) == ['b', 'at most 1.01', '1.000', 'yes']


def test_peaks_of_cards() -> None:
    assert bf16_peak('NVIDIA H200') == 989.4e12
    assert bf16_peak('NVIDIA H100 80GB HBM3') == 989.4e12
    assert bf16_peak('NVIDIA H100 PCIe') == 756e12
    assert bf16_peak('A card of tomorrow') is None


def test_peak_memory_is_the_childs_own_and_stays() -> None:
    script = """
import json
import sys
from benchmarks.peak_memory import process_peak
idle = process_peak()
block = b'x' * 100_000_000  # written to: untouched memory is not there yet
full = process_peak()
del block
print(json.dumps({'idle': idle, 'full': full, 'after': process_peak()}))
"""
    found = peak_of_command(
        [sys.executable, '-c', f'import sys; sys.path.insert(0, {str(ROOT)!r})\n{script}']
    )
    # This process, with PyTorch in it, is larger than the child that knows nothing of it.
    assert found['idle'] < process_peak() / 2
    assert found['full'] - found['idle'] > 90_000_000
    assert found['after'] > found['full'] - 1_000_000


def test_a_failing_measurement_says_why() -> None:
    with pytest.raises(RuntimeError, match='no such thing'):
        peak_of_command(['sh', '-c', 'echo no such thing >&2; exit 3'])
    assert peak_of_command(['sh', '-c', 'echo progress; echo \'{"peak": 5}\'']) == {'peak': 5}
