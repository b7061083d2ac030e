"""Checkpoints that grow while they are read are refused before: a few kilobytes could fill any memory.

Not a mend by itself but what two readers of checkpoints share.
"""

from __future__ import annotations

import mmap
import re
import zipfile
from pathlib import Path

from cclgan_plugin.errors import WeightsError

#: How a pickle names bytearray, in the only way in which torch reads names with ``weights_only``. It may be
#: called there with any length. Nothing in a checkpoint needs it: pickles make bytes with _codecs.encode and
#: store random states as tensors. It is looked for in the whole file, not in the pickle alone, so that no
#: second table of contents can hide it; among weights these twenty bytes do not come up by chance.
_BYTEARRAY = re.compile(rb'c(?:__builtin__|builtins)\nbytearray\n')


def check_size(path: Path) -> None:
    """Refuse a file of ``torch.save`` that asks for more memory than it fills itself.

    Args:
        path: the file, also of the kind from before PyTorch 1.6, which is no zip.

    Raises:
        WeightsError: it is compressed, its parts lie upon each other, or it names bytearray.
        OSError, and others: it cannot be read, is empty or damaged.
    """
    with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        size = len(content)
        zipped = content[:4] == b'PK\x03\x04'  # by which torch goes, too
        calls = _BYTEARRAY.search(content) is not None
    if calls:
        raise WeightsError(
            f'{path} cannot be read as a checkpoint: besides tensors, numbers and text it holds a '
            '"bytearray", which may ask for any amount of memory; save it without.'
        )
    if zipped:
        _check_zip(path, size)


def _check_zip(path: Path, size: int) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise WeightsError(
            f'{path} cannot be read as a checkpoint: it is compressed, and may become any size; expected a '
            'file as torch.save writes it (of a ZIP file around it: unpack that).'
        )
    # Entries may share bytes only in a file that was made to deceive.
    if sum(entry.file_size for entry in entries) > size:
        raise WeightsError(
            f'{path} cannot be read as a checkpoint: it announces more bytes than the {size} it has.'
        )
