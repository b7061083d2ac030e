"""How hard each loss pulls at the generator G_n of a training, and which way.

    python benchmarks/gradient_norms.py FILE.yml                      with the weights a training begins with
    python benchmarks/gradient_norms.py FILE.yml --models DIR         with those of experiments/NAME/models
    python benchmarks/gradient_norms.py FILE.yml --batches 64 --json norms.json

Runs nothing but forward and backward passes on batches of the file's training set. Of each loss, weight
included: its value, the length of its gradient on the weights of ``net_g``, and the cosines of that gradient
with the adversarial one and with the sum of all; medians over the batches. A loss that pulls hardest, and
against the adversarial one, decides that nothing changes.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from torch import Tensor  # noqa: E402
from tqdm import tqdm  # noqa: E402

import cclgan_plugin  # noqa: E402, F401
from benchmarks.tables import table  # noqa: E402
from cclgan_plugin.errors import DataError, OptionError, run_as_command  # noqa: E402
from cclgan_plugin.whole_file import write_whole  # noqa: E402

ADVERSARIAL, ALL = 'l_g_gan', 'all'


def build(file: Path, models: Path | None) -> Any:
    """The model of an options file, on the CPU.

    Raises:
        OptionError: the file is of another model.
        DataError: the folder holds no weights of ``net_g``.
    """
    from basicsr.models import build_model

    from cclgan_plugin.options.check import check_options
    from cclgan_plugin.options.inherit import load_options

    opt = check_options(load_options(file))
    if opt['model_type'] != 'CCLGANModel':
        raise OptionError(f'{file}: model_type: CCLGANModel was expected, got {opt["model_type"]}')
    opt |= {'num_gpu': 0, 'dist': False, 'is_train': True, 'rank': 0, 'world_size': 1}
    if models is not None:
        if not (models / 'net_g_latest.pth').is_file():
            raise DataError(f'--models {models}: no net_g_latest.pth there')
        for name in (key.removeprefix('network_') for key in opt if key.startswith('network_')):
            opt['path'] |= {
                f'pretrain_network_{name}': str(models / f'net_{name}_latest.pth'),
                f'param_key_{name}': 'params',
            }
    with tempfile.TemporaryDirectory() as folder:
        # Where a training keeps its curves and pictures; nothing is trained here.
        opt['path'] |= dict.fromkeys(('experiments_root', 'visualization'), folder)
        return build_model(opt)


def batches(model: Any, count: int) -> Sequence[dict[str, Any]]:
    """The first batches of the training set, in the order in which a training sees them."""
    from basicsr.data import build_dataset
    from torch.utils.data import DataLoader

    settings = model.opt['datasets']['train']
    # Bytes become floats behind a training's loader; there is none here.
    more = {'phase': 'train', 'scale': 1, 'manual_seed': model.opt['manual_seed'], 'uint8': False}
    dataset = build_dataset({**settings, **more})
    loader = DataLoader(
        dataset, settings['batch_size_per_gpu'], sampler=dataset.make_sampler(), drop_last=True
    )
    return [batch for batch, _ in zip(loader, range(count), strict=False)]


def gradients(model: Any, batch: dict[str, Any], iteration: int) -> dict[str, tuple[float, Tensor]]:
    """Of each loss its value and its gradient on the weights of ``net_g``, as one vector."""
    model.current_iter = iteration
    model.feed_data(batch)
    made = model.step.translate(model.lq, model.gt, True)
    losses = model.step.generator_losses(made, model._draw_locations())
    weights = list(model.net_g.parameters())
    found = {}
    for name, loss in losses.items():
        grads = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
        parts = [torch.zeros_like(w) if g is None else g for g, w in zip(grads, weights, strict=True)]
        found[name] = loss.item(), torch.cat([part.flatten() for part in parts])
    everything = torch.stack([gradient for _, gradient in found.values()]).sum(0)
    return {**found, ALL: (sum(value for value, _ in found.values()), everything)}


def summary(seen: Sequence[dict[str, tuple[float, Tensor]]]) -> list[dict[str, Any]]:
    """A row for each loss that pulls at ``net_g`` at all; medians over the batches."""
    rows = []
    for name in seen[0]:
        grads = [one[name][1] for one in seen]
        if not any(grad.any() for grad in grads):
            continue
        rows.append(
            {
                'loss': name,
                'value': median(one[name][0] for one in seen),
                'length': median(grad.norm().item() for grad in grads),
                'cosine_adversarial': median(_cosine(one[name][1], one[ADVERSARIAL][1]) for one in seen),
                'cosine_all': median(_cosine(one[name][1], one[ALL][1]) for one in seen),
            }
        )
    return rows


def _cosine(a: Tensor, b: Tensor) -> float:
    return torch.nn.functional.cosine_similarity(a, b, dim=0).item()


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('file', type=Path, help='the options of a training')
    parser.add_argument('--models', type=Path, help='a folder with net_g_latest.pth and the others')
    parser.add_argument('--batches', type=int, default=16)
    parser.add_argument('--json', type=Path, help='write every number there')
    args = parser.parse_args(argv)
    logging.getLogger('basicsr').setLevel(logging.ERROR)
    model = build(args.file, args.models)
    seen = [
        gradients(model, batch, iteration)
        for iteration, batch in enumerate(
            tqdm(batches(model, args.batches), unit='batch', disable=None), start=1
        )
    ]
    rows = summary(seen)
    header = ('loss', 'value', 'length of gradient', 'cosine with l_g_gan', 'cosine with all')
    print(
        table(header, [[row['loss'], *(f'{value:.4g}' for value in list(row.values())[1:])] for row in rows])
    )
    if args.json:
        write_whole(args.json, json.dumps(rows, indent=1).encode())
    return 0


if __name__ == '__main__':
    run_as_command(main)
