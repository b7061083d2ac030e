"""The YAML files that say what is compared: methods, scales, protocols."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cclgan_plugin.errors import DataError, OptionError, did_you_mean
from cclgan_plugin.options.yaml_file import read_yaml

FOLDER = Path(__file__).resolve().parents[1] / 'protocols'


class _Strict(BaseModel):
    model_config = ConfigDict(extra='forbid', frozen=True)


class Method(_Strict):
    """One row of the tables."""

    name: str
    title: str
    note: str = ''
    base: str | None = Field(None, description='options file of this repository; None = no training')
    options: dict[str, Any] = Field({}, description='laid over base, scale and protocol')
    pairs: bool = Field(False, description='learns from aligned pairs')
    other_generator: bool = Field(False, description="takes the scale's other kind of generator")
    own_recipe: bool = Field(False, description='keeps the generator and average of its own options file')


class Scale(_Strict):
    """How much each method gets."""

    name: str = ''
    title: str
    note: str = ''
    iterations: int = Field(ge=1)
    options: dict[str, Any] = {}
    other_generator: dict[str, Any] = Field({}, description='what the other kind of generator has')


class Side(_Strict):
    """Training images: a folder below the data folder, or those of lists relative to it."""

    root: str
    lists: tuple[str, ...] = ()


class Truth(_Strict):
    """The clean counterpart of each image of the rainy side: the same name below ``root``."""

    root: str
    replace: tuple[str, str] | None = Field(None, description='what to replace in the names by what')
    offsets: str | None = Field(None, description='CSV: file, ..., rainy_x_offset: rainy = clean[:, offset:]')


class TestSet(_Strict):
    """Test images; without ``clean`` there is no truth."""

    name: str
    rainy: str
    clean: str | None = None
    list: str | None = None
    niqe: bool = False


class Protocol(_Strict):
    """What is learnt from and what is tested on."""

    name: str
    title: str
    note: str = ''
    rainy: Side | None = Field(None, description='without sides, published weights are tested only')
    clean: Side | None = None
    truth: Truth | None = None
    tests: tuple[TestSet, ...] = Field(min_length=1)


@cache
def read_methods() -> dict[str, Method]:
    """All methods by name, in the order of the tables."""
    file = FOLDER / 'methods.yml'
    found = [_checked(Method, value, file) for value in read_yaml(file).values['methods']]
    return {method.name: method for method in found}


def read_scale(name: str) -> Scale:
    """One scale.

    Raises:
        OptionError: there is none of that name.
    """
    file = FOLDER / 'scales.yml'
    scales = read_yaml(file).values['scales']
    if name not in scales:
        raise OptionError(f'--scale {name}: expected one of {", ".join(scales)}.{did_you_mean(name, scales)}')
    return _checked(Scale, {'name': name, **scales[name]}, file)


@cache
def read_protocol(name: str) -> Protocol:
    """One protocol, by its name or its file's.

    Raises:
        OptionError: there is none of that name, or a key of it is wrong.
    """
    file = Path(name) if name.endswith(('.yml', '.yaml')) else FOLDER / f'{name}.yml'
    known = sorted(p.stem for p in FOLDER.glob('*.yml') if p.stem not in ('methods', 'scales', 'supervised'))
    if not file.is_file():
        raise OptionError(
            f'{name}: no such protocol, expected one of {", ".join(known)}.{did_you_mean(name, known)}'
        )
    return _checked(Protocol, read_yaml(file).values, file)


def find_list(name: str, data: Path) -> Path:
    """A list of images: beside the protocols, or in the data folder.

    Raises:
        DataError: it is in neither.
    """
    for folder in (FOLDER, data):
        if (folder / name).is_file():
            return folder / name
    raise DataError(f'{name}: there is no such list in {FOLDER} or {data}')


def _checked(kind: type[Any], value: Any, file: Path) -> Any:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise OptionError(f'{file}: {error}') from error
