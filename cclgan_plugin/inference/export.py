"""A network as a file for other programs, which is loaded again and compared before it counts as written."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from cclgan_plugin.errors import DataError, UserError
from cclgan_plugin.inference.built_network import build_network
from cclgan_plugin.inference.exportable import exportable
from cclgan_plugin.inference.pretrained import find_weights
from cclgan_plugin.inference.weights_file import NetworkWeights, packed, read_weights
from cclgan_plugin.partial_file import partial_path

#: Height and width of the images that a written file is tried with. Not 1x1: instance norm blows the
#: rounding of an image of one colour up to full size, so that it looks different in every program.
_TRIAL_SIZES = ((32, 32), (45, 70), (1, 50), (130, 9))

#: Largest difference in [0, 1] between PyTorch and a written file, in float32.
_TOLERANCE = 1e-4


class ExportError(UserError):
    """A network cannot be written in that form, or gives something else there."""

    exit_code = 1


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        file: where.
        report: how far its result lies from PyTorch's, in words.
    """

    file: Path
    report: str


def export(
    model: str,
    kind: str,
    out: str | None = None,
    half: bool = False,
    options: str | None = None,
    network: str | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write a network in another form.

    Args:
        model: see :func:`~cclgan_plugin.inference.pretrained.find_weights`.
        kind: a key of :data:`FORMATS`.
        out: the file; by default the name of the model with the form's extension, in the current folder.
        half: store float16; for safetensors only.
        options: for ``.pth``, the options file of the training.
        network: for ``.pth``, such as ``network_g``.
        overwrite: replace an existing file.

    Raises:
        WeightsError: there are no such weights.
        DataError: the file exists, or cannot be written.
        ExportError: what was written gives another result than PyTorch.
    """
    form = FORMATS[kind]
    if half and kind != 'safetensors':
        raise ExportError(f'--half goes with -f safetensors; {kind} files are written in float32')
    file = Path(out) if out else Path(Path(model.removeprefix('cclgan://')).stem + form.extension)
    if file.suffix != form.extension:
        raise ExportError(f'{file}: a file of this form ends in {form.extension}')
    if file.exists() and not overwrite:
        raise DataError(f'{file} exists; choose another name, or use --overwrite')
    weights, source = find_weights(model, options, network)
    net = build_network(weights, source)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f'{file.parent}: cannot be made: {error.strerror or error}') from error
    # The extension stays at the end: programs tell the form by it.
    temporary = Path(partial_path(file, keep_extension=True))
    try:
        form.write(net, weights, temporary, half)
        difference = _trial(net, form, temporary, f'{file}: the {kind} file')
        if not difference <= (0.05 if half else _TOLERANCE):
            raise ExportError(f'{file}: the {kind} file differs from PyTorch by {difference:.2g} of [0, 1]')
        os.replace(temporary, file)
    except OSError as error:
        raise DataError(f'{file}: cannot be written: {error.strerror or error}') from error
    finally:
        temporary.unlink(missing_ok=True)
    return Exported(file, f'differs from PyTorch by at most {difference:.1e} of [0, 1]')


def _trial(net: nn.Module, form: Form, file: Path, what: str) -> float:
    """How far the file's results are from the network's, if it gives any."""
    try:
        return _largest_difference(net, form.load(file))
    except UserError:
        raise
    except Exception as error:  # of another program: it may raise anything
        raise ExportError(f'{what} cannot be run: {" ".join(str(error).split())}') from error


def _largest_difference(net: nn.Module, loaded: Callable[[Tensor], Tensor]) -> float:
    generator = torch.Generator().manual_seed(0)
    largest = 0.0
    with torch.inference_mode():
        for height, width in _TRIAL_SIZES:
            x = torch.rand(1, 3, height, width, generator=generator, dtype=torch.float32, device='cpu')
            difference = float((net(x) - loaded(x)).abs().max())
            if math.isnan(difference):  # which max() of Python drops
                return difference
            largest = max(largest, difference)
    return largest


def _write_safetensors(net: nn.Module, weights: NetworkWeights, file: Path, half: bool) -> None:
    file.write_bytes(packed(weights, half))


def _load_safetensors(file: Path) -> Callable[[Tensor], Tensor]:
    return build_network(read_weights(file), str(file))


def _program(net: nn.Module) -> torch.export.ExportedProgram:
    # Batch 2 and odd sides, so that nothing in the program is special to 1 or to multiples of 4.
    x = torch.rand(2, 3, 46, 70, dtype=torch.float32, device='cpu')
    height, width = (
        torch.export.Dim('height', min=1, max=1 << 20),
        torch.export.Dim('width', min=1, max=1 << 20),
    )
    shapes = {0: torch.export.Dim('batch', min=1, max=1 << 16), 2: height, 3: width}
    # That the padded height is a multiple of 4, and so comes back from half and double, the exporter cannot
    # prove; the program checks it when it runs.
    return torch.export.export(
        exportable(net), (x,), dynamic_shapes=(shapes,), prefer_deferred_runtime_asserts_over_guards=True
    )


def _write_pt2(net: nn.Module, weights: NetworkWeights, file: Path, half: bool) -> None:
    # Where a disk is full, PyTorch's own file writer aborts the process.
    buffer = io.BytesIO()
    torch.export.save(_program(net), buffer)
    file.write_bytes(buffer.getvalue())


def _load_pt2(file: Path) -> Callable[[Tensor], Tensor]:
    return torch.export.load(file).module()


def _write_torchscript(net: nn.Module, weights: NetworkWeights, file: Path, half: bool) -> None:
    import warnings

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        x = torch.rand(1, 3, 46, 70, dtype=torch.float32, device='cpu')
        traced = torch.jit.trace(exportable(net), x, check_trace=False)
    # Not by a writer of PyTorch's, as above.
    file.write_bytes(traced.save_to_buffer())


def _load_torchscript(file: Path) -> Callable[[Tensor], Tensor]:
    import warnings

    with warnings.catch_warnings():
        # That the form is an old one; whoever asks for it knows.
        for category in (FutureWarning, DeprecationWarning):
            warnings.simplefilter('ignore', category)
        return torch.jit.load(str(file))


def _write_onnx(net: nn.Module, weights: NetworkWeights, file: Path, half: bool) -> None:
    _needs('onnxscript')
    import warnings

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        torch.onnx.export(
            _program(net),
            (),
            str(file),
            input_names=['input'],
            output_names=['output'],
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _load_onnx(file: Path) -> Callable[[Tensor], Tensor]:
    _needs('onnxruntime')
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=['CPUExecutionProvider'])
    return lambda x: torch.from_numpy(session.run(None, {'input': x.numpy()})[0])


def _needs(package: str) -> None:
    import importlib.util

    if importlib.util.find_spec(package) is None:
        raise ExportError(f'this form needs {package}: pip install "cclgan-plugin[export]"')


@dataclass(frozen=True)
class Form:
    """A form of files.

    Attributes:
        extension: their names end in this.
        write: ``(network, weights, file, half)``.
        load: a written file as a function of ``(N, 3, H, W)``.
    """

    extension: str
    write: Callable[[nn.Module, NetworkWeights, Path, bool], None]
    load: Callable[[Path], Callable[[Tensor], Tensor]]


FORMATS = {
    'safetensors': Form('.safetensors', _write_safetensors, _load_safetensors),
    'onnx': Form('.onnx', _write_onnx, _load_onnx),
    'torchscript': Form('.pt', _write_torchscript, _load_torchscript),
    'pt2': Form('.pt2', _write_pt2, _load_pt2),
}
