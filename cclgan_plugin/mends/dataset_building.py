"""An empty folder: ZeroDivisionError. A missing folder, one side with fewer images, a key that misses in
the other database: tracebacks of several kinds.

In every release: the datasets do not check what they find. May go when ``build_dataset`` does.
"""

from __future__ import annotations

from typing import Any

from basicsr import data
from basicsr.utils.registry import DATASET_REGISTRY
from torch.utils.data import Dataset

from cclgan_plugin.errors import DataError
from cclgan_plugin.mends.release import is_measured_release as needed
from cclgan_plugin.mends.replacing import replace

__all__ = ['apply', 'build_dataset', 'needed']


def build_dataset(dataset_opt: dict[str, Any]) -> Dataset:
    """BasicSR's dataset, with images in it.

    Raises:
        DataError: its folders or lists are missing, do not match, or hold no image.
    """
    kind = dataset_opt['type']
    roots = ', '.join(
        f'{key}: {value}' for key, value in dataset_opt.items() if 'root' in key or 'meta_info' in key
    )
    place = f'datasets.{dataset_opt.get("phase", "?")} "{dataset_opt.get("name")}" ({kind}; {roots})'
    try:
        dataset = build_dataset.unmended(dataset_opt)  # type: ignore[attr-defined]
    except OSError as error:
        raise DataError(f'{place}: {error.filename or ""}: {error.strerror or error}') from error
    except (AssertionError, ValueError) as error:
        # BasicSR's own datasets speak of the user's files this way; in other people's it is a defect.
        if not DATASET_REGISTRY.get(kind).__module__.startswith('basicsr.'):
            raise
        raise DataError(f'{place}: {error}') from error
    if len(dataset) == 0:
        raise DataError(f'{place} holds no images.')
    return dataset


def apply() -> None:
    """Check every dataset of BasicSR's pipelines as it is built."""
    replace(data.build_dataset, build_dataset)
