"""The keys under which images lie in an LMDB, and the way back to their names.

BasicSR takes what stands before the first dot of a line of ``meta_info.txt`` as a key and encodes it as
ASCII. So a key is the image's path without its extension, in percent-encoding (RFC 3986), in which dots
and tildes are encoded too: ``urllib.parse.unquote`` gives the name back.

============================  =======================================
image                         key
============================  =======================================
``a.png``                     ``a``
``street/a.png``              ``street/a``
``c.d.png``                   ``c%2Ed``
``summer day.jpg``            ``summer%20day``
``Straße.jpg``                ``Stra%C3%9Fe``
``a.jpg`` beside ``a.png``    ``a%2Ejpg`` and ``a%2Epng``
sub-image of ``a.png``        ``a~y0x240``: top left corner at row 0, column 240
============================  =======================================
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from urllib.parse import quote

#: LMDB's own limit is 511 bytes; this leaves room for a sub-image's corner.
LONGEST = 470
_DIGEST_CHARACTERS = 32


def lmdb_keys(names: Sequence[str]) -> list[str]:
    """A key for each image; all are different, ASCII, without a dot or a space.

    The extension is left out, except where two images would then have the same key: these keep theirs.
    A key that would be too long ends in ``~`` and a digest of the name instead.

    Args:
        names: different paths relative to a root, with ``/`` between the parts.
    """
    keys, full = (list(kind) for kind in zip(*map(possible_keys, names), strict=True)) if names else ([], [])
    while True:
        counts = Counter(keys)
        clashing = [i for i, key in enumerate(keys) if counts[key] > 1 and key != full[i]]
        if not clashing:
            return keys
        for index in clashing:
            keys[index] = full[index]


def possible_keys(name: str) -> tuple[str, str]:
    """The key without, and that with the extension; which one it is depends on the other images."""
    return _encode(os.path.splitext(name)[0]), _encode(name)


def sub_image_key(key: str, top: int, left: int) -> str:
    """The key of a part of an image, named by its top left corner in pixels of the image."""
    return f'{key}~y{top}x{left}'


def _encode(name: str) -> str:
    raw = os.fsencode(name)
    key = quote(raw, safe='/').replace('.', '%2E').replace('~', '%7E')
    if len(key) <= LONGEST:
        return key
    digest = hashlib.blake2b(raw, digest_size=_DIGEST_CHARACTERS // 2).hexdigest()
    beginning = key[: LONGEST - _DIGEST_CHARACTERS - 1]
    if '%' in beginning[-2:]:
        beginning = beginning[: beginning.rindex('%')]  # not in the middle of an encoded byte
    return f'{beginning}~{digest}'
