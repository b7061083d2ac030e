"""``import torchvision``: operator torchvision::nms does not exist.

A CPU-only torch next to PyPI's torchvision (a CUDA build): its compiled operators do not load, and its
Python code then attaches to operators that nobody has declared. Declaring the two makes models,
transforms and utils work, which is all that BasicSR needs; ``ops.nms``, ``ops.deform_conv2d`` and ``io``
stay unusable. May go when torchvision guards these attachments itself.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import torch

SCHEMA = '(Tensor dets, Tensor scores, float iou_threshold) -> Tensor'
#: The declarations live as long as this object does.
_declarations: list[Any] = []


def needed() -> bool:
    """True where importing torchvision fails for want of its own operators."""
    try:
        importlib.import_module('torchvision')
    except RuntimeError as error:
        if 'torchvision::' not in str(error) or 'does not exist' not in str(error):
            raise
        return True
    return False


def apply() -> None:
    """Declare the operators, forget the half-imported torchvision, and import it again."""
    library = torch.library.Library('torchvision', 'FRAGMENT')
    for name in ('nms', 'qnms'):
        if not hasattr(torch.ops.torchvision, name):
            library.define(name + SCHEMA)
    _declarations.append(library)
    for name in [name for name in sys.modules if name.split('.')[0] == 'torchvision']:
        del sys.modules[name]
    importlib.import_module('torchvision')
