"""A history of generated images for the discriminators (Shrivastava et al., CVPR 2017; used by CycleGAN)."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from cclgan_plugin.seeds import derive_seed


class ImagePool:
    """Hands out, half of the time, an older image in exchange for the new one.

    Args:
        size: images kept; 0 hands every image straight through.
        seed: of the exchanges.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self.size = size
        self.seed = seed
        self.images: list[Tensor] = []

    def exchange(self, images: Tensor, iteration: int) -> Tensor:
        """Exchange a batch.

        Args:
            images: ``(N, 3, H, W)``; kept and returned without gradient.
            iteration: of the training, which decides, with the seed, what is exchanged.

        Returns:
            ``(N, 3, H, W)``.
        """
        if self.size == 0:
            return images.detach()
        images = images.detach()
        if self.images and self.images[0].shape != images.shape[1:]:
            self.images.clear()  # resumed with larger crops, which do not go into one batch with these
        choose = random.Random(derive_seed(self.seed, 'pool', iteration))
        chosen = []
        for image in images.unbind(0):
            if len(self.images) < self.size:
                self.images.append(_kept(image, self.images[-1] if self.images else torch.zeros_like(image)))
                chosen.append(image)
            elif choose.random() < 0.5:
                place = choose.randrange(self.size)
                chosen.append(self.images[place])
                self.images[place] = _kept(image, self.images[place])
            else:
                chosen.append(image)
        return torch.stack(chosen)

    def state_dict(self) -> dict[str, list[Tensor]]:
        """The pool's images, for a training state."""
        # Other processes, which send and save it, must not need this one's card for that.
        return {'images': [image.cpu() for image in self.images]}

    def load_state_dict(self, state: dict[str, list[Tensor]], device: torch.device) -> None:
        """Put the images of a training state back."""
        self.images = [image.to(device) for image in state['images'][: self.size]]


def _kept(image: Tensor, instead: Tensor) -> Tensor:
    """A copy of what must not come back later if it is no image; without waiting for the GPU."""
    return torch.where(image.isfinite().all(), image, instead)
