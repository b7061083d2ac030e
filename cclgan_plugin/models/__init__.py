"""The training step and the models that BasicSR runs."""

from cclgan_plugin.models.cclgan_model import CCLGANModel
from cclgan_plugin.models.contrastive_model import ContrastiveModel
from cclgan_plugin.models.paired_model import PairedModel

__all__ = ['CCLGANModel', 'ContrastiveModel', 'PairedModel']
