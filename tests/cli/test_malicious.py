"""Files from strangers, given to the real command: they are refused, and nothing in them runs."""

import os
import pickle

import pytest
from forked import command, finish, needs_fork, start
from tiny_run import write_options
from whole_runs import prepare, stop

pytestmark = needs_fork


class Attack:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.fixture
def refused(tmp_path):
    """Runs the command, which must refuse; what it said."""
    prepare(tmp_path)

    def run(*words, file='tiny.yml'):
        process = start(command, 'train', '-opt', file, *words, cwd=tmp_path, log='attack.log')
        assert finish([process]) == [2]
        assert not (tmp_path / 'pwned').exists()
        log = (tmp_path / 'attack.log').read_text()
        assert 'Traceback' not in log
        return log

    return run


@pytest.mark.parametrize(
    'line',
    [
        'name: !!python/object/apply:os.mkdir ["pwned"]',
        'name: !!python/object/new:os.mkdir ["pwned"]',
        'name: !!python/name:os.mkdir',
        'name: [!!python/object/apply:os.mkdir ["pwned"]]',
    ],
)
def test_options(tmp_path, refused, line):
    text = (tmp_path / 'tiny.yml').read_text().splitlines()
    (tmp_path / 'attack.yml').write_text('\n'.join([line, *text[1:]]))
    assert 'attack.yml' in refused(file='attack.yml')


@pytest.mark.parametrize(
    'entry',
    [
        'name=__import__("os").mkdir("pwned")',
        'train:optim_g:betas=[__import__("os").mkdir("pwned")]',
        'name"]=__import__("os").mkdir("pwned");opt["a=1',
        'name=!!python/object/apply:os.mkdir ["pwned"]',
    ],
)
def test_overrides(tmp_path, refused, entry):
    refused('--force_yml', entry, 'train:no_such_key=1')


@pytest.mark.parametrize('protocol', [2, 5])
def test_weights(tmp_path, refused, protocol):
    attack = pickle.dumps({'params': Attack(tmp_path / 'pwned')}, protocol=protocol)
    (tmp_path / 'attack.pth').write_bytes(attack)
    log = refused('--force_yml', 'path:pretrain_network_g=attack.pth')
    assert 'attack.pth cannot be read as a checkpoint' in log
    assert not (tmp_path / 'experiments').exists()


def test_states(tmp_path, refused):
    assert stop(tmp_path, 2) == 75
    states = tmp_path / 'experiments/tiny/training_states'
    attack = {'epoch': 0, 'iter': 9, 'optimizers': Attack(tmp_path / 'pwned'), 'schedulers': []}
    (states / '9.state').write_bytes(pickle.dumps(attack, protocol=2))
    log = refused('--force_yml', f'path:resume_state={states}/9.state')
    assert '9.state cannot be read as a checkpoint' in log
    # Passed over, with the reason, for the last one of our own.
    words = ('train', '-opt', 'tiny.yml', '--auto_resume', '--force_yml', 'train:total_iter=3')
    write_options(tmp_path)
    assert finish([start(command, *words, cwd=tmp_path, log='resume.log')]) == [0]
    log = (tmp_path / 'resume.log').read_text()
    assert '--auto_resume passes over 9.state' in log
    assert f'--auto_resume goes on from {states}/2.state' in log
    assert not (tmp_path / 'pwned').exists()
