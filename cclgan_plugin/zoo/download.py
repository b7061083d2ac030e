"""Weights from the network: resumed, tried again, from mirrors, and used only if their hash is right.

The HTTP is requests' (with proxies and certificates from the environment), the lock is filelock's.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import requests
import urllib3
from filelock import FileLock, Timeout

from cclgan_plugin.checksum import sha256_of
from cclgan_plugin.errors import WeightsError
from cclgan_plugin.zoo.cache import is_right, place_of
from cclgan_plugin.zoo.schema import Entry

#: Base addresses for the entry ``file`` of models, separated by spaces; tried in this order.
URL_VARIABLE = 'CCLGAN_ZOO_URL'

#: Set to 1: never touch the network.
OFFLINE_VARIABLE = 'CCLGAN_OFFLINE'


@dataclass(frozen=True)
class Patience:
    """How long a download waits, in seconds, and how often it tries.

    Attributes:
        connect: for a server to answer.
        silence: for the next bytes; a slow server may take as long as it likes otherwise.
        attempts: for each address; those that bring something new do not count.
        pause: before the second attempt; it doubles with each.
    """

    connect: float = 10
    silence: float = 30
    attempts: int = 4
    pause: float = 1


#: Errors that the next attempt would only bring again.
_NO_ADDRESS = (
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.TooManyRedirects,
)


class _Failed(Exception):
    """An address does not give the file; the message says why."""

    def __init__(self, reason: str, try_again: bool = True) -> None:
        super().__init__(reason)
        self.try_again = try_again


def fetch(entry: Entry, patience: Patience | None = None) -> Path:
    """The weights of a model as a local file whose SHA-256 is right; downloaded unless they are here.

    Several processes may ask at once: one downloads, the others wait for it. What an interrupted download
    has left behind is continued.

    Args:
        entry: the model.
        patience: with the network.

    Raises:
        WeightsError: the file of the package is damaged; there is no address, no network, or no address has
            the right file. The message names what to fetch and where to put it.
    """
    file = place_of(entry)
    if is_right(entry, file):
        return file
    if entry.package is not None:
        what = 'is damaged' if file.exists() else 'is missing'
        raise WeightsError(f'{entry.name}: {file} {what}; install cclgan-plugin again')
    addresses = addresses_of(entry)
    offline = os.environ.get(OFFLINE_VARIABLE, '0') not in ('', '0')
    if offline or not addresses:
        why = f'{OFFLINE_VARIABLE} is set' if offline else f'no address is known ({URL_VARIABLE} is not set)'
        raise WeightsError(_by_hand(entry, file, why, addresses))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with _locked(file):
            # Another process may have done it meanwhile.
            if not is_right(entry, file):
                _download(entry, file, addresses, patience or Patience())
    except OSError as error:
        raise WeightsError(
            f'{entry.name}: {error.filename or file.parent}: cannot be written: {error.strerror or error}. '
            'CCLGAN_CACHE names another folder'
        ) from error
    return file


def addresses_of(entry: Entry) -> list[str]:
    """Where the file of a model can be downloaded, in the order of trying: the base addresses come first."""
    bases = os.environ.get(URL_VARIABLE, '').split()
    return [f'{base.rstrip("/")}/{entry.file}' for base in bases if entry.file] + list(entry.urls)


def _locked(file: Path) -> FileLock:
    lock = FileLock(file.with_name(f'.{file.name}.lock'))
    try:
        lock.acquire(timeout=0)
        lock.release()
    except Timeout:
        print(f'Another process is downloading {file.name}; waiting for it.', file=sys.stderr)
    return lock


def _download(entry: Entry, file: Path, addresses: list[str], patience: Patience) -> None:
    """Try every address; on success the file has its name, else there may be a ``.part`` to continue."""
    part = file.with_name(f'{file.name}.part')
    reasons = []
    for address in addresses:
        try:
            _from_address(entry, address, part, patience)
        except _Failed as failed:
            reasons.append(f'{address}: {failed}')
            continue
        os.replace(part, file)
        return
    raise WeightsError(_by_hand(entry, file, 'the download failed', addresses, reasons))


def _from_address(entry: Entry, address: str, part: Path, patience: Patience) -> None:
    """Fill ``part`` with the right file.

    Raises:
        _Failed: this address does not have it.
    """
    attempt = 0
    while True:
        before = _size(part)
        continued = before > 0
        try:
            if before < entry.size:
                _receive(entry, address, part, before, patience)
            if _size(part) == entry.size and sha256_of(part) == entry.sha256:
                return
            size, digest = _size(part), sha256_of(part)
            # Never keep what is wrong. If it was put together from two downloads, one whole may be right.
            part.unlink()
            raise _Failed(
                f'not the right file: {size} bytes with the SHA-256 {digest[:12]}..., expected '
                f'{entry.size} bytes with {entry.sha256[:12]}...',
                try_again=continued,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            failed = _Failed(_reason(error), try_again=not isinstance(error, _NO_ADDRESS))
        except _Failed as error:
            failed = error
        if not failed.try_again:
            raise failed
        if _size(part) <= before:
            attempt += 1
        if attempt >= patience.attempts:
            raise failed
        print(f'{address}: {failed}; trying again.', file=sys.stderr)
        time.sleep(min(30, patience.pause * 2 ** max(0, attempt - 1)))


def _receive(entry: Entry, address: str, part: Path, before: int, patience: Patience) -> None:
    from tqdm import tqdm

    # Compressed on the way, a part of the file could not be asked for. Servers that do it all the same are
    # understood.
    headers = {'Accept-Encoding': 'identity'}
    if before:
        headers['Range'] = f'bytes={before}-'
    timeout = (patience.connect, patience.silence)
    with requests.get(address, headers=headers, stream=True, timeout=timeout) as response:
        _check_status(response, part)
        begins = response.headers.get('Content-Range', '').startswith(f'bytes {before}-')
        continued = before > 0 and response.status_code == 206 and begins
        if response.status_code == 206 and not begins:
            part.unlink(missing_ok=True)
            raise _Failed('the server continues at another place than it was asked to')
        done = before if continued else 0
        bar = tqdm(
            desc=entry.name,
            total=entry.size,
            initial=done,
            unit='B',
            unit_scale=True,
            disable=None,
            leave=False,
        )
        # Unbuffered and as it comes, so that nothing that has arrived is lost by a cut or a kill.
        with open(part, 'r+b' if continued else 'wb', buffering=0) as file, bar:
            file.seek(done)
            while data := response.raw.read1(1 << 16, decode_content=True):
                done += len(data)
                if done > entry.size:
                    break  # the size tells already that it is another file
                _write_all(file, data)
                bar.update(len(data))
            os.fsync(file.fileno())
        if done > entry.size:
            part.unlink()
            # Put together from two downloads, as above.
            raise _Failed(f'not the right file: more than {entry.size} bytes', try_again=continued)
        if done < entry.size and not _announced_end(response, done, continued, before):
            raise _Failed(f'the connection ended after {done} of {entry.size} bytes')


def _write_all(file: FileIO, data: bytes) -> None:
    """An unbuffered file may take a part; only the next attempt says why, e.g. that the disk is full."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _announced_end(response: requests.Response, done: int, continued: bool, before: int) -> bool:
    """Whether the server meant to send no more: then the file is another one, not a part of the right one."""
    length = response.headers.get('Content-Length', '')
    compressed = 'Content-Encoding' in response.headers
    return length.isdigit() and not compressed and int(length) == done - (before if continued else 0)


