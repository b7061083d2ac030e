"""The options of the measured steps, from the files that people train with."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

from cclgan_plugin.options.inherit import load_options

FOLDER = Path(__file__).resolve().parents[1] / 'options'
#: CCLGAN's relatives by name, and the options file of each. (The step has no part in CycleGAN's image pool.)
RELATIVES = {'CycleGAN': 'train_cyclegan.yml', 'CUT': 'train_cut.yml', 'DCLGAN': 'train_dclgan.yml'}
ENCODERS = {
    'clip': {'type': 'CLIPEncoder', 'weights': 'random'},
    # The layers and weights of the VGG term in the authors' release.
    'vgg': {
        'type': 'VGG19Encoder',
        'weights': 'random',
        'layers': ['relu1_2', 'relu2_2', 'relu3_3'],
        'layer_weights': [1 / 32, 1 / 16, 1 / 8],
    },
}
#: The terms of the generators' loss that can be left out, with the images that only they need.
TERMS = {'idt': 'idt_opt', 'lcl': 'lcl_opt', 'intra': 'intra_ccl_opt', 'inter': 'inter_ccl_opt'}


def step_options(
    relative: str | None, encoder: str, width: int, blocks: int, without: str | None = None
) -> dict[str, Any]:
    """An options file's networks and ``train`` part, for other sizes and without pretrained encoders.

    Args:
        relative: a name out of :data:`RELATIVES`; ``None`` for CCLGAN itself.
        encoder: ``clip``, ``vgg``, both joined by ``+``, or ``none``: the semantic encoders, with random
            weights. Without any there is no intra term.
        width: of all generators and discriminators.
        blocks: of the generators.
        without: a name out of :data:`TERMS` to leave out.
    """
    values = load_options(FOLDER / (RELATIVES[relative] if relative else 'train_cclgan.yml')).values
    options = {key: deepcopy(value) for key, value in values.items() if key.startswith('network_')}
    options['train'] = train = deepcopy(values['train'])
    for side in ('', '_rain'):
        if options[f'network_g{side}']:
            options[f'network_g{side}'] |= {'width': width, 'num_blocks': blocks}
            options[f'network_d{side}'] |= {'width': width}
    if train['intra_ccl_opt']:
        entries = [deepcopy(ENCODERS[name]) for name in encoder.split('+') if name != 'none']
        train['intra_ccl_opt'] = {**train['intra_ccl_opt'], 'encoder': entries} if entries else None
    if without:
        train[TERMS[without]] = None
    return options
