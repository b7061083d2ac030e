"""``parse_options`` takes BasicSR's place: the same flags, the same keys in the result, and no surprises."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cclgan_plugin.errors import OptionError
from cclgan_plugin.mends import experiment_folders
from cclgan_plugin.options.parse import copy_opt_file, parse_options
from cclgan_plugin.options.preflight import preflight

Parse = Callable[..., tuple[dict[str, Any], Namespace]]


@pytest.fixture
def parse(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Parse:
    def call(path: Path, *flags: str, is_train: bool = True) -> tuple[dict[str, Any], Namespace]:
        monkeypatch.setattr(sys, 'argv', ['basicsr', '-opt', str(path), *flags])
        return parse_options(str(tmp_path / 'root'), is_train)

    return call


def test_the_result_has_what_basicsr_adds(tiny: Path, parse: Parse, tmp_path: Path) -> None:
    """Everything that train_pipeline and the models read, and nothing was created."""
    opt, args = parse(tiny)
    folder = tmp_path / 'root' / 'experiments' / 'tiny'
    assert (opt['dist'], opt['rank'], opt['world_size']) == (False, 0, 1)
    assert (opt['is_train'], opt['auto_resume'], opt['num_gpu']) == (True, False, 0)
    assert opt['path']['experiments_root'] == opt['path']['log'] == str(folder)
    for key in ('models', 'training_states', 'visualization'):
        assert opt['path'][key] == str(folder / key)
    assert 'root' not in opt['path']
    assert {phase: d['phase'] for phase, d in opt['datasets'].items()} == {'train': 'train', 'val': 'val'}
    assert all((d['scale'], d['manual_seed']) == (1, 1) for d in opt['datasets'].values())
    assert args.opt == str(tiny)
    assert not (tmp_path / 'root').exists()


def test_the_result_of_a_test(tiny_test: Path, parse: Parse, tmp_path: Path) -> None:
    """Folders below results/, the phase of test_1 is test."""
    opt, _ = parse(tiny_test, is_train=False)
    folder = tmp_path / 'root' / 'results' / 'tiny_test'
    assert opt['path']['results_root'] == opt['path']['log'] == str(folder)
    assert opt['path']['visualization'] == str(folder / 'visualization')
    assert 'experiments_root' not in opt['path']
    assert opt['datasets']['test_1']['phase'] == 'test'
    assert opt['is_train'] is False


def test_all_flags_are_understood(tiny: Path, parse: Parse) -> None:
    """Also the spelling of older launchers, which BasicSR does not know (#626)."""
    forced = ('--force_yml', 'name=a', '--auto_resume', '--force_yml', 'train:pool_size=1')
    _, args = parse(tiny, '--local-rank', '3', *forced)
    assert (args.local_rank, args.auto_resume, args.force_yml) == (3, True, ['name=a', 'train:pool_size=1'])
    opt, args = parse(tiny, '--local_rank=2', '--launcher', 'none')
    assert (args.local_rank, opt['auto_resume']) == (2, False)


def test_a_forced_seed_seeds(tiny: Path, parse: Parse) -> None:
    """BasicSR seeds before it forces; here the forced seed counts."""

    def drawn(*flags: str) -> tuple[float, float, float]:
        parse(tiny, *flags)
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    assert drawn('--force_yml', 'manual_seed=5') == drawn('--force_yml', 'manual_seed=5')
    assert drawn('--force_yml', 'manual_seed=5') != drawn()
    opt, _ = parse(tiny, '--force_yml', 'manual_seed=5')
    assert opt['datasets']['train']['manual_seed'] == 5


def test_without_a_seed_one_is_drawn_and_written_down(tiny: Path, parse: Parse, tmp_path: Path) -> None:
    """A run can be repeated even if nobody thought of a seed."""
    seeds = set()
    for _ in range(5):
        opt, args = parse(tiny, '--force_yml', 'manual_seed=null')
        seeds.add(opt['manual_seed'])
    assert len(seeds) > 1
    copy_opt_file(args.opt, str(tmp_path))
    assert f'manual_seed: {opt["manual_seed"]}\n' in (tmp_path / 'tiny.yml').read_text()


def test_debug_is_asked_for_by_its_flag_alone(
    tiny: Path, parse: Parse, caplog: pytest.LogCaptureFixture
) -> None:
    """A name that holds the word changes nothing; that BasicSR then writes no TensorBoard files is said."""
    opt, _ = parse(tiny, '--force_yml', 'name=my_debug_run')
    assert opt['logger']['print_freq'] == 100
    assert 'writes no TensorBoard files' in caplog.text
    opt, _ = parse(tiny, '--debug')
    assert opt['name'] == 'debug_tiny'
    assert (opt['val']['val_freq'], opt['logger']['print_freq'], opt['logger']['save_checkpoint_freq']) == (
        8,
        1,
        8,
    )
    assert opt['path']['log'].endswith('debug_tiny')
    opt, _ = parse(tiny, '--debug', '--force_yml', 'name=debug_x', 'val=null')
    assert opt['name'] == 'debug_x'


def test_paths_are_expanded(
    tiny: Path, parse: Parse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """``~`` works in every path, also as the root; the root is the one of the options."""
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    opt, _ = parse(
        tiny,
        '--force_yml',
        'path:root="~/runs"',
        'path:pretrain_network_g="~/g.pth"',
        'path:resume_state="~/a.state"',
        'datasets:train:meta_info_file_lq="~/list.txt"',
        'datasets:val:dataroot_gt="~/gt"',
    )
    home = str(tmp_path / 'home')
    assert opt['path']['experiments_root'] == os.path.join(home, 'runs', 'experiments', 'tiny')
    assert opt['path']['pretrain_network_g'] == os.path.join(home, 'g.pth')
    assert opt['path']['resume_state'] == os.path.join(home, 'a.state')
    assert opt['datasets']['train']['meta_info_file_lq'] == os.path.join(home, 'list.txt')
    assert opt['datasets']['val']['dataroot_gt'] == os.path.join(home, 'gt')
    assert opt['path']['param_key_g'] == 'params'


def test_num_gpu_auto(tiny: Path, sr: Path, parse: Parse, monkeypatch: pytest.MonkeyPatch) -> None:
    """CCLGAN takes one GPU for each process; other models take all, as ever."""
    from cclgan_plugin.mends import device_choice

    monkeypatch.setattr(device_choice, 'available_gpus', lambda: 3)
    assert parse(tiny, '--force_yml', 'num_gpu=auto')[0]['num_gpu'] == 1
    assert parse(sr, '--force_yml', 'num_gpu=auto')[0]['num_gpu'] == 3
    monkeypatch.setattr(device_choice, 'available_gpus', lambda: 0)
    assert parse(tiny, '--force_yml', 'num_gpu=auto')[0]['num_gpu'] == 0


def test_several_gpus_take_several_processes(tiny: Path, parse: Parse) -> None:
    """Said before anything starts, with the command to use."""
    with pytest.raises(OptionError, match=r'num_gpu: 2 GPUs take 2 processes: torchrun --nproc_per_node=2 '):
        parse(tiny, '--force_yml', 'num_gpu=2')


def test_gpus_that_are_not_there_end_the_run_before_folders(tiny: Path, parse: Parse, tmp_path: Path) -> None:
    """``num_gpu: 1`` without a GPU; an older experiment stays where it is."""
    if torch.cuda.is_available():
        pytest.skip('there is a GPU')
    old = tmp_path / 'root' / 'experiments' / 'tiny' / 'models' / 'net_g_4.pth'
    old.parent.mkdir(parents=True)
    old.write_bytes(b'weights')
    opt, _ = parse(tiny, '--force_yml', 'num_gpu=1')
    with pytest.raises(OptionError, match='num_gpu: 1'):
        experiment_folders.make_exp_dirs(opt)
    assert [path.name for path in (tmp_path / 'root' / 'experiments').glob('[!.]*')] == ['tiny']
    assert old.read_bytes() == b'weights'


def test_the_preflight_is_installed_once(tiny: Path, parse: Parse) -> None:
    """It runs before folders are made and before a run resumes."""
    parse(tiny)
    parse(tiny)
    assert experiment_folders.before_create.count(preflight) == 1


def test_parts_of_the_options_share_nothing(tiny: Path, tmp_path: Path, write: Any, parse: Parse) -> None:
    """BasicSR pops keys from optimizers; an anchor in the file must not tie two of them together."""
    text = tiny.read_text().replace('optim_g: {type: Adam, lr: 1e-4}', 'optim_g: &o {type: AdamW, lr: 1e-4}')
    text = text.replace('optim_d: {type: Adam, lr: 1e-4}', 'optim_d: *o')
    opt, _ = parse(write(tmp_path / 'shared.yml', text))
    opt['train']['optim_g'].pop('type')
    assert opt['train']['optim_d']['type'] == 'AdamW'


def test_the_pipelines_use_it() -> None:
    """``basicsr.train`` and ``basicsr.test`` call it, whoever starts them."""
    import basicsr.test
    import basicsr.train
    from basicsr.utils import options

    for module in (basicsr.train, basicsr.test, options):
        assert module.parse_options.__module__.startswith('cclgan_plugin.')


def test_under_slurm_the_port_is_the_environments_unless_it_is_given(
    tiny: Path, parse: Parse, monkeypatch: pytest.MonkeyPatch
) -> None:
    from basicsr.utils import options as basicsr_options

    from cclgan_plugin.mends.slurm_start import read_slurm

    slurm = {'SLURM_PROCID': '0', 'SLURM_NTASKS': '1', 'SLURM_LOCALID': '0', 'SLURM_NODELIST': 'here'}
    monkeypatch.setattr('cclgan_plugin.mends.slurm_start.first_host', str)
    ports = []

    def join(launcher: str, backend: str, port: int | None = None) -> None:
        ports.append(read_slurm({**slurm, 'MASTER_PORT': '12345'}, port)['MASTER_PORT'])

    monkeypatch.setattr(basicsr_options, 'init_dist', join)
    parse(tiny, '--launcher', 'slurm')
    parse(tiny, '--launcher', 'slurm', '--force_yml', 'dist_params:port=7')
    assert ports == ['12345', '7']


def test_a_launcher_joins_the_processes(tiny: Path, tmp_path: Path) -> None:
    """Two real processes: rank, world size, a common seed where none is given, different random numbers."""
    script = tmp_path / 'join.py'
    script.write_text(
        'import sys, torch, cclgan_plugin\n'
        'from cclgan_plugin.options.parse import parse_options\n'
        'opt, _ = parse_options(sys.argv.pop(1))\n'
        'line = [opt["rank"], opt["world_size"], opt["dist"], opt["manual_seed"], float(torch.rand(()))]\n'
        'print(*line, file=open(f"{sys.argv[2]}.{opt[\'rank\']}.txt", "w"))\n'
    )
    arguments = [str(tmp_path), '-opt', str(tiny), '--launcher', 'pytorch', '--force_yml', 'manual_seed=null']
    environment = os.environ | {'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(Path(__file__).parents[2])}
    subprocess.run(
        [
            sys.executable,
            '-m',
            'torch.distributed.run',
            '--standalone',
            '--nproc_per_node=2',
            str(script),
            *arguments,
        ],
        env=environment,
        check=True,
        timeout=240,
        cwd=tmp_path,
    )
    first, second = ((tmp_path / f'tiny.yml.{rank}.txt').read_text().split() for rank in (0, 1))
    assert first[:3] == ['0', '2', 'True']
    assert second[:3] == ['1', '2', 'True']
    assert first[3] == second[3]
    assert first[4] != second[4]