def _check_status(response: requests.Response, part: Path) -> None:
    status = response.status_code
    if status == 416:
        part.unlink(missing_ok=True)
        raise _Failed('the server cannot continue the download')
    if status in (408, 425, 429) or status >= 500:
        raise _Failed(f'HTTP {status} {response.reason}')
    if status not in (200, 206):
        raise _Failed(f'HTTP {status} {response.reason}', try_again=False)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _reason(error: Exception) -> str:
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return 'the server did not answer in time'
    if isinstance(error, requests.exceptions.ProxyError):
        return 'the proxy cannot be reached'
    if isinstance(error, requests.exceptions.SSLError):
        return f'no secure connection ({error})'
    if isinstance(error, (requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema)):
        return 'expected an address that begins with http:// or https://'
    if isinstance(error, requests.ConnectionError) and error.args:
        error = error.args[0] if isinstance(error.args[0], urllib3.exceptions.ProtocolError) else error
    if isinstance(error, (requests.exceptions.ChunkedEncodingError, urllib3.exceptions.ProtocolError)):
        return 'the connection was cut off'
    if isinstance(error, requests.ConnectionError):
        return 'the server cannot be reached'
    return str(error) or type(error).__name__


def _by_hand(
    entry: Entry, file: Path, why: str, addresses: list[str], reasons: list[str] | None = None
) -> str:
    tried = ''.join(f'\n  {reason}' for reason in reasons or ())
    source = f' from {addresses[0]}' if addresses else ''
    here = f'{file} is not the right file' if file.exists() else 'the weights are not on this machine'
    return (
        f'{entry.name}: {here}, and {why}.{tried}\n'
        f'Fetch {entry.file} ({entry.size / 1e6:.1f} MB, SHA-256 {entry.sha256}){source} elsewhere and '
        f'put it at {file}'
    )
