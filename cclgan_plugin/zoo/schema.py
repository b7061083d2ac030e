"""What the zoo's data file may say about a model."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

_Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
_Name = Annotated[str, StringConstraints(pattern=r'^[a-z0-9][a-z0-9.-]*$')]
_FileName = Annotated[str, StringConstraints(pattern=r'^[A-Za-z0-9][A-Za-z0-9._-]*\.safetensors$')]
_Address = Annotated[str, StringConstraints(pattern=r'^https?://')]


class _Strict(BaseModel):
    model_config = ConfigDict(extra='forbid', frozen=True)


class Metrics(_Strict):
    """Figures of one model on one set of images, and how to get them again."""

    data: _Text = Field(description='the images')
    values: dict[_Text, float] = Field(description='figures by name, e.g. PSNR (Y): 25.1', min_length=1)
    command: _Text = Field(description='the command that measured them')


class Entry(_Strict):
    """One model."""

    name: _Name = Field(description='what users type')
    summary: _Text = Field(description='one sentence: what it is, what to expect')
    task: Literal['deraining'] = Field(description='what it does')
    training_data: _Text = Field(description='what it has learnt from')
    options: _Text | None = Field(None, description='the options file of the training')
    trained_by: tuple[_Text, ...] = Field((), description='the commands that make the same weights again')
    picture: _Text | None = Field(None, description='what it does, as a picture of the repository')
    package: _Text | None = Field(
        None, description='path beside the data file, for weights that ship with it'
    )
    file: _FileName | None = Field(
        None, description='name of the file below the base address, CCLGAN_ZOO_URL'
    )
    urls: tuple[_Address, ...] = Field((), description='complete addresses, tried in this order')
    size: int = Field(ge=1, description='bytes')
    sha256: Annotated[str, StringConstraints(pattern=r'^[0-9a-f]{64}$')] = Field(description='of the file')
    licence: _Text = Field(description='of the weights')
    metrics: tuple[Metrics, ...] = Field((), description='what was measured')

    @model_validator(mode='after')
    def _has_one_origin(self) -> Entry:
        if (self.package is None) == (self.file is None):
            raise ValueError('give either "package" (ships with this file) or "file" (is downloaded)')
        if self.package is not None:
            if self.urls:
                raise ValueError('"urls" go with "file"; weights of the package need none')
            if re.search(r'(^/|^[A-Za-z]:|\\|(^|/)\.\.(/|$))', self.package):
                raise ValueError('"package" must lead below the folder of the data file')
        return self


class Index(_Strict):
    """The data file."""

    default: _Name = Field(description='the model that is used when none is named')
    models: tuple[Entry, ...] = Field(min_length=1)

    @model_validator(mode='after')
    def _names_are_unique(self) -> Index:
        names = [entry.name for entry in self.models]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f'several models are called {", ".join(twice)}')
        files = [entry.file for entry in self.models if entry.file]
        if len(files) != len(set(files)):
            raise ValueError('two models have the same file name; they would share a place in the cache')
        if self.default not in names:
            raise ValueError(f'default: there is no model "{self.default}"')
        return self
