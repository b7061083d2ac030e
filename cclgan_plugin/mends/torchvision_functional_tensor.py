"""``import basicsr``: No module named 'torchvision.transforms.functional_tensor'.

Since torchvision 0.17 the module is private; ``basicsr.data.degradations`` wants one function of it.
May go when BasicSR imports ``rgb_to_grayscale`` from ``torchvision.transforms.functional``.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

NAME = 'torchvision.transforms.functional_tensor'


def needed() -> bool:
    """True where torchvision has no such module and nobody has supplied one."""
    return NAME not in sys.modules and importlib.util.find_spec(NAME) is None


def apply() -> None:
    """Supply a module of that name with the one function that is asked of it."""
    from torchvision import transforms
    from torchvision.transforms.functional import rgb_to_grayscale

    module = ModuleType(NAME, 'Stands in for the module that torchvision made private.')
    module.rgb_to_grayscale = rgb_to_grayscale  # type: ignore[attr-defined]
    sys.modules[NAME] = module
    transforms.functional_tensor = module
