"""`import cclgan_plugin` works on today's stack, in any order and as often as one likes."""

from __future__ import annotations

from collections.abc import Callable
from subprocess import CompletedProcess
from types import SimpleNamespace

import pytest
import torch

from cclgan_plugin import mends
from cclgan_plugin.mends import (
    replacing,
    scipy_filters,
    torchvision_functional_tensor,
    torchvision_on_cpu_torch,
)
from cclgan_plugin.mends.release import is_measured_release

Python = Callable[[str], CompletedProcess[str]]

REGISTERED = """
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, MODEL_REGISTRY
assert 'CCLGANGenerator' in ARCH_REGISTRY and 'LCLLoss' in LOSS_REGISTRY
assert 'UnpairedImageDataset' in DATASET_REGISTRY and 'CCLGANModel' in MODEL_REGISTRY
print('registered')
"""


def test_import_mends_a_basicsr_import_that_failed_before(python: Python) -> None:
    result = python(
        """
try:
    import basicsr
except ModuleNotFoundError as error:
    print('first:', error)
import cclgan_plugin
import basicsr
assert basicsr.archs.build_network and basicsr.utils.registry and basicsr.data.degradations
"""
        + REGISTERED
    )
    assert result.stdout.strip().endswith('registered'), result.stderr
    if torchvision_functional_tensor.__name__.rpartition('.')[2] in mends.applied:
        assert "first: No module named 'torchvision.transforms.functional_tensor'" in result.stdout


def test_import_after_basicsr_mends_names_that_were_copied_before(python: Python) -> None:
    result = python(
        """
import sys, types, torchvision.transforms.functional
shim = types.ModuleType('torchvision.transforms.functional_tensor')
shim.rgb_to_grayscale = torchvision.transforms.functional.rgb_to_grayscale
sys.modules[shim.__name__] = shim
from basicsr.utils import tensor2img
from basicsr.train import train_pipeline
import cclgan_plugin
assert tensor2img.unmended and train_pipeline.__globals__['parse_options'].unmended
import importlib
importlib.reload(cclgan_plugin)
assert tensor2img.unmended.__module__ == 'basicsr.utils.img_util'
"""
        + REGISTERED
    )
    assert result.stdout.strip() == 'registered', result.stderr


def test_torchvision_whose_operators_do_not_load(python: Python) -> None:
    broken = """
import torch
def fail(path):
    raise OSError('undefined symbol')
torch.ops.load_library = fail
"""
    without = python(broken + 'import torchvision')
    assert 'operator torchvision::nms does not exist' in without.stderr
    result = python(
        broken
        + """
import cclgan_plugin
from cclgan_plugin import mends
assert 'torchvision_on_cpu_torch' in mends.applied
import gc; gc.collect()
import torchvision
network = torchvision.models.squeezenet1_0(weights=None).eval()
assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 1000)
assert torchvision.utils.make_grid(torch.zeros(2, 3, 4, 4)).shape[0] == 3
"""
        + REGISTERED
    )
    assert result.stdout.strip() == 'registered', result.stderr


def test_other_failures_of_torchvision_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise RuntimeError('out of luck')

    monkeypatch.setattr(torchvision_on_cpu_torch, 'importlib', SimpleNamespace(import_module=fail))
    with pytest.raises(RuntimeError, match='out of luck'):
        torchvision_on_cpu_torch.needed()


def test_scipy_without_its_old_filters(python: Python) -> None:
    removed = """
import sys
import scipy.ndimage
from importlib.abc import MetaPathFinder
del sys.modules['scipy.ndimage.filters'], scipy.ndimage.filters
class Removed(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == 'scipy.ndimage.filters':
            raise ModuleNotFoundError(f'No module named {name!r}')
sys.meta_path.insert(0, Removed())
"""
    without = python(removed + 'from scipy.ndimage.filters import convolve')
    assert "No module named 'scipy.ndimage.filters'" in without.stderr
    result = python(
        removed
        + """
import cclgan_plugin
from cclgan_plugin import mends
assert 'scipy_filters' in mends.applied
from basicsr.data.data_util import generate_gaussian_kernel
assert abs(generate_gaussian_kernel(13, 1.6).sum() - 1) < 1e-6
"""
        + REGISTERED
    )
    assert result.stdout.strip() == 'registered', result.stderr


def test_mends_step_aside_once_applied_or_not_needed() -> None:
    assert not torchvision_functional_tensor.needed()
    assert not torchvision_on_cpu_torch.needed()
    assert not scipy_filters.needed()
    before = list(mends.applied)
    mends.apply()
    assert mends.applied == before
    assert len(set(before)) == len(before)


def test_a_call_that_failed_is_carried_on_by_the_next(python: Python) -> None:
    result = python("""
import importlib
from cclgan_plugin import mends

mend = importlib.import_module('cclgan_plugin.mends.torchvision_functional_tensor')
needed, mend.needed = mend.needed, lambda: 1 / 0
try:
    mends.apply()
except ZeroDivisionError:
    print(len(mends.applied))
mend.needed = needed
mends.apply()
print(mends.applied[-1])
""")
    assert result.stdout.split()[-1] == 'resumed_validation', result.stdout + result.stderr


@pytest.mark.parametrize(('version', 'mended'), [('1.4.2', True), ('1.4.2+git', True), ('1.4.3rc1', False)])
def test_a_later_release_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, version: str, mended: bool
) -> None:
    monkeypatch.setattr('basicsr.version.__version__', version)
    assert is_measured_release() is mended


def test_a_replacement_reaches_every_copy_of_the_name() -> None:
    import basicsr
    from basicsr.models import hifacegan_model, sr_model
    from basicsr.utils import img_util

    assert img_util.tensor2img is sr_model.tensor2img is hifacegan_model.tensor2img is basicsr.tensor2img
    assert img_util.tensor2img.unmended is not img_util.tensor2img
    assert not replacing._replacements


def test_rgb_to_grayscale_is_what_basicsr_gets() -> None:
    from basicsr.data.degradations import rgb_to_grayscale
    from torchvision.transforms.functional import rgb_to_grayscale as expected

    image = torch.rand(3, 4, 4)
    assert torch.equal(rgb_to_grayscale(image), expected(image))
