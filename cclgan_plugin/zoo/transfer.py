"""One request for a file: what comes is added to what is there, and why it fails is said in plain words."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import requests
import urllib3

from cclgan_plugin.zoo.schema import Entry


@dataclass(frozen=True)
class Patience:
    """How long a download waits, in seconds, and how often it tries.

    Attributes:
        connect: for a server to answer.
        silence: for the next bytes; a slow server may take as long as it likes otherwise.
        attempts: for each address; those that bring a good part of the file do not count.
        pause: before the second attempt; it doubles with each.
    """

    connect: float = 10
    silence: float = 30
    attempts: int = 4
    pause: float = 1


#: Errors that the next attempt would only bring again.
NO_ADDRESS = (
    ValueError,  # of requests' kinds, and as such for a redirect to what is no address
    requests.TooManyRedirects,
)


class Failed(Exception):
    """An address does not give the file; the message says why.

    Attributes:
        try_again: another attempt may help.
        whole: that has to ask for the whole file.
    """

    def __init__(self, reason: str, try_again: bool = True, whole: bool = False) -> None:
        super().__init__(reason)
        self.try_again, self.whole = try_again, whole


def receive(entry: Entry, address: str, part: Path, whole: bool, patience: Patience) -> None:
    """Continue ``part``, or fill another file where that cannot be; the longer one of them is ``part`` then.

    What has come already must not be lost to an address that has another file.
    """
    from tqdm import tqdm

    has = size_of(part)
    begin = 0 if whole else has
    # Compressed on the way, a part of the file could not be asked for. Servers that do it all the same are
    # understood.
    headers = {'Accept-Encoding': 'identity'}
    if begin:
        headers['Range'] = f'bytes={begin}-'
    timeout = (patience.connect, patience.silence)
    with requests.get(address, headers=headers, stream=True, timeout=timeout) as response:
        _check_status(response, begin)
        continued = begin > 0 and response.status_code == 206
        target = part if continued or not has else anew(part)
        done = begin if continued else 0
        bar = tqdm(
            desc=entry.name,
            total=entry.size,
            initial=done,
            unit='B',
            unit_scale=True,
            disable=None,
            leave=False,
        )
        try:
            # Unbuffered and as it comes, so that nothing that has arrived is lost by a cut or a kill.
            with open(target, 'r+b' if continued else 'wb', buffering=0) as file, bar:
                file.seek(done)
                while data := response.raw.read1(1 << 16, decode_content=True):
                    done += len(data)
                    if done > entry.size:
                        break  # the size tells already that it is another file
                    _write_all(file, data)
                    bar.update(len(data))
                os.fsync(file.fileno())
        finally:
            if target != part:
                if has < done <= entry.size:
                    os.replace(target, part)
                else:
                    target.unlink(missing_ok=True)
        if done > entry.size:
            if target == part:
                part.unlink()
            # Put together from two downloads, as above.
            raise Failed(f'not the right file: more than {entry.size} bytes', try_again=continued)
        if done < entry.size and not _announced_end(response, done - (begin if continued else 0)):
            raise Failed(f'the connection ended after {done} of {entry.size} bytes')
        if done < entry.size and target != part:
            raise Failed(f'not the right file: {done} bytes, expected {entry.size}', try_again=False)


def anew(part: Path) -> Path:
    return part.with_name(f'{part.name}.anew')


def _write_all(file: FileIO, data: bytes) -> None:
    """An unbuffered file may take a part; only the next attempt says why, e.g. that the disk is full."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _announced_end(response: requests.Response, received: int) -> bool:
    """Whether the server meant to send no more: then the file is another one, not a part of the right one."""
    length = response.headers.get('Content-Length', '')
    compressed = 'Content-Encoding' in response.headers
    return length == str(received) and not compressed


def _check_status(response: requests.Response, begin: int) -> None:
    status = response.status_code
    if status == 416:
        raise Failed('the server cannot continue the download', whole=True)
    if status in (408, 425, 429) or status >= 500:
        raise Failed(f'HTTP {status} {response.reason}')
    if status not in (200, 206):
        raise Failed(f'HTTP {status} {response.reason}', try_again=False)
    if status == 206 and not response.headers.get('Content-Range', '').startswith(f'bytes {begin}-'):
        raise Failed('the server continues at another place than it was asked to', whole=True)


def without_secrets(text: str) -> str:
    """An address, or words with some, to be shown: without passwords, and tokens behind question marks."""
    return re.sub(r'(?<=\S)\?\S+', '?...', re.sub(r'(?<=://)[^/?#\s]*@', '', text))


def size_of(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def reason_of(error: Exception, address: str) -> str:
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return 'the server did not answer in time'
    if isinstance(error, requests.exceptions.ProxyError):
        return 'the proxy cannot be reached'
    if isinstance(error, requests.exceptions.SSLError):
        return f'no secure connection ({without_secrets(str(error))})'
    if not address.lower().startswith(('http://', 'https://')):
        return 'expected an address that begins with http:// or https://'
    if isinstance(error, requests.ConnectionError) and error.args:
        error = error.args[0] if isinstance(error.args[0], urllib3.exceptions.ProtocolError) else error
    if isinstance(error, (requests.exceptions.ChunkedEncodingError, urllib3.exceptions.ProtocolError)):
        return 'the connection was cut off'
    if isinstance(error, requests.ConnectionError):
        return 'the server cannot be reached'
    words = without_secrets(str(error)) or type(error).__name__
    if isinstance(error, (requests.RequestException, urllib3.exceptions.HTTPError)):
        return words
    return f'it leads to what is no address ({words})'
