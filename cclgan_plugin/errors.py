"""The one family of errors that a user can mend, and the words that help to mend them."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn


class UserError(Exception):
    """Something the user gave is wrong; the message says what, where, and what was expected.

    The command line prints the message alone and exits with :attr:`exit_code`. Anything that is
    not a ``UserError`` is a defect of ours and keeps its traceback.
    """

    exit_code = 2
    label = 'error'


class OptionError(UserError):
    """A key or a value of an options file (or of ``--force_yml``) is wrong."""


class DataError(UserError):
    """A folder, list, database or image file is missing, empty or cannot be read."""


class WeightsError(UserError):
    """A weights file is missing, of another kind, or fits another network."""


class TrainingError(UserError):
    """Training cannot go on; what was reached has been saved."""

    exit_code = 3


def run_as_command(main: Callable[[], int]) -> NoReturn:
    """End the process with what ``main`` returns, or with 1 and one line about what the user can mend."""
    try:
        code = main()
    except UserError as error:
        sys.exit(f'error: {error}')
    sys.exit(code)


def line_of(error: BaseException, number: int = 0) -> str:
    """One line of another library's message, the first by default; the error's kind where it says nothing.

    Args:
        error: whose message may have paragraphs.
        number: of the line, from 0; the last one where there are fewer.
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[min(number, len(lines) - 1)].strip()


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """A hint such as ``' Did you mean "width"?'``, or an empty string when nothing is near.

    Args:
        word: what the user wrote.
        choices: the words that would have been right.
    """
    near = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.6)
    return f' Did you mean "{near[0]}"?' if near else ''


def did_you_mean_file(missing: Path, pattern: str = '*') -> str:
    """:func:`did_you_mean`, of the files beside one that is not there.

    Args:
        missing: the path that the user wrote.
        pattern: of the names that could have been meant.
    """
    near = sorted(one.name for one in missing.parent.glob(pattern)) if missing.parent.is_dir() else []
    return did_you_mean(missing.name, near)
