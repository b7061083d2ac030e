"""Where ``basicsr data check`` may write: not among the images that it checks, and over its own only."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable

from cclgan_plugin.data.decode import format_of
from cclgan_plugin.data.image_folder import IMAGE_EXTENSIONS, OTHER_PICTURES, extension_of
from cclgan_plugin.data.rain_folder import keep_apart
from cclgan_plugin.errors import DataError

# What every report has, see check_report.as_data.
_REPORT = {'ok', 'sets', 'findings'}


def check_outputs(sheet: str | None, report: str | None, roots: Iterable[str]) -> None:
    """Makes sure that nothing of the user's gets lost, and that the next check does not find the sheet.

    Args:
        sheet: file of the picture, or None.
        report: file of the JSON, or None. It may lie beside images, as long as it is not called like one.
        roots: the folders and databases that are checked.

    Raises:
        DataError: a file would lie among images, or replace what is no picture or no report.
    """
    if sheet is not None:
        for root in roots:
            keep_apart(sheet, root, '--sheet')
        _may_replace('--sheet', sheet, 'a PNG picture', lambda data: format_of(data) == 'PNG')
    if report is not None:
        if extension_of(report) in (*IMAGE_EXTENSIONS, *OTHER_PICTURES):
            raise DataError(f'--json: "{report}" is a name for a picture; expected one such as "report.json"')
        _may_replace('--json', report, 'the report of an earlier check', _is_report)


def _may_replace(option: str, path: str, what: str, is_of_kind: Callable[[bytes], bool]) -> None:
    if not os.path.lexists(path):
        return
    if not os.path.isfile(path):
        raise DataError(f'{option}: "{path}" is there and no file; choose another name')
    try:
        with open(path, 'rb') as file:
            data = file.read()
    except OSError as error:
        raise DataError(f'{option}: "{path}" is there and cannot be read: {error.strerror}') from error
    # An empty one is what mktemp makes.
    if data and not is_of_kind(data):
        raise DataError(
            f'{option}: "{path}" is there and is not {what}; move it away, or choose another name'
        )


def _is_report(data: bytes) -> bool:
    try:
        found = json.loads(data)
    except ValueError:
        return False
    return isinstance(found, dict) and found.keys() >= _REPORT
