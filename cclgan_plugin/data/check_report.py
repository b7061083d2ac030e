"""The result of a check as a table, as data for other programs, and as a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from cclgan_plugin.data.check import KINDS, Checked, Finding
from cclgan_plugin.data.check_sets import CheckedSet
from cclgan_plugin.data.decode import decode_image
from cclgan_plugin.data.image_file import eight_bits
from cclgan_plugin.data.image_survey import Surveyed
from cclgan_plugin.data.preview import side_by_side, spread

_COLUMNS = (
    'set',
    'images',
    'corrupt',
    'small',
    'twice',
    'width (min / median / max)',
    'height',
    'bits',
    'formats',
    'MB',
)
# The sheet: thumbnails of every set, and pairs of leaks.
_THUMBNAIL = 128
_SHOWN = 8
_SHOWN_LEAKS = 8


def table(checked: Checked) -> str:
    """One line per set: counts, and sizes as least / median / most."""
    rows = [_COLUMNS, *(_row(one, checked) for one in checked.sets)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    return '\n'.join(
        '  '.join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def sentences(checked: Checked, limit: int | None = None) -> list[str]:
    """The findings, one sentence each.

    Args:
        checked: the result.
        limit: how many of each kind and set at most; the rest is counted. None = all.
    """
    said: Counter[tuple[str, tuple[str, ...]]] = Counter()
    lines = []
    for finding in checked.findings:
        group = (finding.kind, finding.sets)
        said[group] += 1
        if limit is None or said[group] <= limit:
            level = 'error' if finding.is_error else 'warning'
            similar = '' if finding.similarity in (None, 1.0) else f' (similarity {finding.similarity:.2f})'
            lines.append(f'{level}: {finding.message}{similar}')
    if limit is not None:
        for (kind, sets), count in said.items():
            if count > limit:
                lines.append(
                    f'... and {count - limit} more: {KINDS[kind]}, in {" and ".join(dict.fromkeys(sets))}'
                )
    return lines


def as_data(checked: Checked) -> dict[str, Any]:
    """Everything, as plain values for JSON."""
    return {
        'ok': not checked.errors,
        'sets': [_data_of_set(one, checked.images[one.name]) for one in checked.sets],
        'counts': dict(Counter(finding.kind for finding in checked.findings)),
        'findings': [
            {
                'kind': finding.kind,
                'level': 'error' if finding.is_error else 'warning',
                'sets': list(finding.sets),
                'images': list(finding.images),
                'similarity': finding.similarity,
                'message': finding.message,
            }
            for finding in checked.findings
        ],
    }


def contact_sheet(checked: Checked) -> np.ndarray:
    """Some images of every set, a column each; and below it the worst leaks, in pairs.

    Returns:
        uint8 ``(H, W, 3)``, RGB.
    """
    columns = [_some(one, checked.images[one.name]) for one in checked.sets]
    rows = [list(row) for row in zip(*columns, strict=True)]
    sheet = side_by_side(rows, [one.name for one in checked.sets])
    leaks = sorted(
        (finding for finding in checked.findings if finding.kind == 'leak'),
        key=lambda finding: finding.similarity or 0,
        reverse=True,
    )[:_SHOWN_LEAKS]
    if leaks:
        pairs = [[_named(checked, leak, 0), _named(checked, leak, 1)] for leak in leaks]
        sheet = _below(sheet, side_by_side(pairs, ['the same scene', 'as this']))
    return sheet


def _row(one: CheckedSet, checked: Checked) -> tuple[str, ...]:
    data = _data_of_set(one, checked.images[one.name])
    twice = sum(f.kind == 'duplicate' and f.sets[0] == one.name for f in checked.findings)
    small = sum(f.kind == 'small' and f.sets[0] == one.name for f in checked.findings)
    formats = ', '.join(f'{count} {kind}' for kind, count in data['formats'].items())
    sizes = [' / '.join(map(str, data[axis])) for axis in ('width', 'height')]
    bits = ', '.join(f'{count} x {bits}' for bits, count in data['bits'].items())
    counts = (data['images'], data['corrupt'], small, twice)
    return (one.name, *map(str, counts), *sizes, bits, formats, f'{data["bytes"] / 1e6:.1f}')


def _data_of_set(one: CheckedSet, images: Sequence[Surveyed]) -> dict[str, Any]:
    good = [image for image in images if image.error is None]
    return {
        'name': one.name,
        'root': one.source.root,
        'side': one.side,
        'phase': one.phase,
        'crop': one.crop,
        'images': len(images),
        'corrupt': sum(image.error is not None or image.damaged for image in images),
        'bytes': sum(image.size for image in good),
        'width': _spread([image.width for image in good]),
        'height': _spread([image.height for image in good]),
        'bits': dict(sorted(Counter(str(image.bits) for image in good).items())),
        'formats': dict(sorted(Counter(image.kind for image in good).items())),
    }


def _spread(values: Sequence[int]) -> list[int]:
    return [min(values), sorted(values)[len(values) // 2], max(values)] if values else []


def _some(one: CheckedSet, images: Sequence[Surveyed]) -> list[np.ndarray]:
    """Images spread over the set, filled up with paper."""
    good = [index for index, image in enumerate(images) if image.error is None]
    shown = [_thumbnail(one, index) for index in spread(good, _SHOWN)]
    return shown + [_paper()] * (_SHOWN - len(shown))


def _named(checked: Checked, finding: Finding, which: int) -> np.ndarray:
    one = next(each for each in checked.sets if each.name == finding.sets[which])
    names = [image.name for image in checked.images[one.name]]
    return _thumbnail(one, names.index(finding.images[which]))


def _thumbnail(one: CheckedSet, index: int) -> np.ndarray:
    """The whole image, its aspect ratio kept, on paper."""
    image = decode_image(one.source.read(index), one.source.name(index))
    scale = _THUMBNAIL / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA)
    thumbnail = _paper()
    top, left = (_THUMBNAIL - size[1]) // 2, (_THUMBNAIL - size[0]) // 2
    thumbnail[top : top + size[1], left : left + size[0]] = eight_bits(small)
    return thumbnail


def _paper() -> np.ndarray:
    return np.full((_THUMBNAIL, _THUMBNAIL, 3), 235, np.uint8)


def _below(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    width = max(upper.shape[1], lower.shape[1])
    parts = [
        np.pad(part, [(0, 0), (0, width - part.shape[1]), (0, 0)], constant_values=255)
        for part in (upper, lower)
    ]
    return np.concatenate(parts)
