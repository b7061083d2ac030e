"""Which loss pulls how hard: true gradients, of the weights that were asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny_run import write_data, write_options

from benchmarks import gradient_norms
from cclgan_plugin.errors import DataError, OptionError


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp('norms')
    write_data(made / 'data')
    write_options(made, datasets__train__uint8=True)
    return made


@pytest.fixture
def file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return next(folder.glob('*.yml'))


def test_the_lengths_are_those_of_the_summed_gradient(file: Path) -> None:
    model = gradient_norms.build(file, None)
    (batch,) = gradient_norms.batches(model, 1)
    found = gradient_norms.gradients(model, batch, 1)
    model.feed_data(batch)
    losses = model.step.generator_losses(
        model.step.translate(model.lq, model.gt, True), model._draw_locations()
    )
    torch.stack(list(losses.values())).sum().backward()
    whole = torch.cat([p.grad.flatten() for p in model.net_g.parameters()])
    assert (found['all'][1] - whole).norm() < 1e-4 * whole.norm()
    rows = {row['loss']: row for row in gradient_norms.summary([found])}
    assert rows['all']['length'] == pytest.approx(whole.norm().item(), rel=1e-4)
    assert rows['l_g_gan']['cosine_adversarial'] == pytest.approx(1, abs=1e-5)
    assert 'l_g_gan_rain' not in rows, 'it is the other generator that this one pulls at'


def test_the_command_reads_weights_and_says_which_are_missing(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = gradient_norms.build(file, None)
    for name, net in model.nets.items():
        weights = {key: torch.full_like(value, 0.01) for key, value in net.state_dict().items()}
        torch.save({'params': weights, 'params_ema': weights}, tmp_path / f'net_{name}_latest.pth')
    read = gradient_norms.build(file, tmp_path)
    assert all(bool((p == 0.01).all()) for net in read.nets.values() for p in net.parameters())
    assert gradient_norms.main([str(file), '--batches', '2', '--json', str(tmp_path / 'norms.json')]) == 0
    rows = json.loads((tmp_path / 'norms.json').read_text())
    assert f'| {rows[0]["loss"]} ' in capsys.readouterr().out
    with pytest.raises(DataError, match=r'no net_g_latest\.pth'):
        gradient_norms.build(file, tmp_path / 'elsewhere')


def test_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match='CCLGANModel was expected'):
        gradient_norms.build(Path(__file__).parents[2] / 'options' / 'train_small.yml', None)
