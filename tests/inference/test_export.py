"""What is exported gives the same pictures in other programs."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from cclgan_plugin.cli import export as command
from cclgan_plugin.cli.main import main
from cclgan_plugin.errors import DataError, OptionError
from cclgan_plugin.inference import Derainer
from cclgan_plugin.inference.export import ExportError, export
from cclgan_plugin.inference.exportable import exportable
from cclgan_plugin.inference.pretrained import find_weights


@pytest.fixture
def written(weights_file, tmp_path):
    def write(kind, extension, **settings):
        return export(str(weights_file), kind, str(tmp_path / f'out{extension}'), **settings).file

    return write


def picture(height, width):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height * width))


def test_the_command_knows_every_format():
    from cclgan_plugin.inference import export as module

    assert tuple(module.FORMATS) == command.FORMATS


SIZES = [(8, 8), (48, 31), (33, 64), (5, 70), (20, 2)]


@pytest.mark.parametrize('size', [*SIZES, (1, 30)])
def test_the_plain_form_is_the_network(make_network, size):
    for options in ({}, {'norm': 'none', 'anti_alias': False}, {'residual_channels': 1}, {'skips': True}):
        network, x = make_network(**options), picture(*size)
        torch.testing.assert_close(exportable(network)(x), network(x), rtol=0, atol=2e-5)


@pytest.mark.skipif(torch.__version__ < (2, 11), reason='the exporter gets the sizes wrong, and is told')
def test_onnx_runs_in_onnxruntime_at_other_sizes_and_batches(written, weights_file):
    onnxruntime = pytest.importorskip('onnxruntime')
    session = onnxruntime.InferenceSession(str(written('onnx', '.onnx')), providers=['CPUExecutionProvider'])
    assert [i.name for i in session.get_inputs()] == ['input']
    derainer = Derainer.from_pretrained(weights_file, device='cpu')
    for size in SIZES:
        x = picture(*size).repeat(2, 1, 1, 1)
        (y,) = session.run(['output'], {'input': x.numpy()})
        np.testing.assert_allclose(y, derainer(x).numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ('kind', 'extension', 'load'),
    [
        ('torchscript', '.pt', 'torch.jit.load(sys.argv[1])'),
        ('pt2', '.pt2', 'torch.export.load(sys.argv[1]).module()'),
    ],
)
def test_torch_alone_loads_it(written, weights_file, tmp_path, kind, extension, load):
    """In a process that knows nothing of us."""
    x = [picture(*size) for size in SIZES]
    torch.save(x, tmp_path / 'x')
    script = (
        f'import sys, torch; f = {load}; torch.save([f(x) for x in torch.load(sys.argv[2])], sys.argv[3])'
    )
    command = [
        sys.executable,
        '-c',
        script,
        str(written(kind, extension)),
        str(tmp_path / 'x'),
        str(tmp_path / 'y'),
    ]
    subprocess.run(command, check=True, cwd=tmp_path)
    derainer = Derainer.from_pretrained(weights_file, device='cpu')
    for image, result in zip(x, torch.load(tmp_path / 'y'), strict=True):
        torch.testing.assert_close(result, derainer(image), rtol=0, atol=1e-4)


def test_safetensors_in_half_is_smaller_and_near(written, weights_file):
    file = written('safetensors', '.safetensors', half=True)
    assert file.stat().st_size < 0.7 * weights_file.stat().st_size
    x = picture(30, 40)
    distance = Derainer.from_pretrained(file, device='cpu')(x) - Derainer.from_pretrained(
        weights_file, device='cpu'
    )(x)
    assert 0 < distance.abs().max() < 0.02


def test_a_difference_from_pytorch_is_noticed(weights_file, tmp_path, monkeypatch):
    from cclgan_plugin.inference import export as module

    form = module.FORMATS['torchscript']
    worse = module.Form('.pt', form.write, lambda file: lambda x: torch.jit.load(str(file))(x) + 1e-3)
    monkeypatch.setitem(module.FORMATS, 'torchscript', worse)
    with pytest.raises(ExportError, match=r'differs from PyTorch by 0\.001'):
        export(str(weights_file), 'torchscript', str(tmp_path / 'out.pt'))
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_a_file_that_gives_no_numbers_is_noticed(weights_file, tmp_path, monkeypatch):
    from cclgan_plugin.inference import export as module

    form = module.FORMATS['torchscript']
    nothing = module.Form('.pt', form.write, lambda file: lambda x: torch.full_like(x, torch.nan))
    monkeypatch.setitem(module.FORMATS, 'torchscript', nothing)
    with pytest.raises(ExportError, match='differs from PyTorch by nan'):
        export(str(weights_file), 'torchscript', str(tmp_path / 'out.pt'))
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_a_file_that_does_not_run_is_not_kept(weights_file, tmp_path, monkeypatch):
    from cclgan_plugin.inference import export as module

    def fail(x):
        raise RuntimeError('Shape mismatch\n {1,16} != {1,17}')

    form = module.FORMATS['torchscript']
    monkeypatch.setitem(module.FORMATS, 'torchscript', module.Form('.pt', form.write, lambda file: fail))
    with pytest.raises(ExportError, match=r'the torchscript file cannot be run: Shape mismatch \{1,16\} != '):
        export(str(weights_file), 'torchscript', str(tmp_path / 'out.pt'))
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


FULL_DISK = """
import resource, signal, sys
from cclgan_plugin.cli.main import main

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))  # what a full disk is to a writer
sys.exit(main(['export', sys.argv[1], '-f', sys.argv[2], '-o', sys.argv[3]]))
"""


@pytest.mark.skipif(sys.platform == 'win32', reason='limits the size of files as POSIX does')
@pytest.mark.parametrize('extension', ['.safetensors', '.onnx', '.pt', '.pt2'])
def test_a_full_disk_is_told_and_leaves_nothing(weights_file, tmp_path, extension):
    kind = {'.pt': 'torchscript'}.get(extension, extension[1:])
    out = tmp_path / f'out{extension}'
    words = [sys.executable, '-c', FULL_DISK, str(weights_file), kind, str(out)]
    result = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (2, ''), result.stderr
    assert f'{out}: cannot be written: ' in result.stderr
    assert 'Traceback' not in result.stderr
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_existing_files_and_wrong_words(weights_file, tmp_path):
    (tmp_path / 'a.safetensors').write_text('precious')
    with pytest.raises(DataError, match='--overwrite'):
        export(str(weights_file), 'safetensors', str(tmp_path / 'a.safetensors'))
    assert (tmp_path / 'a.safetensors').read_text() == 'precious'
    with pytest.raises(ExportError, match=r'ends in \.onnx'):
        export(str(weights_file), 'onnx', str(tmp_path / 'a.pth'))
    with pytest.raises(ExportError, match='--half goes with'):
        export(str(weights_file), 'onnx', str(tmp_path / 'a.onnx'), half=True)


class TestCheckpoints:
    """``.pth`` files of a training, with the options beside them."""

    @pytest.fixture
    def run(self, tmp_path, make_network):
        models = tmp_path / 'experiments/run/models'
        models.mkdir(parents=True)
        options = {'width': 4, 'num_blocks': 1}
        plain, averaged = (make_network(**options).state_dict() for _ in range(2))
        averaged = {name: tensor * 1.1 for name, tensor in averaged.items()}
        torch.save({'params': plain, 'params_ema': averaged}, models / 'net_g_latest.pth')
        torch.save({'optimizers': [], 'schedulers': [], 'iter': 5}, models / 'net_g_5.pth')
        (tmp_path / 'experiments/run/run.yml').write_text(
            'network_g: {type: CCLGANGenerator, width: 4, num_blocks: 1, residual: true}\n'
            'network_d: {type: CCLGANDiscriminator, width: 4}\n'
        )
        return models

    def test_the_command_makes_weights_that_need_no_yaml(self, run, tmp_path, capsys, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert main(['export', str(run / 'net_g_latest.pth'), '-f', 'safetensors']) == 0
        assert 'net_g_latest.safetensors: ' in capsys.readouterr().out
        x = picture(20, 20)
        from_checkpoint = Derainer.from_pretrained(run / 'net_g_latest.pth', device='cpu')
        from_file = Derainer.from_pretrained(tmp_path / 'net_g_latest.safetensors', device='cpu')
        torch.testing.assert_close(from_file(x), from_checkpoint(x), rtol=0, atol=0)
        averaged = torch.load(run / 'net_g_latest.pth')['params_ema']
        torch.testing.assert_close(from_file.network.state_dict(), averaged, rtol=0, atol=0)

    def test_a_training_state_is_none(self, run):
        with pytest.raises(Exception, match='a training state'):
            Derainer.from_pretrained(run / 'net_g_5.pth')

    def test_without_options_the_error_says_how_to_name_them(self, run, tmp_path):
        (tmp_path / 'experiments/run/run.yml').rename(tmp_path / 'elsewhere.yml')
        with pytest.raises(
            OptionError, match=r'no options file in .*experiments/run; export it .* --opt FILE\.yml'
        ):
            Derainer.from_pretrained(run / 'net_g_latest.pth')
        found = export(
            str(run / 'net_g_latest.pth'),
            'safetensors',
            str(tmp_path / 'a.safetensors'),
            options=str(tmp_path / 'elsewhere.yml'),
        )
        assert found.file.exists()
        with pytest.raises(OptionError, match='Did you mean "network_g"'):
            export(
                str(run / 'net_g_latest.pth'),
                'safetensors',
                str(tmp_path / 'b.safetensors'),
                options=str(tmp_path / 'elsewhere.yml'),
                network='network_gg',
            )

    @pytest.mark.parametrize('block', ['[1]', '{width: 4}', '5'])
    def test_a_network_that_is_no_description_is_named(self, run, tmp_path, block):
        (tmp_path / 'bad.yml').write_text(f'network_g: {block}\n')
        with pytest.raises(OptionError, match=r'bad\.yml: network_g: expected "type"') as error:
            find_weights(run / 'net_g_latest.pth', str(tmp_path / 'bad.yml'))
        assert 'Did you mean' not in str(error.value)


def test_an_old_form_is_written_without_a_warning(weights_file, tmp_path, recwarn):
    export(str(weights_file), 'torchscript', str(tmp_path / 'a.pt'))
    assert not [warning for warning in recwarn if 'torch.jit' in str(warning.message)]
