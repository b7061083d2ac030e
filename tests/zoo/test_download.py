"""Downloads from a real server that cuts off, lies, is slow or is gone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from cclgan_plugin.errors import WeightsError
from cclgan_plugin.zoo.download import fetch
from cclgan_plugin.zoo.index import find_entry
from cclgan_plugin.zoo.report import show_models
from cclgan_plugin.zoo.transfer import Patience
from zoo.conftest import CONTENT
from zoo.server import serving

HASTY = Patience(connect=2, silence=0.5, attempts=3, pause=0.01)


def get(patience=HASTY):
    return fetch(find_entry('far'), patience)


def only_good(cache):
    """The file is right, and nothing half-done lies beside it."""
    assert (cache / 'far.safetensors').read_bytes() == CONTENT
    return [name for name in os.listdir(cache) if not name.endswith('.lock')] == ['far.safetensors']


def test_a_download_is_done_once(zoo, server):
    assert get() == zoo / 'far.safetensors'
    assert only_good(zoo)
    assert get() == zoo / 'far.safetensors'
    assert server.requests == [('/far.safetensors', None)]


def test_a_cut_off_download_goes_on_where_it_was(zoo, server):
    server.misdeeds = ['cut 20000', 'cut 15000']
    get()
    assert only_good(zoo)
    assert [asked for _, asked in server.requests] == [None, 'bytes=20000-', 'bytes=35000-']


def test_a_server_may_cut_off_often_as_long_as_something_comes(zoo, server):
    server.misdeeds = ['cut 5000'] * 9
    get()
    assert only_good(zoo)


def test_one_that_never_sends_anything_is_given_up(zoo, server):
    server.misdeeds = ['cut 0'] * 20
    with pytest.raises(WeightsError, match='the download failed'):
        get()
    assert len(server.requests) == HASTY.attempts


@pytest.mark.parametrize('misdeed', ['status 503', 'status 429', 'hang', 'cut 0'])
def test_what_may_pass_is_tried_again(zoo, server, misdeed):
    server.misdeeds = [misdeed] * 2
    get()
    assert only_good(zoo)
    assert len(server.requests) == 3


def test_a_slow_server_is_waited_for(zoo, server):
    server.pause = 0.03
    get(replace(HASTY, silence=1))
    assert only_good(zoo)
    assert len(server.requests) == 1


def test_a_server_that_announces_too_little(zoo, server):
    server.misdeeds = ['short 30000'] * 20
    with pytest.raises(WeightsError, match=r'not the right file: 30000 bytes .* expected 50000 bytes'):
        get()
    assert not (zoo / 'far.safetensors').exists()
    assert not (zoo / 'far.safetensors.part').exists()


@pytest.mark.parametrize(
    'wrong', [b'<html>not found</html>', CONTENT[:-1] + b'?', CONTENT + b'and more', bytes(len(CONTENT))]
)
def test_a_wrong_file_is_never_used(zoo, server, wrong):
    server.content = wrong
    with pytest.raises(WeightsError, match=r'not the right file'):
        get()
    assert [name for name in os.listdir(zoo) if not name.endswith('.lock')] == []


@pytest.mark.parametrize('misdeed', ['no range', 'wrong range'])
def test_a_server_that_cannot_continue(zoo, server, misdeed):
    server.misdeeds = ['cut 20000', misdeed]
    get()
    assert only_good(zoo)


@pytest.mark.parametrize('misdeed', ['partial', 'gzip'])
def test_a_server_that_answers_otherwise_than_asked(zoo, server, misdeed):
    server.misdeeds = [misdeed]
    get()
    assert only_good(zoo)
    assert len(server.requests) == 1


def test_a_part_that_is_too_long_is_thrown_away_and_the_whole_fetched(zoo, server):
    server.misdeeds = ['cut 20000', 'more 100']
    get()
    assert only_good(zoo)
    assert [asked for _, asked in server.requests] == [None, 'bytes=20000-', None]


@pytest.mark.parametrize(
    ('address', 'reason'),
    [
        ('zoo.org', 'begins with http:// or https://'),
        ('ftp://zoo.org', 'begins with http:// or https://'),
        ('http://[::1', 'Failed to parse'),
    ],
)
def test_what_is_no_address_is_not_tried_again(zoo, monkeypatch, capsys, address, reason):
    monkeypatch.setenv('CCLGAN_ZOO_URL', address)
    with pytest.raises(WeightsError, match=reason):
        get()
    assert 'trying again' not in capsys.readouterr().err


def test_whoever_waits_is_told_why(zoo, server, capsys):
    server.misdeeds = ['status 503', 'close']
    get()
    told = capsys.readouterr().err
    assert 'HTTP 503 Service Unavailable; trying again.' in told
    assert 'the connection was cut off; trying again.' in told


def test_a_damaged_file_is_not_called_missing(zoo, monkeypatch):
    zoo.mkdir()
    (zoo / 'far.safetensors').write_bytes(b'?')
    monkeypatch.setenv('CCLGAN_OFFLINE', '1')
    with pytest.raises(WeightsError, match='is not the right file, and CCLGAN_OFFLINE is set'):
        get()


def test_a_wrong_beginning_is_thrown_away_and_the_whole_fetched(zoo, server):
    zoo.mkdir()
    (zoo / 'far.safetensors.part').write_bytes(b'x' * 20_000)
    get()
    assert only_good(zoo)


def test_a_damaged_file_in_the_cache_is_replaced(zoo, server):
    zoo.mkdir()
    (zoo / 'far.safetensors').write_bytes(CONTENT[:-1] + b'?')
    get()
    assert only_good(zoo)


def test_mirrors_are_tried_in_order(zoo, server, monkeypatch):
    with socket.socket() as free, serving(b'wrong') as wrong:
        free.bind(('127.0.0.1', 0))
        gone = f'http://127.0.0.1:{free.getsockname()[1]}'
        monkeypatch.setenv('CCLGAN_ZOO_URL', f'{gone} {wrong.address} {server.address}')
        get()
        assert only_good(zoo)
        assert len(wrong.requests) == 1


@pytest.mark.parametrize(
    ('misdeed', 'reason', 'tries'),
    [
        ('redirect http://[::1', r'it leads to what is no address \(Invalid IPv6 URL\)', 1),
        ('length \u00b2', r'the connection ended after 30 of 50000 bytes', 3),
    ],
)
def test_after_an_answer_that_makes_no_sense_the_next_mirror_is_tried(
    zoo, server, monkeypatch, misdeed, reason, tries
):
    with serving(CONTENT) as odd:
        odd.misdeeds = [misdeed] * 20
        monkeypatch.setenv('CCLGAN_ZOO_URL', f'{odd.address} {server.address}')
        server.misdeeds = ['status 404']
        with pytest.raises(WeightsError, match=rf'{odd.address}/far.safetensors: {reason}'):
            get()
        get()
    assert only_good(zoo)
    assert len(odd.requests) == 2 * tries


def test_a_server_that_sends_a_byte_each_time_is_given_up(zoo, server):
    server.misdeeds = ['cut 1'] * 200
    with pytest.raises(WeightsError, match='the download failed'):
        get()
    assert len(server.requests) == HASTY.attempts


def test_tokens_in_addresses_are_not_shown(zoo, server, monkeypatch, capsys):
    monkeypatch.setenv('CCLGAN_ZOO_URL', f'{server.address}/a?token=secret')
    server.misdeeds = ['status 503', 'redirect http://me:secret@[::1?token=secret']
    with pytest.raises(WeightsError) as failed:
        get()
    monkeypatch.setenv('CCLGAN_ZOO_URL', f'http://[::1/a?token=secret https{server.address[4:]}/?sig=secret')
    with pytest.raises(WeightsError) as others:
        get()
    told = (
        capsys.readouterr().err + str(failed.value) + str(others.value) + '\n'.join(show_models(['far'])[0])
    )
    assert f'{server.address}/a?...' in told
    assert 'no secure connection' in told
    assert 'secret' not in told


@pytest.mark.parametrize('wrong', [b'<html>log in first</html>', bytes(70_000), bytes(10)])
def test_what_has_come_is_not_lost_to_an_address_with_another_file(zoo, server, monkeypatch, wrong):
    """Such as the page of a network that wants a password first."""
    zoo.mkdir()
    part = zoo / 'far.safetensors.part'
    part.write_bytes(CONTENT[:20_000])
    with socket.socket() as free, serving(wrong) as other:
        free.bind(('127.0.0.1', 0))
        gone = f'http://127.0.0.1:{free.getsockname()[1]}'
        for misdeed in ('no range', 'good'):  # the whole of it, and 416 or a wrong part first
            other.misdeeds = [misdeed]
            monkeypatch.setenv('CCLGAN_ZOO_URL', f'{other.address} {gone}')
            if len(wrong) < len(CONTENT) or misdeed == 'no range':
                with pytest.raises(WeightsError, match='not the right file'):
                    get()
                assert part.read_bytes() == CONTENT[:20_000]
                assert [p.name for p in zoo.iterdir() if not p.name.endswith('.lock')] == [part.name]
        monkeypatch.setenv('CCLGAN_ZOO_URL', f'{other.address} {server.address}')
        get()
    assert only_good(zoo)
    if len(wrong) < len(CONTENT):
        assert server.requests == [('/far.safetensors', 'bytes=20000-')]


def test_a_password_is_not_shown_and_a_proxy_that_cannot_be_used_is_named(zoo, server, monkeypatch, capsys):
    monkeypatch.setenv('CCLGAN_ZOO_URL', server.address.replace('//', '//me:secret@'))
    server.misdeeds = ['status 503', 'status 404']
    with pytest.raises(WeightsError) as failed:
        get()
    monkeypatch.setenv('CCLGAN_OFFLINE', '1')
    with pytest.raises(WeightsError) as offline:
        get()
    told = capsys.readouterr().err + str(failed.value) + str(offline.value)
    told += '\n'.join(show_models(['far'])[0])
    assert 'secret' not in told
    assert told.count(f'{server.address}/far.safetensors') == 5
    monkeypatch.delenv('CCLGAN_OFFLINE')
    monkeypatch.delenv('NO_PROXY')
    monkeypatch.setenv('ALL_PROXY', 'socks5h://127.0.0.1:9')
    with pytest.raises(WeightsError) as failed:
        get()
    assert 'begins with' not in str(failed.value)


def test_when_all_fail_each_is_named_with_its_reason_and_what_to_do(zoo, server, monkeypatch):
    server.misdeeds = ['status 404'] * 9
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        gone = f'http://127.0.0.1:{free.getsockname()[1]}'
        monkeypatch.setenv('CCLGAN_ZOO_URL', f'{gone} {server.address}')
        with pytest.raises(WeightsError) as failed:
            get()
    message = str(failed.value)
    assert f'{gone}/far.safetensors: the server cannot be reached' in message
    assert f'{server.address}/far.safetensors: HTTP 404' in message
    assert f'put it at {zoo}/far.safetensors' in message
    assert len(server.requests) == 1  # trying again does not help


def test_offline_says_what_to_fetch_and_where_to_put_it(zoo, server, monkeypatch):
    monkeypatch.setenv('CCLGAN_OFFLINE', '1')
    with pytest.raises(
        WeightsError, match=rf'(?s)CCLGAN_OFFLINE is set.*Fetch far.safetensors .*put it at {zoo}'
    ):
        get()
    assert not server.requests
    # And that does it.
    zoo.mkdir()
    (zoo / 'far.safetensors').write_bytes(CONTENT)
    assert get() == zoo / 'far.safetensors'


def test_without_an_address_too(zoo, monkeypatch):
    monkeypatch.delenv('CCLGAN_ZOO_URL')
    with pytest.raises(WeightsError, match='CCLGAN_ZOO_URL is not set'):
        get()


def test_a_proxy_of_the_environment_is_used(zoo, server, monkeypatch):
    monkeypatch.setenv('http_proxy', server.address)
    monkeypatch.setenv('CCLGAN_ZOO_URL', 'http://zoo.invalid')
    get()
    assert only_good(zoo)
    assert server.requests == [('http://zoo.invalid/far.safetensors', None)]


def test_a_cache_that_cannot_be_written(zoo):
    zoo.write_text('a file where the folder should be')
    with pytest.raises(WeightsError, match='CCLGAN_CACHE names another folder'):
        get()


# As in the command: without the plugin around it, which takes seconds to load.
ALONE = "import sys; sys.argv = ['basicsr']"

FULL = f"""
{ALONE}
import resource
from cclgan_plugin.zoo.download import fetch
from cclgan_plugin.zoo.index import find_entry
from cclgan_plugin.zoo.report import show_models
from cclgan_plugin.zoo.transfer import Patience
resource.setrlimit(resource.RLIMIT_FSIZE, (49_900, 49_900))
fetch(find_entry('far'), Patience(attempts=2, pause=0.01))
"""


@pytest.mark.skipif(sys.platform == 'win32', reason='POSIX limits')
def test_a_disk_that_takes_only_a_part_of_the_last_block_is_said(zoo, server):
    done = subprocess.run([sys.executable, '-c', FULL], capture_output=True, text=True)
    assert 'cannot be written: File too large. CCLGAN_CACHE names another folder' in done.stderr
    assert len(server.requests) == 1


SCRIPT = f"""
{ALONE}
import cclgan_plugin.zoo.download as d
from cclgan_plugin.zoo.index import find_entry
from cclgan_plugin.zoo.report import show_models
from cclgan_plugin.zoo.transfer import Patience
print('ready', flush=True)
print(d.fetch(find_entry('far')))
"""


def _process():
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    return subprocess.Popen(
        [sys.executable, '-c', SCRIPT], env=environment, stdout=subprocess.PIPE, text=True
    )


def test_two_processes_download_once(zoo, server):
    server.pause = 0.03
    processes = [_process() for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == 'ready\n'
    assert [process.wait(60) for process in processes] == [0, 0]
    assert only_good(zoo)
    assert server.whole == 1


def test_a_killed_download_goes_on(zoo, server):
    server.pause = 0.03
    process = _process()
    part = zoo / 'far.safetensors.part'
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 3000):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (zoo / 'far.safetensors').exists()
    server.pause = 0
    get()
    assert only_good(zoo)
    assert int(server.requests[-1][1].removeprefix('bytes=').rstrip('-')) > 3000
