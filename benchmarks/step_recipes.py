"""Which steps are compared, as plain data that can be named and built anew in another process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.modes import PLAIN, Mode
from benchmarks.step_options import RELATIVES, TERMS


@dataclass(frozen=True)
class Setting:
    """What all variants of a comparison have in common; ``encoder`` as in ``step_options``."""

    size: int = 256
    batch: int = 1
    width: int = 64
    blocks: int = 9
    encoder: str = 'clip+vgg'
    device: str = 'cpu'


@dataclass(frozen=True)
class Recipe:
    """One variant.

    Attributes:
        setting: images and networks.
        oracle: the slow step of ``tests/reference`` instead of ours.
        relative: ours configured as one of CCLGAN's relatives.
        mode: how it is run.
        without: a term of the generators' loss that is left out.
    """

    setting: Setting
    oracle: bool = False
    relative: str | None = None
    mode: Mode = PLAIN
    without: str | None = None

    @property
    def name(self) -> str:
        """As in the tables."""
        owner = 'oracle' if self.oracle else 'ours'
        relative = f' as {self.relative}' if self.relative else ''
        mode = f' {self.mode}' if self.mode != PLAIN else ''
        return owner + relative + mode + (f' without {self.without}' if self.without else '')


def step_recipes(setting: Setting, modes: Sequence[Mode], by_term: bool) -> list[Recipe]:
    """The oracle, ours in float32 and in ``modes``, the relatives; if ``by_term``, ours without each term."""
    plain = Recipe(setting)
    recipes = [replace(plain, oracle=True)]
    recipes += [replace(plain, mode=mode) for mode in dict.fromkeys([PLAIN, *modes])]
    recipes += [replace(plain, relative=relative) for relative in RELATIVES]
    if by_term:
        terms = [term for term in TERMS if term != 'intra' or setting.encoder != 'none']
        recipes += [replace(plain, without=term) for term in terms]
    return recipes
