"""The CCLGAN training step a second time: slow, plain and complete, to judge the fast one by.

Nothing here imports the package. Networks are functions of a plain ``{name: tensor}`` state, every encoding
is run anew, every image is embedded anew for every term, and averages are loops. Work in float64, where two
correct programs agree to rounding.

    layers.py    padding, norm, blurring: the parts the networks are made of
    networks.py  generator, discriminator, head
    weights.py   the names and shapes of all weights, and random ones
    losses.py    GAN, L1, patch-wise InfoNCE, the two contrastive ratios
    step.py      the losses of one iteration, for the discriminators and for the generators
    training.py  several iterations with the optimizers
    samples.py   tiny networks, images, locations and options to try all this on
"""

from .step import reference_d_losses, reference_g_losses
from .training import reference_training

__all__ = ['reference_d_losses', 'reference_g_losses', 'reference_training']
