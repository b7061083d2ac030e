"""The training step and the models that BasicSR runs."""

from cclgan_plugin.models.cclgan_model import CCLGANModel
from cclgan_plugin.models.contrastive_model import ContrastiveModel

__all__ = ['CCLGANModel', 'ContrastiveModel']
