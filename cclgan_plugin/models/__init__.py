"""The training step and the models that BasicSR runs."""

from cclgan_plugin.models.cclgan_model import CCLGANModel

__all__ = ['CCLGANModel']
