"""The command `basicsr`: quick where nothing is to be loaded, clear where something is wrong."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest

import cclgan_plugin
from cclgan_plugin.cli import main as module
from cclgan_plugin.cli import pipeline
from cclgan_plugin.cli.main import COMMANDS, Command, main
from cclgan_plugin.errors import DataError, TrainingError

ROOT = Path(__file__).parents[2]


def run(*arguments: str, program: str = '', cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own; ``program`` is Python to run in it beforehand."""
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    start = [sys.executable, '-m', 'cclgan_plugin'] if not program else [sys.executable, '-c', program]
    return subprocess.run(
        [*start, *arguments], env=environment, cwd=cwd, capture_output=True, text=True, timeout=300
    )


SLOW = ('torch', 'basicsr', 'cv2', 'mmengine')


@pytest.mark.parametrize(
    ('arguments', 'code'),
    [
        (['--help'], 0),
        (['--version'], 0),
        (['train', '--help'], 0),
        (['test', '--help'], 0),
        (['export', '--help'], 0),
        (['trian'], 2),
        ([], 2),
        (['train', '-opt', 'nowhere.yml'], 2),
        (['train', '--no-such-flag'], 2),
        (['export', 'model.pth', '-f', 'onx'], 2),
    ],
)
def test_help_and_usage_errors_load_nothing_slow(arguments: list[str], code: int) -> None:
    # As pip's script for the command does, by its name.
    program = (
        "import sys; sys.argv[0] = 'bin/basicsr'\n"
        'from cclgan_plugin.cli.main import main\n'
        f'code = main({arguments!r})\n'
        f'print("loaded:", [name for name in {SLOW!r} if name in sys.modules])\n'
        'sys.exit(code)\n'
    )
    result = run(program=program)
    assert result.returncode == code
    assert result.stdout.endswith('loaded: []\n'), result.stderr
    assert 'Traceback' not in result.stderr


def test_python_m_is_the_same_command() -> None:
    result = run('--version')
    assert result.returncode == 0
    assert result.stdout.splitlines() == [
        f'cclgan-plugin {cclgan_plugin.__version__}',
        *(f'{name} {version(name)}' for name in ('basicsr', 'torch', 'torchvision')),
    ]


@pytest.mark.parametrize('arguments', [['--help'], *([command.name, '--help'] for command in COMMANDS)])
def test_help_shows_examples(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert re.search(r'examples:\n  basicsr \w+', shown)


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    main(['--help'])
    shown = capsys.readouterr().out
    assert all(
        re.search(rf'^  {command.name} +{command.meaning}$', shown, re.MULTILINE) for command in COMMANDS
    )


def test_an_unknown_command_ends_with_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['trian']) == 2
    assert 'there is no command "trian". Did you mean "train"?' in capsys.readouterr().err


def test_an_options_file_that_is_not_there_ends_with_a_hint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'train_mine.yml').touch()
    assert main(['train', '-opt', str(tmp_path / 'train_mien.yml')]) == 2
    assert 'there is no such options file. Did you mean "train_mine.yml"?' in capsys.readouterr().err


def test_a_missing_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert 'a command is missing' in capsys.readouterr().err


