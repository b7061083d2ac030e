"""The losses in an OpenMMLab model, built from its registry and trained by mmengine's own step."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS, Registry
from torch import Tensor, nn

from cclgan_plugin.losses import InterCCLLoss, IntraCCLLoss, LCLLoss

VGG = {'type': 'VGG19Encoder', 'weights': 'random', 'layers': ['relu1_1']}


class Restorer(BaseModel):
    """As in mmagic: losses are given as configs, and built where the model is."""

    def __init__(self, lcl: dict[str, Any], intra: dict[str, Any], inter: dict[str, Any]) -> None:
        super().__init__()
        library = Registry('model', parent=MODELS, scope='library', locations=[])
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.lcl, self.intra, self.inter = (library.build(config) for config in (lcl, intra, inter))

    def forward(self, inputs: Tensor, data_samples: Tensor, mode: str = 'loss') -> dict[str, Tensor]:
        output = self.conv(inputs)
        vectors = [x.flatten(2).transpose(1, 2) for x in (output, data_samples, inputs)]
        return {
            'loss_lcl': self.lcl({'image': output}, {'image': inputs}),
            'loss_intra': self.intra(output, data_samples, inputs),
            'loss_inter': self.inter(
                {'image': vectors[0]}, None, {'image': vectors[1]}, {'image': vectors[2]}
            ),
        }


def test_a_library_builds_and_trains_them() -> None:
    torch.manual_seed(0)
    model = Restorer(
        {'type': 'cclgan.LCLLoss', 'layers': ['image'], 'num_patches': 8, 'loss_weight': 0.5},
        {'type': 'cclgan.IntraCCLLoss', 'encoder': VGG},
        {'type': 'cclgan.InterCCLLoss', 'layers': ['image']},
    )
    kinds = (LCLLoss, IntraCCLLoss, InterCCLLoss)
    assert tuple(type(loss) for loss in (model.lcl, model.intra, model.inter)) == kinds
    assert model.lcl.loss_weight == 0.5
    assert list(model.state_dict()) == ['conv.weight', 'conv.bias']
    before = model.conv.weight.detach().clone()
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    logged = model.train_step(
        {'inputs': torch.rand(2, 3, 16, 16), 'data_samples': torch.rand(2, 3, 16, 16)}, wrapper
    )
    assert set(logged) == {'loss', 'loss_lcl', 'loss_intra', 'loss_inter'}
    assert torch.isfinite(logged['loss'])
    assert not torch.equal(before, model.conv.weight)
