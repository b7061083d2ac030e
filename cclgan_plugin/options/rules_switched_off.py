"""Options of a loss whose reader another of its options has switched off: the run would not be as asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cclgan_plugin.options import registered
from cclgan_plugin.options.problems import Problem
from cclgan_plugin.options.rules import Rule


@dataclass(frozen=True)
class _Reader:
    """In the block ``train.place``, ``key`` is read only where ``switch`` says ``word``."""

    place: str
    type: str
    key: str
    switch: str
    word: str


_READERS = (
    _Reader('lcl_opt', 'LCLLoss', 'cycle_encoders', 'terms', 'reconstruction'),
    _Reader('intra_ccl_opt', 'IntraCCLLoss', 'translation_weight', 'anchors', 'reconstruction'),
    _Reader('inter_ccl_opt', 'InterCCLLoss', 'num_patches', 'pooling', 'sample'),
)


def options_of_losses_are_read(options: dict[str, Any], is_train: bool) -> Iterator[Problem]:
    """What differs from its default makes a difference."""
    train = options['train'] or {}
    for reader in _READERS if is_train else ():
        block = train.get(reader.place) or {}
        # A derived loss may read its options otherwise; of weight 0, nothing of it is read, as was asked.
        if block.get('type') != reader.type or block.get('loss_weight') == 0:
            continue
        default, usual = (
            registered.default_of('loss', reader.type, key) for key in (reader.key, reader.switch)
        )
        said = block.get(reader.switch, usual)
        words = [said] if isinstance(said, str) else list(said)
        if reader.word not in words and block.get(reader.key, default) != default:
            yield Problem(
                ('train', reader.place, reader.key),
                f'read only where train.{reader.place}.{reader.switch} says "{reader.word}", and it says '
                f'{", ".join(words)}; leave it out, or write {default} (its default)',
            )


SWITCHED_OFF_RULES: tuple[Rule, ...] = (options_of_losses_are_read,)
