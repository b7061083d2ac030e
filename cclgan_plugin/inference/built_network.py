"""The network that described weights belong to, built without trusting the description."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import torch
from torch import Tensor

from cclgan_plugin.errors import WeightsError, did_you_mean, line_of
from cclgan_plugin.inference.bounded_build import bounded_build
from cclgan_plugin.inference.weights_file import NetworkWeights

#: Networks of BasicSR that download others' weights when they are built.
_FETCHING = ('VGGFeatureExtractor',)


def build_network(weights: NetworkWeights, where: str) -> torch.nn.Module:
    """The network itself, in float32, ready for inference.

    Args:
        weights: what to build.
        where: the file, for messages.

    Raises:
        WeightsError: the network is not registered, refuses its options, is larger than the tensors or does
            not fit them, or gives no image of the size of its input.
    """
    from cclgan_plugin.options import registered

    build = registered.find('arch', weights.arch)
    if build is None:
        names = registered.names_of('arch')
        raise WeightsError(
            f'{where}: it is made for the network "{weights.arch}", which nobody has registered; '
            '--plugin PACKAGE imports an installed package that does.' + did_you_mean(weights.arch, names)
        )
    _check_data_only(weights, where)
    # First without memory: a description of a few bytes may ask for a network of any size.
    with contextlib.suppress(_CannotBuildError), torch.device('meta'):
        _load(_built(build, weights, where), weights, where, assign=True)
    # On whatever device the caller makes tensors by default.
    with torch.device('cpu'):
        network = _built(build, weights, where)
    _load(network, weights, where)
    network.float().eval().requires_grad_(False)
    _check_image_to_image(network, weights.arch, where)
    return network


class _CannotBuildError(WeightsError):
    pass


def _built(build: Callable[..., torch.nn.Module], weights: NetworkWeights, where: str) -> torch.nn.Module:
    try:
        with torch.random.fork_rng(devices=[]), bounded_build(weights, where):
            return build(**weights.options)
    except WeightsError:
        raise
    except Exception as error:  # a stranger's constructor may raise anything
        raise _CannotBuildError(f'{where}: {weights.arch} refuses its options: {line_of(error)}') from error


def _load(network: torch.nn.Module, weights: NetworkWeights, where: str, assign: bool = False) -> None:
    own = network.state_dict()
    for name, tensor in weights.tensors.items():
        # PyTorch would drop their imaginary part.
        if tensor.is_complex() and name in own and not own[name].is_complex():
            raise WeightsError(f'{where}: {name}: complex numbers, {weights.arch} expects real ones')
    try:
        network.load_state_dict(weights.tensors, assign=assign)
    except RuntimeError as error:
        raise WeightsError(f'{where}: the weights do not fit {weights.arch}: {line_of(error, 1)}') from error


def _check_data_only(weights: NetworkWeights, where: str) -> None:
    """Refuse what would open other files, or fetch them: BasicSR's networks read those without asking."""
    if weights.arch in _FETCHING:
        raise WeightsError(f'{where}: {weights.arch} derains nothing, and fetches weights by itself')
    for key, value in weights.options.items():
        if key.endswith('path') and isinstance(value, str):
            raise WeightsError(
                f'{where}: its option {key} names another file ("{value}"), which is not opened; '
                'weights bring all they need'
            )


def _check_image_to_image(network: torch.nn.Module, arch: str, where: str) -> None:
    expected = (1, 3, 32, 32)
    try:
        with torch.inference_mode():
            result = network(torch.full(expected, 0.5, dtype=torch.float32, device='cpu'))
    except Exception as error:
        raise WeightsError(
            f'{where}: {arch} does not take an image of 32x32 pixels: {line_of(error)}'
        ) from error
    if not isinstance(result, Tensor) or result.shape != expected:
        shape = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
        raise WeightsError(
            f'{where}: {arch} is no network that derains: of an image {expected} it makes {shape}'
        )
    if not bool(result.isfinite().all()):
        raise WeightsError(
            f'{where}: {arch} makes values that are no finite numbers; its weights are damaged'
        )
