"""Datasets: CCLGAN's unpaired one, and BasicSR's paired and single-image ones."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from cclgan_plugin.options.schema.common import Options, Text, Whole, option


def _template(value: str) -> str:
    # It goes through str.format, which would follow attributes of what it is given.
    if value.count('{}') != 1 or any(brace in value.replace('{}', '') for brace in '{}'):
        raise PydanticCustomError(
            'expected', 'expected text with one {mark} in it, got "{got}"', {'mark': '{}', 'got': value}
        )
    return value


class IOBackendOptions(Options):
    """``io_backend``: how images are stored."""

    type: Literal['disk', 'lmdb'] = option('files in folders, or one LMDB for each side', 'disk')


class BasicSRBackendOptions(IOBackendOptions):
    """``io_backend`` of BasicSR's own datasets."""

    type: Literal['disk', 'lmdb', 'memcached'] = option(  # type: ignore[assignment]
        'files in folders, one LMDB for each side, or files through memcached', 'disk'
    )
    server_list_cfg: Text | None = option("memcached's list of servers", None)
    client_cfg: Text | None = option("memcached's client", None)
    sys_path: Text | None = option('where the module mc of memcached is', None)


def _one_or_three(values: list[float]) -> list[float]:
    if len(values) == 2:
        raise PydanticCustomError('expected', 'expected one number for each of 3 channels, or one, got 2')
    return values


Channels = Annotated[list[float], Field(min_length=1, max_length=3), AfterValidator(_one_or_three)]


class _ReaderOptions(Options):
    name: Text = option('a name for the log and the result folders')
    io_backend: IOBackendOptions = option('how the images are stored', default_factory=IOBackendOptions)


class _LoaderOptions(_ReaderOptions):
    num_worker_per_gpu: Whole = option(
        'processes that read images; 0 = read in the training process', 4, ge=0
    )
    batch_size_per_gpu: Whole = option('images of each side in one step', 1, ge=1)
    dataset_enlarge_ratio: Whole = option(
        'how often the data is repeated in what counts as one epoch', 1, ge=1
    )
    small_set: Literal['error', 'repeat'] = option(
        'fewer images than one batch (over all processes): stop, or repeat them within the epoch', 'error'
    )
    persistent_workers: bool = option('keep the reading processes from epoch to epoch', True)
    prefetch_mode: Literal['cpu', 'cuda'] | None = option(
        '~ = the workers alone read ahead; cpu = a thread does, too; cuda = the next batch is copied to the '
        'GPU meanwhile, which needs pin_memory',
        None,
    )
    num_prefetch_queue: Whole = option('batches read ahead with prefetch_mode cpu', 1, ge=1)
    pin_memory: bool = option(
        'page-locked memory, from which copies to a GPU go on beside its work; needed by prefetch_mode cuda',
        False,
    )


class SyntheticRainOptions(Options):
    """``synthetic_rain``: rain rendered on some of the clean images while training, anew for every sample."""

    fraction: float = option('share of the clean images that become rainy samples, e.g. 0.25', gt=0, le=1)
    type: Literal['drizzle', 'rain', 'downpour', 'storm'] = option(
        'kind of rain, from light to heavy', 'rain'
    )
    vary: float = option(
        'how much the rain differs between samples; 0 = one density, length and slant for all',
        0.3,
        ge=0,
        le=1,
    )
    keep_clean: bool = option('these images stay on the clean side too; otherwise no scene is on both', False)


class UnpairedImageDatasetOptions(_LoaderOptions):
    """``datasets.train`` of CCLGAN: two folders that need not show the same scenes."""

    type: Literal['UnpairedImageDataset'] = option('rainy and rain-free photographs without correspondence')
    dataroot_lq: Text = option('rainy photographs: a folder (nested ones too) or a .lmdb')
    dataroot_gt: Text = option('rain-free photographs: a folder (nested ones too) or a .lmdb')
    meta_info_file_lq: Text | None = option(
        'a text file with one image per line, relative to dataroot_lq', None
    )
    meta_info_file_gt: Text | None = option('the same for dataroot_gt', None)
    gt_size: Whole = option('side of the random square crop in pixels', 256, ge=32)
    resize: Whole | None = option(
        'resize to a square of this side before cropping (the release: 286)', None, ge=32
    )
    use_hflip: bool = option('random horizontal flip', True)
    small_images: Literal['pad', 'error'] = option(
        'an image smaller than the crop: pad by reflection, or stop', 'pad'
    )
    corrupt_images: Literal['error', 'skip'] = option(
        'an image that cannot be decoded: stop, or take another one and warn', 'error'
    )
    cache: Literal['off', 'encoded', 'decoded'] = option(
        'hold all images in memory that the workers share: the files, or their pixels (fastest)', 'off'
    )
    synthetic_rain: SyntheticRainOptions | None = option(
        'rain rendered on clean images as further rainy samples, see its own section; ~ = none', None
    )
    uint8: bool = option(
        'workers hand over 8-bit crops, a quarter of the memory to copy; they become floats on the device',
        False,
    )


class PairedImageDatasetOptions(_LoaderOptions):
    """``datasets.val`` and ``datasets.test_*``: the same file names on both sides."""

    type: Literal['PairedImageDataset'] = option("BasicSR's paired data")
    io_backend: BasicSRBackendOptions = option(
        'how the images are stored', default_factory=BasicSRBackendOptions
    )
    dataroot_lq: Text = option('degraded images: a folder or a .lmdb')
    dataroot_gt: Text = option('ground truth: a folder or a .lmdb, same file names')
    meta_info_file: Text | None = option('a text file with one file name per line', None)
    persistent_workers: bool = option('keep the reading processes from epoch to epoch (training only)', False)
    filename_tmpl: Annotated[Text, AfterValidator(_template)] = option(
        'name of the degraded file, {} = name of the ground truth without its ending', '{}'
    )
    gt_size: Whole | None = option('side of the random crop (training only)', None, ge=1)
    use_hflip: bool | None = option('random horizontal flip (training only)', None)
    use_rot: bool | None = option('random rotation by 90 degrees (training only)', None)
    mean: Channels | None = option('subtracted from each channel', None)
    std: Channels | None = option('divides each channel', None)
    color: Literal['y'] | None = option('y = luma only', None)


class SingleImageDatasetOptions(_ReaderOptions):
    """``datasets.test_*`` without ground truth, e.g. photographs of real rain."""

    type: Literal['SingleImageDataset'] = option("BasicSR's images without ground truth")
    io_backend: BasicSRBackendOptions = option(
        'how the images are stored', default_factory=BasicSRBackendOptions
    )
    dataroot_lq: Text = option('degraded images: a folder or a .lmdb')
    meta_info_file: Text | None = option('a text file with one file name per line', None)
    mean: Channels | None = option('subtracted from each channel', None)
    std: Channels | None = option('divides each channel', None)
    color: Literal['y'] | None = option('y = luma only', None)
    pin_memory: bool = option('page-locked memory', False)
