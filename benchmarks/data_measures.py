"""What is measured of readers and of the building of databases."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch.utils.data import DataLoader
from tqdm import tqdm

from benchmarks.data_files import build_lmdb
from benchmarks.data_readers import BATCH
from cclgan_plugin.data.decode import decode_image
from cclgan_plugin.data.image_file import encode_image
from cclgan_plugin.data.image_folder import visible_files
from cclgan_plugin.data.lmdb_entry import EntrySettings
from cclgan_plugin.data.ordered_work import in_order

Loaders = Mapping[tuple[str, str], 'DataLoader[Any]']


def run_epoch(loader: DataLoader[Any], epoch: int) -> int:
    """Reads one epoch; the number of crops, two for each sample."""
    if hasattr(loader.sampler, 'set_epoch'):
        loader.sampler.set_epoch(epoch)
    return 2 * BATCH * sum(1 for _ in loader)


def crops_per_second(
    loaders: Loaders, rounds: int, clock: Callable[[], float], what: str
) -> dict[tuple[str, str], list[float]]:
    """Speeds of every reader, round by round; the order turns around from round to round.

    Args:
        loaders: by table and reader.
        rounds: epochs of each, after one that is not counted.
        clock: ``time.process_time`` (work of this process, however busy the machine is), or
            ``time.perf_counter``.
        what: for the progress bar.
    """
    for loader in loaders.values():
        run_epoch(loader, 0)
    speeds: dict[tuple[str, str], list[float]] = {name: [] for name in loaders}
    for turn in tqdm(range(rounds), desc=what, unit='round', disable=None):
        for name in list(loaders)[:: 1 if turn % 2 == 0 else -1]:
            start = clock()
            crops = run_epoch(loaders[name], turn + 1)
            speeds[name].append(crops / (clock() - start))
    return speeds


def first_batches(loader: DataLoader[Any], epochs: int) -> list[float]:
    """Seconds until the first batch of every epoch but the first."""
    seconds = []
    for epoch in range(epochs + 1):
        if hasattr(loader.sampler, 'set_epoch'):
            loader.sampler.set_epoch(epoch)
        start = time.perf_counter()
        batches = iter(loader)
        next(batches)
        if epoch:
            seconds.append(time.perf_counter() - start)
        for _ in batches:
            pass
    return seconds


def memory_by_epoch(loader: DataLoader[Any], epochs: int) -> list[int]:
    """Resident bytes of this process after every epoch. Linux only; elsewhere zeros."""
    found = []
    for epoch in tqdm(range(epochs), desc='memory', unit='epoch', disable=None):
        run_epoch(loader, epoch)
        found.append(_resident())
    return found


def _resident() -> int:
    path = Path('/proc/self/statm')
    return int(path.read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE') if path.exists() else 0


def building_speeds(source: Path, workshop: Path, rounds: int) -> dict[str, list[float]]:
    """Speed of building a database over that of the disk, and of the encoder, round by round.

    The disk: all files read and written to one file, which is then flushed. The encoder: decoding and
    encoding to PNG, with as many threads as the building has.
    """
    ratios: dict[str, list[float]] = {'disk': [], 'encoder': []}
    for _ in tqdm(range(rounds), desc='building', unit='round', disable=None):
        copied = _seconds(lambda: _copy(source, workshop / 'copy'))
        stored = _seconds(lambda: build_lmdb(source, workshop / 'stored.lmdb'))
        ratios['disk'].append(copied / stored)
        encoded = _seconds(lambda: _encode(source))
        built = _seconds(lambda: build_lmdb(source, workshop / 'built.lmdb', EntrySettings(encode='png')))
        ratios['encoder'].append(encoded / built)
        shutil.rmtree(workshop / 'stored.lmdb')
        shutil.rmtree(workshop / 'built.lmdb')
    return ratios


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _copy(source: Path, destination: Path) -> None:
    with destination.open('wb') as file:
        for name in visible_files(str(source)):
            file.write((source / name).read_bytes())
        file.flush()
        os.fsync(file.fileno())


def _encode(source: Path) -> None:
    def work(name: str) -> bytes:
        return encode_image(decode_image((source / name).read_bytes(), name), '.png')

    for _ in in_order(work, visible_files(str(source))):
        pass


def noise_files(folder: Path, count: int) -> None:
    """Images of noise, 0.45 MB each: the most bytes to move for each moment of encoding."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(count):
        cv2.imwrite(str(folder / f'{index:05d}.png'), rng.integers(0, 256, (320, 480, 3), dtype=np.uint8))
