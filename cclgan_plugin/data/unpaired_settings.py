"""The options of ``UnpairedImageDataset`` as a typed object, checked at the door."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cclgan_plugin.data.crop import SMALL_IMAGES
from cclgan_plugin.data.image_cache import CACHES
from cclgan_plugin.data.image_side import CORRUPT_IMAGES
from cclgan_plugin.data.synthetic_rain import SyntheticRain
from cclgan_plugin.errors import OptionError, did_you_mean


@dataclass(frozen=True)
class UnpairedSettings:
    """What ``datasets: train:`` says about reading and cropping.

    Attributes:
        dataroot_lq: folder or LMDB of rainy images.
        dataroot_gt: folder or LMDB of rain-free images.
        meta_info_file_lq: list of the rainy images to take, relative to ``dataroot_lq``; None = all.
        meta_info_file_gt: the same for rain-free images.
        io_backend: ``{'type': 'disk'}`` or ``{'type': 'lmdb'}``.
        gt_size: side of the square crop in pixels.
        resize: side in pixels that images are resized to before cropping, ignoring the aspect ratio;
            None = no resizing.
        use_hflip: flip left to right at random.
        small_images: images smaller than the crop: ``'pad'`` or ``'error'``.
        corrupt_images: images that cannot be decoded: ``'error'`` or ``'skip'``.
        cache: hold all images in memory: ``'off'``, ``'encoded'`` or ``'decoded'``.
        synthetic_rain: makes further rainy samples of clean images; None = does not.
        uint8: hand over 8-bit crops; BasicSR's training, mended, makes floats of them on the device.
        manual_seed: everything random follows from it.
    """

    dataroot_lq: str
    dataroot_gt: str
    meta_info_file_lq: str | None = None
    meta_info_file_gt: str | None = None
    io_backend: dict[str, Any] = field(default_factory=lambda: {'type': 'disk'})
    gt_size: int = 256
    resize: int | None = None
    use_hflip: bool = True
    small_images: str = 'pad'
    corrupt_images: str = 'error'
    cache: str = 'off'
    synthetic_rain: SyntheticRain | None = None
    uint8: bool = False
    manual_seed: int = 0

    @classmethod
    def from_options(cls, opt: dict[str, Any]) -> UnpairedSettings:
        """Picks the dataset's own keys out of BasicSR's options and leaves the loader's alone.

        Raises:
            OptionError: a root is missing or a value is of the wrong type or out of range.
        """
        for key in ('dataroot_lq', 'dataroot_gt'):
            if opt.get(key) is None:
                raise OptionError(f'{key}: missing; UnpairedImageDataset needs a folder or a .lmdb here')
        if opt.get('phase', 'train') != 'train':
            raise OptionError(
                f'type: UnpairedImageDataset is for training, not for phase "{opt["phase"]}"; use '
                'PairedImageDataset, or SingleImageDataset where there is no ground truth'
            )
        if opt.get('scale', 1) != 1:
            raise OptionError(f'scale: {opt["scale"]}; with UnpairedImageDataset scale must be 1')
        known = {key: opt[key] for key in cls.__dataclass_fields__ if opt.get(key) is not None}
        if 'synthetic_rain' in known:
            if not isinstance(known['synthetic_rain'], dict):
                raise OptionError('synthetic_rain: expected a map, e.g. {fraction: 0.25, type: rain}')
            known['synthetic_rain'] = SyntheticRain.from_options(known['synthetic_rain'])
        settings = cls(**known)
        settings._check()
        return settings

    def _check(self) -> None:
        for key in ('dataroot_lq', 'dataroot_gt', 'meta_info_file_lq', 'meta_info_file_gt'):
            self._expect(key, str, 'a path')
        self._expect('io_backend', dict, 'e.g. {type: disk}')
        for key in ('use_hflip', 'uint8'):
            self._expect(key, bool, 'true or false')
        for key in ('gt_size', 'resize', 'manual_seed'):
            self._expect(key, int, 'a whole number')
        if self.gt_size < 1:
            raise OptionError(f'gt_size: {self.gt_size}; a crop has at least 1 pixel')
        if self.resize is not None and self.resize < self.gt_size:
            raise OptionError(f'resize: {self.resize} is smaller than gt_size: {self.gt_size}')
        for key, choices in (
            ('small_images', SMALL_IMAGES),
            ('corrupt_images', CORRUPT_IMAGES),
            ('cache', CACHES),
        ):
            value = getattr(self, key)
            if value not in choices:
                hint = did_you_mean(str(value), choices)
                raise OptionError(f'{key}: "{value}", expected one of {", ".join(choices)}.{hint}')

    def _expect(self, key: str, kind: type, meaning: str) -> None:
        value = getattr(self, key)
        if value is None:
            return
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise OptionError(f'{key}: {value!r}, expected {meaning}')
