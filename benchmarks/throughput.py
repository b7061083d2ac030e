"""Images per second of the whole step, by batch, precision and compilation."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from tqdm import tqdm

from benchmarks.cards import bf16_peak
from benchmarks.modes import Mode
from benchmarks.peak_memory import card_peak, reset_card_peak
from benchmarks.step_recipes import Recipe, Setting
from benchmarks.step_variants import StepVariant, build_variant
from benchmarks.timing import Spread, timed_steps

#: Steps before timing: the first builds and compiles, others choose algorithms, settle memory and record.
WARM_UP = 5
#: Seconds that one timed block of steps lasts at least, so that starting and waiting do not count.
BLOCK_SECONDS = 0.5


@dataclass(frozen=True)
class Throughput:
    """Of one variant at one batch.

    Attributes:
        name: of the variant.
        batch: rainy and rain-free images in a step, pairs.
        images_per_second: pairs per second; ``None`` where memory did not suffice.
        peak_bytes: most memory that tensors took on the card; ``None`` on the CPU.
        share_of_peak: the floor's operations per second over the card's bf16 peak; ``None`` where unknown.
    """

    name: str
    batch: int
    images_per_second: Spread | None
    peak_bytes: int | None = None
    share_of_peak: float | None = None


#: Of the throughput table, where nothing else is asked for; those that compile are for cards.
EAGER = ('fp32', 'tf32', 'tf32+bf16', 'tf32+bf16+channels_last')
COMPILED = (*(f'{mode}+compile'.removeprefix('fp32+') for mode in EAGER), f'{EAGER[-1]}+graphs')


def throughput_recipes(setting: Setting, batches: Sequence[int], modes: Sequence[Mode]) -> list[Recipe]:
    """For each batch the oracle in TF32, and ours in each of the modes."""
    found = []
    for batch in batches:
        plain = Recipe(replace(setting, batch=batch))
        found.append(replace(plain, oracle=True, mode=Mode(tf32=True)))
        found += [replace(plain, mode=mode) for mode in modes]
    return found


def measure_throughput(recipes: Sequence[Recipe], blocks: int) -> Iterator[Throughput]:
    """Measure one variant after the other, each alone in memory, ``blocks`` blocks of steps each."""
    for recipe in tqdm(recipes, desc='throughput', unit='variant', disable=None):
        batch, on_card = recipe.setting.batch, recipe.setting.device == 'cuda'
        if on_card:
            reset_card_peak()
        try:
            variant = build_variant(recipe)
            speeds = Spread.of(list(_block_speeds(variant, blocks)))
            flops = sum(variant.floor().values())
            del variant
        except torch.cuda.OutOfMemoryError:
            yield Throughput(recipe.name, batch, None)
        else:
            peak = bf16_peak(torch.cuda.get_device_name()) if on_card else None
            share = flops / batch * speeds.median / peak if peak else None
            yield Throughput(recipe.name, batch, speeds, card_peak() if on_card else None, share)
        gc.collect()


def _block_speeds(variant: StepVariant, blocks: int) -> Iterator[float]:
    for _ in range(WARM_UP):
        seconds = timed_steps(variant, 1)
    steps = max(1, round(BLOCK_SECONDS / seconds))
    for _ in range(blocks):
        yield steps * variant.recipe.setting.batch / timed_steps(variant, steps)
