"""Weights from the network: resumed, tried again, from mirrors, and used only if their hash is right.

The HTTP is requests' (with proxies and certificates from the environment), the lock is filelock's.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import requests
import urllib3
from filelock import FileLock, Timeout

from cclgan_plugin.checksum import sha256_of
from cclgan_plugin.errors import WeightsError
from cclgan_plugin.zoo.cache import is_right, place_of
from cclgan_plugin.zoo.schema import Entry
from cclgan_plugin.zoo.transfer import (
    NO_ADDRESS,
    Failed,
    Patience,
    anew,
    reason_of,
    receive,
    size_of,
    without_secrets,
)

#: Base addresses for the entry ``file`` of models, separated by spaces; tried in this order.
URL_VARIABLE = 'CCLGAN_ZOO_URL'

#: Set to 1: never touch the network.
OFFLINE_VARIABLE = 'CCLGAN_OFFLINE'

#: Bytes after which an attempt that failed does not count; a hundredth of a file that is small.
_PROGRESS = 1 << 16


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
        except Failed as failed:
            reasons.append(f'{without_secrets(address)}: {failed}')
            continue
        os.replace(part, file)
        anew(part).unlink(missing_ok=True)  # of a killed process
        return
    raise WeightsError(_by_hand(entry, file, 'the download failed', addresses, reasons))


def _from_address(entry: Entry, address: str, part: Path, patience: Patience) -> None:
    """Fill ``part`` with the right file.

    Raises:
        Failed: this address does not have it.
    """
    attempt, whole = 0, False
    while True:
        before = size_of(part)
        continued = before > 0
        try:
            if before < entry.size:
                receive(entry, address, part, whole, patience)
            if size_of(part) == entry.size and sha256_of(part) == entry.sha256:
                return
            size, digest = size_of(part), sha256_of(part)
            # Never keep what is wrong. If it was put together from two downloads, one whole may be right.
            part.unlink()
            raise Failed(
                f'not the right file: {size} bytes with the SHA-256 {digest[:12]}..., expected '
                f'{entry.size} bytes with {entry.sha256[:12]}...',
                try_again=continued,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
            failed = Failed(reason_of(error, address), try_again=not isinstance(error, NO_ADDRESS))
        except Failed as error:
            failed = error
        if not failed.try_again:
            raise failed
        # Of a server that sends a byte and closes, there would be as many attempts as bytes.
        if size_of(part) < before + min(_PROGRESS, max(1, entry.size // 100)):
            attempt += 1
        if attempt >= patience.attempts:
            raise failed
        whole = failed.whole or (whole and size_of(part) <= before)
        print(f'{without_secrets(address)}: {failed}; trying again.', file=sys.stderr)
        time.sleep(min(30, patience.pause * 2 ** max(0, attempt - 1)))


def _by_hand(
    entry: Entry, file: Path, why: str, addresses: list[str], reasons: list[str] | None = None
) -> str:
    tried = ''.join(f'\n  {reason}' for reason in reasons or ())
    source = f' from {without_secrets(addresses[0])}' if addresses else ''
    here = f'{file} is not the right file' if file.exists() else 'the weights are not on this machine'
    return (
        f'{entry.name}: {here}, and {why}.{tried}\n'
        f'Fetch {entry.file} ({entry.size / 1e6:.1f} MB, SHA-256 {entry.sha256}){source} elsewhere and '
        f'put it at {file}'
    )
