"""CCLGAN's losses, registered with BasicSR and, under the scope ``cclgan``, with mmengine."""

from cclgan_plugin.losses.inter_ccl_loss import InterCCLLoss
from cclgan_plugin.losses.intra_ccl_loss import IntraCCLLoss
from cclgan_plugin.losses.lcl_loss import LCLLoss
from cclgan_plugin.losses.registry import MODELS

__all__ = ['MODELS', 'InterCCLLoss', 'IntraCCLLoss', 'LCLLoss']
