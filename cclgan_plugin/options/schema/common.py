"""What every options model shares: strictness, the marks of typed blocks, and a few kinds of values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

Kind = Literal['arch', 'loss', 'dataset', 'metric', 'model', 'optimizer', 'scheduler', 'encoder']


class Options(BaseModel):
    """A map of options: no unknown keys, no text for a number, no number for true or false."""

    model_config = ConfigDict(extra='forbid', strict=True, allow_inf_nan=False, protected_namespaces=())

    @model_validator(mode='before')
    @classmethod
    def _off_is_a_word(cls, values: Any) -> Any:
        # In YAML 1.1, which PyYAML reads, a bare "off" is false.
        if isinstance(values, dict):
            off = [
                name
                for name, field in cls.model_fields.items()
                if values.get(name) is False and 'off' in get_args(field.annotation)
            ]
            values = values | dict.fromkeys(off, 'off')
        return values


@dataclass(frozen=True)
class BlockOf:
    """Marks a field that holds a map with a ``type:``, the name of something registered under ``kind``.

    Attributes:
        kind: what the types are.
        form: ``one`` block, ``one_or_list`` of blocks, or ``named``: a map of names to blocks.
        ours: the type that CCLGAN's options file gives, for the tables.
    """

    kind: Kind
    form: Literal['one', 'one_or_list', 'named'] = 'one'
    ours: tuple[str, ...] = ()


def option(meaning: str, default: Any = ..., **limits: Any) -> Any:
    """A field with its one-line meaning; without a default the key must be given."""
    return Field(default, description=meaning, **limits)


def _whole(value: Any) -> Any:
    # BasicSR's own files write counts as "!!float 5e3".
    return int(value) if isinstance(value, float) and value.is_integer() else value


#: A whole number, also written as 5e3. Larger ones overflow in torch.
Whole = Annotated[int, BeforeValidator(_whole), Field(le=2**31 - 1)]
#: A number that is never negative.
Weight = Annotated[float, Field(ge=0)]
#: Text that is not empty.
Text = Annotated[str, StringConstraints(min_length=1)]


def _file_name(value: str) -> str:
    if not value.strip() or value in ('.', '..') or any(c in '/\\\0' or not c.isprintable() for c in value):
        raise PydanticCustomError(
            'expected',
            'expected a name that can be a file or a folder, without / and \\, got {got}',
            {'got': repr(value)},
        )
    return value


#: Text that can name a file or a folder.
FileName = Annotated[Text, AfterValidator(_file_name)]
