"""ContrastiveModel's gradient is that of a step written out by hand: the base's own plus the loss's, once."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import pytest
import torch
from basicsr.archs import build_network
from contrastive_runs import (
    DEGRADES,
    MODELS,
    VGG,
    batch,
    build,
    contrastive_options,
    losses_for,
    plain_options,
)
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from cclgan_plugin.encoders import build_encoder
from cclgan_plugin.seeds import derive_seed

NETWORK_D = {net_d['type']: net_d for _, _, net_d, _ in MODELS.values() if net_d is not None}
CASES = [(name, loss) for name in MODELS for loss in losses_for(name)]


def in_double(model: Any) -> Any:
    """Every network of a model in float64, where equality can be told from likeness."""
    for name in ('net_g', 'net_d', 'net_g_ema', 'net_h'):
        if getattr(model, name, None) is not None:
            getattr(model, name).double()
    return model


def feed(model: Any, name: str) -> None:
    """One paired batch in float64, past the degradation of Real-ESRGAN's models."""
    data = batch(name, 1, dtype=torch.float64)
    model.lq, model.gt = data['lq'], data['gt']
    if name in DEGRADES:
        model.gt_usm = data['gt']


def step(opt: dict[str, Any], name: str) -> dict[str, Tensor]:
    """The gradients of the generator and the heads after one iteration."""
    model = in_double(build(opt))
    feed(model, name)
    # BasicSR forgets the gradient at the start of the next iteration; that of the heads is gone at once.
    heads: dict[str, Tensor] = {}
    if getattr(model, 'net_h', None) is not None:
        take = model.optimizer_h.step
        model.optimizer_h.step = lambda: (heads.update(grads(model.net_h, 'net_h')), take())
    model.optimize_parameters(1)
    return grads(model.net_g, 'net_g') | heads


def grads(net: nn.Module, prefix: str) -> dict[str, Tensor]:
    return {
        f'{prefix}.{name}': torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in net.named_parameters()
    }


def run_with_levels(net: nn.Module, x: Tensor, levels: list[str]) -> tuple[Tensor, dict[str, Tensor]]:
    """The output of a network and the outputs of some modules in it, before anything writes over them."""
    found: dict[str, Tensor] = {}

    def keep(level: str, module: nn.Module, inputs: Any, output: Tensor) -> None:
        found.setdefault(level, output.clone())

    handles = [net.get_submodule(level).register_forward_hook(partial(keep, level)) for level in levels]
    output = net(x)
    for handle in handles:
        handle.remove()
    return output, found


def without_trace(net_d: nn.Module) -> nn.Module:
    """A frozen copy; spectral norm keeps its last weight, with graph, which cannot be copied."""
    fresh = build_network(NETWORK_D[type(net_d).__name__]).double()
    fresh.load_state_dict(net_d.state_dict())
    return fresh.train().requires_grad_(False)


def distance(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().flatten(1).mean(1)


def locations(purpose: str, x: Tensor, count: int) -> Tensor:
    generator = Generator().manual_seed(derive_seed(3, f'contrastive {purpose}', 1, 1))
    return torch.randperm(x.shape[-2] * x.shape[-1], generator=generator)[:count]


def by_hand(name: str, loss: str, opt: dict[str, Any]) -> dict[str, Tensor]:
    """Gradients of the one loss, from its definition, with the networks before the step."""
    model = in_double(build(opt))
    data = batch(name, 1, dtype=torch.float64)
    lq, gt = data['lq'], data['gt']
    block = opt['train']['contrastive_opt'][loss]
    own = block.get('encoder') == 'net_g'
    output, keys = run_with_levels(model.net_g, lq, block['layers'] if own else [])
    negative = lq
    if lq.shape != gt.shape:
        negative = F.interpolate(lq, gt.shape[-2:], mode='bicubic', align_corners=False).clamp(0, 1)
    if loss == 'intra_ccl':
        embed = build_encoder(VGG)
        value = sum(
            (distance(a, p.detach()) / (distance(a, n.detach()) + 1e-7)).mean()
            for a, p, n in zip(embed(output), embed(gt), embed(negative), strict=True)
        )
    elif loss == 'inter_ccl':
        (level,) = block['layers']
        # The base has judged before us, and each pass has moved the power iteration of spectral norm on. Ours
        # do not, so each of them works on a copy.
        for _ in range(2 if name == 'ESRGANModel' else 1):
            model.net_d(gt)
        nets = [without_trace(model.net_d) for _ in range(3)]
        maps = [
            run_with_levels(net, x, [level])[1][level]
            for net, x in zip(nets, (output, gt, negative), strict=True)
        ]
        where = locations('inter', maps[0], 8)
        a, p, n = (F.normalize(x.flatten(2)[:, :, where].transpose(1, 2), dim=-1, eps=1e-7) for x in maps)
        value = (distance(a, p) / (distance(a, n) + 1e-7)).mean()
    else:
        if own:
            queries = run_with_levels(model.net_g, output, block['layers'])[1]
        else:
            embed = build_encoder(VGG)
            keys = dict(zip(VGG['layers'], embed(negative), strict=True))
            queries = dict(zip(VGG['layers'], embed(output), strict=True))
        generator = Generator().manual_seed(derive_seed(3, 'contrastive lcl', 1, 1))
        levels = []
        for level, query in queries.items():
            count = query.shape[-2] * query.shape[-1]
            where = torch.randperm(count, generator=generator)[:8]
            q, k = (x.flatten(2)[:, :, where].transpose(1, 2) for x in (query, keys[level].detach()))
            if model.net_h is not None:
                mlp = model.net_h.mlps[level.replace('.', '/')]
                q, k = mlp(q), mlp(k).detach()
            q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
            logits = q @ k.transpose(1, 2) / 0.07
            labels = torch.arange(logits.shape[1]).expand(len(logits), -1)
            levels.append(F.cross_entropy(logits.transpose(1, 2), labels))
        value = torch.stack(levels).mean()
    (0.5 * value).backward()
    heads = grads(model.net_h, 'net_h') if model.net_h is not None else {}
    return grads(model.net_g, 'net_g') | heads


@pytest.mark.parametrize(('name', 'loss'), CASES)
def test_the_gradient_is_the_base_s_plus_that_of_the_loss(name: str, loss: str) -> None:
    opt = contrastive_options(name, **{loss: losses_for(name)[loss]})
    found = step(copy.deepcopy(opt), name)
    base = step(plain_options(name), name)
    extra = by_hand(name, loss, opt)
    assert any(value.abs().max() > 0 for key, value in extra.items() if key.startswith('net_g'))
    largest = max(float(value.abs().max()) for value in found.values())
    for key, value in found.items():
        error = float((value - extra[key] - base.get(key, 0)).abs().max())
        assert error < 1e-10 * largest, (key, error, largest)


def test_all_losses_at_once_add_up() -> None:
    """Three losses in one backward pass are the sum of three models with one loss each."""
    name = 'SRGANModel'
    base = step(plain_options(name), name)
    every = losses_for(name)
    together = step(contrastive_options(name, **every), name)
    alone = [step(contrastive_options(name, **{loss: block}), name) for loss, block in every.items()]
    for key, value in together.items():
        expected = base[key] + sum(one[key] - base[key] for one in alone)
        torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-12)
