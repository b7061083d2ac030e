"""Reading the zoo's data file, and finding a model in it."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import yaml
from pydantic import ValidationError

from cclgan_plugin.errors import WeightsError, did_you_mean
from cclgan_plugin.zoo.schema import Entry, Index

#: An index of one's own, in place of the one that ships with the package.
INDEX_VARIABLE = 'CCLGAN_ZOO_INDEX'


def index_file() -> Path:
    """The data file in use."""
    chosen = os.environ.get(INDEX_VARIABLE)
    return Path(chosen).expanduser() if chosen else Path(__file__).with_name('models.yml')


def load_index(file: Path | None = None) -> Index:
    """The zoo.

    Raises:
        WeightsError: the data file is missing or wrong; one line for each problem.
    """
    return _load((file or index_file()).absolute())


@functools.cache
def _load(file: Path) -> Index:
    try:
        return Index.model_validate(yaml.safe_load(file.read_text(encoding='utf-8')))
    except ValidationError as error:
        lines = [
            f'{file}: {".".join(map(str, problem["loc"])) or "the file"}: {problem["msg"]}'
            for problem in error.errors()
        ]
        raise WeightsError('\n'.join(lines)) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise WeightsError(f'{file}: the index of the Model Zoo cannot be read: {error}') from error


def names() -> list[str]:
    """The names of all models."""
    return [entry.name for entry in load_index().models]


def default_name() -> str:
    """The model that is used when none is named."""
    return load_index().default


def find_entry(name: str) -> Entry:
    """The model of that name.

    Raises:
        WeightsError: there is none.
    """
    for entry in load_index().models:
        if entry.name == name:
            return entry
    raise WeightsError(
        f'the Model Zoo has no "{name}".{did_you_mean(name, names())} It has {", ".join(names())}; '
        'see basicsr zoo list'
    )