# ---------------------------------------------------------------------- how a command ends


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A command ``probe`` whose ``run`` a test may choose."""
    probe = SimpleNamespace(run=lambda args: 0)

    def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
        parser = subparsers.add_parser('probe')
        parser.add_argument('words', nargs='*')
        parser.set_defaults(run=lambda args: probe.run(args))

    probe.add_parser = add_parser
    monkeypatch.setattr(module, 'COMMANDS', (Command('probe', 'tries things out', 'probe_command'),))
    monkeypatch.setitem(sys.modules, 'probe_command', probe)
    monkeypatch.setattr('cclgan_plugin.cli.plugins.entry_points', lambda group: ())
    for name in ('RANK', 'WORLD_SIZE'):
        monkeypatch.delenv(name, raising=False)
    return probe


def fail(error: BaseException) -> None:
    raise error


def test_a_users_mistake_is_one_message_and_its_exit_code(
    command: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    command.run = lambda args: fail(DataError('a.png is no image.'))
    assert main(['probe']) == 2
    assert capsys.readouterr().err == 'basicsr: error: a.png is no image.\n'
    command.run = lambda args: fail(TrainingError('The disk is full.'))
    assert main(['probe']) == 3


def test_a_defect_keeps_its_traceback(command: SimpleNamespace) -> None:
    command.run = lambda args: fail(ZeroDivisionError('a defect'))
    with pytest.raises(ZeroDivisionError):
        main(['probe'])


def test_an_interruption_has_its_own_exit_code(
    command: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    command.run = lambda args: fail(KeyboardInterrupt())
    assert main(['probe']) == 130
    assert capsys.readouterr().err == 'basicsr: interrupted\n'


def test_an_exit_code_is_handed_on_and_so_are_the_arguments(command: SimpleNamespace) -> None:
    seen = []
    command.run = lambda args: seen.append((args.command, args.arguments, args.words)) or 7
    assert main(['probe', 'a', 'b']) == 7
    assert seen == [('probe', ['a', 'b'], ['a', 'b'])]


@pytest.mark.parametrize(
    ('reason', 'code', 'said'), [(None, 0, ''), (4, 4, ''), ('no licence', 1, 'basicsr: no licence\n')]
)
def test_what_leaves_by_itself_is_heard(
    command: SimpleNamespace,
    capsys: pytest.CaptureFixture[str],
    reason: str | int | None,
    code: int,
    said: str,
) -> None:
    command.run = lambda args: sys.exit(reason)
    assert main(['probe']) == code
    assert capsys.readouterr().err == said


def test_the_process_that_speaks_is_named(
    command: SimpleNamespace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('WORLD_SIZE', '2')
    monkeypatch.setenv('RANK', '1')
    command.run = lambda args: fail(DataError('a.png is no image.'))
    main(['probe'])
    assert capsys.readouterr().err == '[rank 1] basicsr: error: a.png is no image.\n'


def test_the_error_of_a_loaders_worker_is_one_message(
    command: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    from torch.utils.data import DataLoader

    loader = DataLoader(BrokenImages(), num_workers=1)
    command.run = lambda args: list(loader)
    assert main(['probe']) == 2
    assert capsys.readouterr().err == 'basicsr: error: b.png is no image: neither PNG nor JPEG.\n'


class BrokenImages:
    """Fails in a worker, with a cause, as decoding does."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> None:
        try:
            fail(ValueError('neither'))
        except ValueError as error:
            raise DataError('b.png is no image: neither PNG nor JPEG.') from error


def test_older_launchers_may_put_their_argument_first(command: SimpleNamespace) -> None:
    seen = []
    command.run = lambda args: seen.append(args.words) or 0
    with pytest.raises(SystemExit):
        argparse.ArgumentParser().parse_args(['--local-rank=0'])
    assert main(['--local-rank=0', 'probe']) == 2  # the probe knows no such flag, but is found
    assert seen == []


# ---------------------------------------------------------------------- pipelines


def test_a_pipeline_reads_the_commands_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / 'a.yml'
    file.write_text('name: a\npath:\n  root: ~\n')
    monkeypatch.chdir(tmp_path)
    seen: list[tuple[str, list[str]]] = []
    before = sys.argv

    def parse(*arguments: str) -> argparse.Namespace:
        return module._parse(['train', '-opt', str(file), *arguments])

    pipeline.run_pipeline(lambda root: seen.append((root, sys.argv)), parse('--debug'))
    assert seen.pop() == (str(tmp_path), ['basicsr train', '-opt', str(file), '--debug'])
    pipeline.run_pipeline(
        lambda root: seen.append((root, sys.argv)), parse('--force_yml', 'path:root=elsewhere')
    )
    assert seen.pop()[0] == str(tmp_path / 'elsewhere')
    file.write_text(f'path: {{root: "{tmp_path}/given"}}')
    with pytest.raises(DataError, match='to see'):
        pipeline.run_pipeline(lambda root: fail(DataError(f'{root} is to see')), parse())
    assert sys.argv is before


@pytest.mark.parametrize('unbuffered', ['', '1'])
def test_a_reader_that_has_read_enough_is_no_error(unbuffered: str) -> None:
    environment = {
        **os.environ,
        'OMP_NUM_THREADS': '1',
        'PYTHONPATH': str(ROOT),
        'PYTHONUNBUFFERED': unbuffered,
    }
    process = subprocess.Popen(
        [sys.executable, '-m', 'cclgan_plugin', 'zoo', 'list'],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()  # before the first line: importing alone takes longer
    said = process.stderr.read()
    assert process.wait(timeout=300) == 141
    assert said == ''


def test_another_broken_pipe_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(arguments: list[str]) -> int:
        raise BrokenPipeError('to a worker')

    monkeypatch.setattr(module, '_run', broken)
    with pytest.raises(BrokenPipeError, match='to a worker'):
        main(['train'])
