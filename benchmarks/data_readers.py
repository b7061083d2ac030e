"""The ways to read training crops that are compared: ours, BasicSR's, the usual one, and the limit."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from basicsr.data import build_dataset
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.data_files import roots

CROP = 256
BATCH = 4

#: Options of our dataset by the name of the reader.
OURS = {
    'ours': {},
    'ours, uint8': {'uint8': True},
    'ours, cache: encoded': {'cache': 'encoded'},
    'ours, cache: decoded': {'cache': 'decoded'},
    'ours, uint8, decoded': {'uint8': True, 'cache': 'decoded'},
}
DECODING, BASICSR, PIL = 'decoding alone', 'BasicSR paired', 'PIL + torchvision'
READERS = (DECODING, *OURS, BASICSR, PIL)


class DecodingAlone(Dataset[int]):
    """The limit: both images of a pair decoded by OpenCV from memory, and nothing else."""

    def __init__(self, folder: dict[str, str]) -> None:
        self.sides = [
            [path.read_bytes() for path in sorted(Path(root).iterdir())] for root in folder.values()
        ]

    def __len__(self) -> int:
        return len(self.sides[0])

    def __getitem__(self, index: int) -> int:
        for side in self.sides:
            cv2.imdecode(np.frombuffer(side[index], np.uint8), cv2.IMREAD_COLOR)
        return 0


class PilPairs(Dataset[dict[str, Any]]):
    """An unpaired dataset as CycleGAN's and CUT's code bases have it, with ``--preprocess crop``."""

    def __init__(self, folder: dict[str, str]) -> None:
        self.a, self.b = (sorted(map(str, Path(root).iterdir())) for root in folder.values())
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(CROP),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
            ]
        )

    def __len__(self) -> int:
        return max(len(self.a), len(self.b))

    def __getitem__(self, index: int) -> dict[str, Any]:
        a, b = self.a[index % len(self.a)], self.b[random.randint(0, len(self.b) - 1)]
        return {
            'A': self.transform(Image.open(a).convert('RGB')),
            'B': self.transform(Image.open(b).convert('RGB')),
            'A_paths': a,
            'B_paths': b,
        }


def make_loader(reader: str, root: Path, store: str, kind: str, workers: int) -> DataLoader[Any] | None:
    """A loader of one reader; None where it cannot read this store.

    Args:
        reader: one of :data:`READERS`.
        root: as :func:`~benchmarks.data_files.write_files` filled it.
        store: ``folder`` or ``lmdb``.
        kind: ``png`` or ``jpg``.
        workers: processes; 0 = in this one.
    """
    files = roots(root, store, kind)
    dataset: Dataset[Any]
    if reader in (DECODING, PIL):
        if store != 'folder':
            return None
        dataset = DecodingAlone(files) if reader == DECODING else PilPairs(files)
    else:
        dataset = build_dataset(
            {
                **files,
                'name': 'benchmark',
                'type': 'UnpairedImageDataset' if reader in OURS else 'PairedImageDataset',
                'phase': 'train',
                'scale': 1,
                'manual_seed': 0,
                'io_backend': {'type': 'lmdb' if store == 'lmdb' else 'disk'},
                'gt_size': CROP,
                'use_hflip': True,
                'use_rot': False,
                **OURS.get(reader, {}),
            }
        )
    sampler = dataset.make_sampler() if hasattr(dataset, 'make_sampler') else None
    return DataLoader(
        dataset,
        BATCH,
        sampler=sampler,
        shuffle=None if sampler is not None else True,
        num_workers=workers,
        persistent_workers=workers > 0,
        drop_last=True,
    )
