"""What people look at after a run: curves, image grids, and a picture of each validation result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from cclgan_plugin.training.curves import Curves
from cclgan_plugin.training.pictures import labelled_row, save_png, to_uint8

#: Images of a training grid, by symbol and caption.
GRID = {
    'r': 'r rainy',
    'c^': 'c^ derained',
    'r~': 'r~ rained again',
    'c': 'c clean',
    'r^': 'r^ rained',
    'c~': 'c~ derained again',
}


class RunRecord:
    """Writes curves and pictures below the experiment's folder: rank 0, and each rank those of its results.

    ``curves.csv`` and ``curves.png``: losses and validation metrics. ``visualization/training/``: a grid of
    the last training batch at each validation, also in TensorBoard. ``visualization/final/``: at the end,
    rainy | derained | truth for each validation image.

    Args:
        opt: BasicSR's options of the run.
    """

    def __init__(self, opt: dict[str, Any]) -> None:
        self.enabled = opt['rank'] == 0
        self.visualization = Path(opt['path']['visualization'])
        self.finished = False
        self._dataset: str | None = None
        self._measured: set[tuple[int, str | None]] = set()
        #: The image behind the name of each final picture of a set.
        self._final: dict[tuple[str | None, str], Path] = {}
        if self.enabled:
            self.curves = Curves(opt['path']['experiments_root'], bool(opt['path'].get('resume_state')))

    def resume(self, iteration: int) -> None:
        """The run goes on from an iteration: what an interrupted run noted later is dropped."""
        if self.enabled:
            self.curves.cut(iteration)

    def losses(self, iteration: int, values: Mapping[str, float]) -> None:
        """Note the losses of an iteration."""
        if self.enabled:
            self.curves.add(iteration, values)

    @contextmanager
    def validating(
        self, model: Any, dataloader: Any, tb_logger: Any, images: Mapping[str, Tensor]
    ) -> Iterator[None]:
        """Around one validation: note its metrics, show the training images, write final pictures."""
        self._dataset = dataloader.dataset.opt['name']
        if self.finished:
            # Of all images, in one order, so that processes that see a part of them agree.
            for entry in getattr(dataloader.dataset, 'paths', ()):
                self._final_name(Path(entry['lq_path'] if isinstance(entry, Mapping) else entry))
        if self.enabled and images and not self.finished:
            self._grid(model.current_iter, images, tb_logger)
        try:
            yield
        finally:
            name, self._dataset = self._dataset, None
        if self.enabled:
            measured = (model.current_iter, name)
            if measured not in self._measured:  # the validation after training may repeat the last one
                metrics = getattr(model, 'metric_results', {})
                named = {f'{name}: {metric}': float(value) for metric, value in metrics.items()}
                self.curves.add(model.current_iter, named)
                self._measured.add(measured)
            if self.finished:
                self.curves.draw()

    def _grid(self, iteration: int, images: Mapping[str, Tensor], tb_logger: Any) -> None:
        shown = {caption: to_uint8(images[symbol][0]) for symbol, caption in GRID.items() if symbol in images}
        row = labelled_row(shown)
        save_png(row, self.visualization / 'training' / f'{iteration}.png')
        if tb_logger:
            tb_logger.add_image('training/images', row, iteration, dataformats='HWC')

    def result(self, lq_path: list[str] | None, visuals: Mapping[str, Tensor]) -> None:
        """Write the picture of a validation image, once the run has finished."""
        if not (self.finished and self._dataset and lq_path):
            return
        captions = {'lq': 'rainy', 'result': 'derained', 'gt': 'truth'}
        shown: dict[str, np.ndarray] = {
            captions[key]: to_uint8(visuals[key][0]) for key in captions if key in visuals
        }
        folder = self.visualization / 'final' / self._dataset
        save_png(labelled_row(shown), folder / f'{self._final_name(Path(lq_path[0]))}.png')

    def _final_name(self, path: Path) -> str:
        """As short as it tells the image from the others of its set, which may lie in other folders."""
        longer = ('_'.join((*path.parent.parts[-depth:], path.name)) for depth in range(1, len(path.parts)))
        names = (path.stem, path.name, *longer)
        return next(name for name in names if self._final.setdefault((self._dataset, name), path) == path)

    def finish(self) -> None:
        """The run is over: draw the curves; what is validated from now on is drawn too."""
        self.finished = True
        if self.enabled:
            self.curves.draw()
