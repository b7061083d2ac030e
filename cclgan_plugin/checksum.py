"""Whether a file is, byte for byte, the one that was meant."""

from __future__ import annotations

import hashlib
import os


def sha256_of(file: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    digest = hashlib.sha256()
    with open(file, 'rb') as content:
        while data := content.read(1 << 20):
            digest.update(data)
    return digest.hexdigest()
