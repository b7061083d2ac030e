"""``basicsr layers``: names to choose from, with the shapes that they stand for."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_run import ROOT, basicsr

from cclgan_plugin.cli.main import main


def test_generator_and_discriminator_are_shown_with_shapes() -> None:
    result = basicsr(
        *('layers', '-opt', 'options/contrastive_srgan_x4.yml'),
        *('--force_yml', 'network_g:num_feat=4', 'network_g:num_block=2', 'network_d:num_feat=4'),
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stderr
    lines = [' '.join(line.split()) for line in result.stdout.splitlines()]
    generator, discriminator = (i for i, line in enumerate(lines) if line.startswith('network_'))
    assert lines[0].startswith('* = a feature level, which "layers:" of a loss can name')
    assert lines[generator] == 'network_g: MSRResNet, image 3 x 32 x 32 -> 3 x 128 x 128'
    assert lines[discriminator] == 'network_d: VGGStyleDiscriminator, image 3 x 128 x 128 -> 1'
    assert '* body.1 ResidualBlockNoBN 4 x 32 x 32' in lines[generator:discriminator]
    assert '* upconv1 Conv2d 16 x 32 x 32' in lines[generator:discriminator]
    assert '* conv1_0 Conv2d 8 x 64 x 64' in lines[discriminator:]
    # No map comes out of a linear layer, so no loss can take it.
    assert 'linear1 Linear 100' in lines[discriminator:]


_SMALL = [
    '--size',
    '32',
    '--force_yml',
    'network_g:width=4',
    'network_d:width=4',
    'network_g:num_blocks=1',
]


def test_of_cclgan_the_levels_alone_that_its_networks_declare_have_stars(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """CCLGANModel refuses any other name; the shapes are those of one image."""
    assert main(['layers', '-opt', str(ROOT / 'options/train_cclgan.yml'), *_SMALL]) == 0
    shown = [' '.join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert shown[0].startswith('* = a feature level, which "layers:" of lcl_opt (network_g) or inter_ccl_opt')
    assert [line for line in shown[1:] if line.startswith('*')] == [
        '* block1 level 16 x 8 x 8',
        '* down1 _Stage 8 x 32 x 32',
        '* down2 _Stage 16 x 16 x 16',
        '* image level 3 x 32 x 32',
        '* conv2 FrozenAwareConv2d 8 x 15 x 15',
        '* conv3 FrozenAwareConv2d 16 x 7 x 7',
    ]
    assert 'conv1 FrozenAwareConv2d 4 x 31 x 31' in shown


def test_in_another_model_declared_levels_stand_beside_modules(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'a.yml').write_text(
        'model_type: ContrastiveModel\n'
        'network_g: {type: CCLGANGenerator}\n'
        'network_d: {type: CCLGANDiscriminator}\n'
    )
    assert main(['layers', '-opt', str(tmp_path / 'a.yml'), *_SMALL]) == 0
    shown = [' '.join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for line in ('* block1 level 16 x 8 x 8', '* image level 3', '* conv1 FrozenAwareConv2d 4 x 31 x 31'):
        assert line in shown


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('name: x', 'there is neither network_g nor network_d'),
        ('network_g: {type: RRDBNte}', 'there is no arch "RRDBNte". Did you mean "RRDBNet"?'),
        (
            'network_d: {type: VGGStyleDiscriminator, num_in_ch: 3, num_feat: 4}\ngt_size: 40',
            'network_d (VGGStyleDiscriminator) does not run on an image of 40 x 40 pixels',
        ),
    ],
)
def test_what_has_no_levels_is_an_error(
    content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'a.yml').write_text(content)
    assert main(['layers', '-opt', str(tmp_path / 'a.yml')]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ('key', 'message'),
    [
        ('scale: two', 'a.yml:3: scale: expected a number of at least 1, got "two"'),
        ('gt_size: [64]', 'a.yml:3: gt_size: expected a number of at least 1, got [64]'),
        ('datasets: {train: 5}', 'a.yml:3: datasets.train: expected a map of keys, got 5'),
        ('datasets: {train: {gt_size: 0}}', 'datasets.train.gt_size: expected a number of at least 1, got 0'),
    ],
)
def test_what_the_size_is_reckoned_from_must_be_numbers(
    key: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'a.yml').write_text(f'model_type: SRModel\nnetwork_g: {{type: MSRResNet}}\n{key}\n')
    assert main(['layers', '-opt', str(tmp_path / 'a.yml')]) == 2
    assert message in capsys.readouterr().err
