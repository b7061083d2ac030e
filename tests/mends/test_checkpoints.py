"""Checkpoints: whole or absent, the same bytes for the same weights, data only, and clear when they do
not fit.
"""

from __future__ import annotations

import copy
import errno
import logging
import os
import pickle
import re
import shutil
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from basicsr import train as train_module
from basicsr.archs import build_network
from basicsr.models import build_model
from basicsr.models.base_model import BaseModel
from torch import nn
from torch.serialization import get_crc32_options, set_crc32_options

from cclgan_plugin.encoders.weights_file import read_tensors
from cclgan_plugin.errors import OptionError, TrainingError, WeightsError
from cclgan_plugin.mends import experiment_folders, resume_state
from cclgan_plugin.mends.trusted_load import load_data_only
from cclgan_plugin.partial_file import partial_path

MakeOpt = Callable[..., dict[str, Any]]
Train = Callable[[dict[str, Any]], None]


@pytest.fixture
def model(make_opt: MakeOpt) -> BaseModel:
    """A tiny SRModel whose folders exist."""
    opt = make_opt()
    train_module.make_exp_dirs(opt)
    return build_model(opt)


def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, 'fsync', fsync)


# ---------------------------------------------------------------------- saving


def test_a_full_disk_ends_the_training_and_keeps_what_was_there(
    model: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.save(0, 5)
    models, states = Path(model.opt['path']['models']), Path(model.opt['path']['training_states'])
    before = (models / 'net_g_5.pth').read_bytes()
    full_disk(monkeypatch)
    with pytest.raises(TrainingError, match=r'Cannot save .*net_g_5\.pth: No space left on device'):
        model.save_network(model.net_g, 'net_g', 5)
    with pytest.raises(TrainingError, match=r'Cannot save .*6\.state: No space left on device'):
        model.save_training_state(0, 6)
    assert (models / 'net_g_5.pth').read_bytes() == before
    assert [path.name for path in models.iterdir()] == ['net_g_5.pth']
    assert [path.name for path in states.iterdir()] == ['5.state']


def test_a_failed_save_is_ignored_without_the_mend(
    model: BaseModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def save(*args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(torch, 'save', save)
    monkeypatch.setattr('time.sleep', lambda seconds: None)
    logging.getLogger('basicsr').addHandler(caplog.handler)
    try:
        BaseModel.save_network.unmended(model, model.net_g, 'net_g', 5)
    finally:
        logging.getLogger('basicsr').removeHandler(caplog.handler)
    assert 'Just ignore it' in caplog.text


def test_the_same_weights_are_the_same_bytes_under_any_name(model: BaseModel) -> None:
    models = Path(model.opt['path']['models'])
    for iteration in (5, 10, -1):
        model.save_network(model.net_g, 'net_g', iteration)
    names = ('net_g_5.pth', 'net_g_10.pth', 'net_g_latest.pth')
    assert len({(models / name).read_bytes() for name in names}) == 1
    for iteration in (5, 10):
        BaseModel.save_network.unmended(model, model.net_g, 'net_g', iteration)
    assert (models / 'net_g_5.pth').read_bytes() != (models / 'net_g_10.pth').read_bytes()


def test_saved_weights_are_those_of_basicsr(model: BaseModel) -> None:
    path = Path(model.opt['path']['models'], 'net_g_5.pth')
    nets, keys = (
        [nn.DataParallel(model.net_g), build_network(model.opt['network_g'])],
        ['params', 'params_ema'],
    )
    BaseModel.save_network.unmended(model, list(nets), 'net_g', 5, keys)
    expected = torch.load(path, weights_only=True)
    model.save_network(list(nets), 'net_g', 5, keys)
    found = torch.load(path, weights_only=True)
    assert list(found) == list(expected) == keys
    for key in keys:
        assert list(found[key]) == list(expected[key])
        assert all(torch.equal(found[key][name], expected[key][name]) for name in found[key])
        assert found[key]._metadata == expected[key]._metadata


def test_names_of_wrappers_stay_out_of_checkpoints(model: BaseModel) -> None:
    path = Path(model.opt['path']['models'], 'net_g_5.pth')
    bare = list(model.net_g.state_dict())
    for wrapped in (torch.compile(model.net_g), nn.DataParallel(torch.compile(model.net_g))):
        model.save_network(wrapped, 'net_g', 5)
        assert list(torch.load(path, weights_only=True)['params']) == bare
    # Those of other programs are read all the same.
    compiled = {f'_orig_mod.{key}': tensor + 1 for key, tensor in model.net_g.state_dict().items()}
    torch.save({'params': compiled}, path)
    model.load_network(model.net_g, path)
    key = bare[0]
    assert torch.equal(model.net_g.state_dict()[key], compiled[f'_orig_mod.{key}'])


def test_keys_and_networks_go_together(model: BaseModel) -> None:
    with pytest.raises(ValueError, match='2 networks, 1 keys'):
        model.save_network([model.net_g, model.net_g], 'net_g', 5)


def test_the_end_of_training_leaves_no_state(model: BaseModel) -> None:
    model.save_training_state(0, -1)
    assert not list(Path(model.opt['path']['training_states']).iterdir())


# ---------------------------------------------------------------------- loading weights


def test_weights_of_another_architecture_are_described(model: BaseModel, tmp_path: Path) -> None:
    wider = build_network({**model.opt['network_g'], 'num_feat': 8, 'num_conv': 2})
    torch.save({'params': wider.state_dict()}, tmp_path / 'wider.pth')
    with pytest.raises(WeightsError) as caught:
        model.load_network(model.net_g, tmp_path / 'wider.pth')
    message = str(caught.value)
    assert 'wider.pth does not fit SRVGGNetCompact' in message
    assert 'body.0.weight: (8, 3, 3, 3) in the file, (4, 3, 3, 3) in the network' in message
    assert 'unknown to the network, such as body.5.weight' in message


def test_weights_that_fit_in_part_are_loaded_if_asked(model: BaseModel, tmp_path: Path) -> None:
    other = build_network({**model.opt['network_g'], 'num_conv': 2})
    torch.save({'params': other.state_dict()}, tmp_path / 'other.pth')
    model.load_network(model.net_g, tmp_path / 'other.pth', strict=False)
    assert torch.equal(model.net_g.body[0].weight, other.body[0].weight)


def test_weights_are_found_under_their_key(model: BaseModel, tmp_path: Path) -> None:
    new = build_network(model.opt['network_g'])
    wrapped = OrderedDict((f'module.{key}', tensor) for key, tensor in new.state_dict().items())
    torch.save({'params': wrapped}, tmp_path / 'a.pth')
    torch.save(wrapped, tmp_path / 'bare.pth')
    for file, key in (('a.pth', 'params'), ('a.pth', 'params_ema'), ('bare.pth', None)):
        net = build_network(model.opt['network_g'])
        model.load_network(nn.DataParallel(net), tmp_path / file, param_key=key)
        assert torch.equal(net.body[0].weight, new.body[0].weight)
    with pytest.raises(
        WeightsError, match=r'bare\.pth holds no "params" for SRVGGNetCompact; it holds module\.body'
    ):
        model.load_network(net, tmp_path / 'bare.pth')
    with pytest.raises(WeightsError, match=r'a\.pth holds no weights of a network'):
        model.load_network(net, tmp_path / 'a.pth', param_key=None)


def test_what_a_file_lacks_is_alike_in_the_average(make_opt: MakeOpt, tmp_path: Path) -> None:
    opt = make_opt(ema_decay=0.9)
    opt['path']['strict_load_g'] = False
    weights = build_network(opt['network_g']).state_dict()
    torch.save({'params': dict(list(weights.items())[:1])}, tmp_path / 'part.pth')
    opt['path']['pretrain_network_g'] = str(tmp_path / 'part.pth')
    model = build_model(opt)
    average = model.net_g_ema.state_dict()
    assert all(torch.equal(average[key], value) for key, value in model.net_g.state_dict().items())


@pytest.mark.parametrize('key', [None, 'gen'])
def test_the_average_begins_as_the_generator_whatever_the_key(
    make_opt: MakeOpt, tmp_path: Path, key: str | None
) -> None:
    opt = make_opt(ema_decay=0.9)
    weights = build_network(opt['network_g']).state_dict()
    torch.save(weights if key is None else {key: weights}, tmp_path / 'some.pth')
    opt['path'] |= {'pretrain_network_g': str(tmp_path / 'some.pth'), 'param_key_g': key}
    model = build_model(opt)
    for net in (model.net_g, model.net_g_ema):
        assert all(torch.equal(net.state_dict()[name], value) for name, value in weights.items())
    with pytest.raises((KeyError, RuntimeError)):
        BaseModel.load_network.unmended(model, model.net_g_ema, tmp_path / 'some.pth', True, 'params_ema')


class Attack:
    """Makes a folder when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_files_that_are_no_checkpoints_are_named_and_never_run(model: BaseModel, tmp_path: Path) -> None:
    (tmp_path / 'text.pth').write_text('weights')
    (tmp_path / 'attack.pth').write_bytes(pickle.dumps({'params': Attack(tmp_path / 'pwned')}, protocol=2))
    model.save_network(model.net_g, 'net_g', 5)
    whole = Path(model.opt['path']['models'], 'net_g_5.pth').read_bytes()
    (tmp_path / 'short.pth').write_bytes(whole[: len(whole) // 2])
    for name, reason in (('text', 'no checkpoint'), ('attack', 'not trusted'), ('short', 'cut short')):
        with pytest.raises(WeightsError, match=rf'{name}\.pth cannot be read as a checkpoint: .*{reason}'):
            model.load_network(model.net_g, tmp_path / f'{name}.pth')
    with pytest.raises(WeightsError, match=r'There is no file .*none\.pth'):
        model.load_network(model.net_g, tmp_path / 'none.pth')
    assert not (tmp_path / 'pwned').exists()


class Claim:
    """Asks for memory when unpickled: 64 MB here, and whatever an attacker writes."""

    def __reduce__(self) -> tuple[Any, ...]:
        return bytearray, (64 << 20,)


def claim(path: Path) -> None:
    torch.save({'params': {'a': Claim()}}, path)


def old_claim(path: Path) -> None:
    torch.save({'params': {'a': Claim()}}, path, _use_new_zipfile_serialization=False)


def rezipped(path: Path, compression: int = zipfile.ZIP_STORED) -> None:
    torch.save({'params': {'a': torch.zeros(1 << 20)}}, path)
    with zipfile.ZipFile(path) as source:
        entries = {name: source.read(name) for name in source.namelist()}
    with zipfile.ZipFile(path, 'w', compression) as target:
        for name, content in entries.items():
            target.writestr(name, content)
        if compression == zipfile.ZIP_STORED:
            # Bytes that are there once, but listed four times.
            target.filelist += [max(target.filelist, key=lambda entry: entry.file_size)] * 3


def compressed(path: Path) -> None:
    rezipped(path, zipfile.ZIP_DEFLATED)


@pytest.mark.parametrize(
    ('write', 'reason'),
    [
        (claim, 'holds a "bytearray", which may ask for any amount'),
        (old_claim, 'holds a "bytearray", which may ask for any amount'),
        (compressed, 'it is compressed, and may become any size'),
        (rezipped, 'it announces more bytes than the [0-9]+ it has'),
    ],
)
def test_a_small_file_does_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, write: Callable[[Path], None], reason: str
) -> None:
    write(tmp_path / 'a.pth')
    monkeypatch.setattr('torch.load', lambda *_, **__: pytest.fail('it was read'))
    with pytest.raises(WeightsError, match=rf'a\.pth cannot be read as a checkpoint: .*{reason}'):
        load_data_only(tmp_path / 'a.pth')
    with pytest.raises(WeightsError, match=rf'a\.pth cannot be read as a checkpoint: .*{reason}'):
        read_tensors(tmp_path / 'a.pth', 'params')


@pytest.mark.parametrize('zipped', [True, False])
def test_whatever_a_training_saves_is_read(tmp_path: Path, zipped: bool) -> None:
    net = nn.Linear(2, 2)
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    shared = torch.arange(6.0)
    content = {
        'params': net.state_dict(),
        'bare': nn.Parameter(torch.ones(2, dtype=torch.bfloat16)),
        'views': [shared[:3], shared[3:], torch.zeros(1).expand(9), torch.empty(0)],
        'optimizers': [optimizer.state_dict()],
        'random': torch.get_rng_state(),
        'plain': (1, 2**70, 0.5, True, None, 'text', b'bytes', {1, 2}, 1j, Counter('ab'), torch.float16),
    }
    torch.save(content, tmp_path / 'a.pth', _use_new_zipfile_serialization=zipped)
    found = load_data_only(tmp_path / 'a.pth')
    assert found.keys() == content.keys()
    assert found['plain'] == content['plain']
    assert torch.equal(found['random'], content['random'])
    # Files without check sums, which zipfile would call damaged.
    before = get_crc32_options()
    set_crc32_options(False)
    try:
        torch.save(content, tmp_path / 'b.pth', _use_new_zipfile_serialization=zipped)
    finally:
        set_crc32_options(before)
    assert load_data_only(tmp_path / 'b.pth')['plain'] == content['plain']


@pytest.mark.filterwarnings('ignore:.torch.jit:FutureWarning', 'error:.*TorchScript archive')
def test_a_program_is_told_from_damaged_weights(model: BaseModel, tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(nn.Linear(1, 1), torch.zeros(1, 1)), str(tmp_path / 'net.pt'))
    with pytest.raises(WeightsError, match=r'net\.pt is a TorchScript program, not weights'):
        model.load_network(model.net_g, tmp_path / 'net.pt')


def test_a_misfit_is_torchs_own_error_without_the_mend(model: BaseModel, tmp_path: Path) -> None:
    torch.save({'params': nn.Linear(1, 1).state_dict()}, tmp_path / 'a.pth')
    with pytest.raises(RuntimeError, match='Error'):
        BaseModel.load_network.unmended(model, model.net_g, tmp_path / 'a.pth')


# ---------------------------------------------------------------------- resuming


def interrupted(make_opt: MakeOpt, train: Train, total_iter: int = 4) -> dict[str, Any]:
    """Options of a run that has saved iterations 2 and 4."""
    opt = make_opt(total_iter=total_iter)
    opt['logger']['save_checkpoint_freq'] = 2
    train(opt)
    opt = make_opt(total_iter=total_iter)
    opt['auto_resume'] = True
    return opt


def test_resuming_works_on_a_cpu_and_below_any_root(make_opt: MakeOpt, train: Train) -> None:
    opt = interrupted(make_opt, train)
    # The tests run elsewhere than in this run's root, which is where BasicSR would look.
    state = train_module.load_resume_state(opt)
    assert (state['epoch'], state['iter']) == (1, 4)
    assert resume_state.starting_point == (1, 4)
    assert opt['path']['resume_state'].endswith('training_states/4.state')
    assert opt['path']['pretrain_network_g'].endswith('models/net_g_4.pth')


def test_a_run_that_is_to_end_before_where_it_is_is_refused(make_opt: MakeOpt, train: Train) -> None:
    """It would train nothing, and look like success."""
    opt = interrupted(make_opt, train)
    opt['train']['total_iter'] = 3
    with pytest.raises(OptionError, match=r'train\.total_iter: 3, but .*4\.state is of iteration 4'):
        train_module.load_resume_state(opt)


def test_resuming_is_forgotten_elsewhere_and_needs_cuda_without_the_mend(
    make_opt: MakeOpt, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opt = interrupted(make_opt, train)
    assert train_module.load_resume_state.unmended(opt) is None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, 'current_device', lambda: (_ for _ in ()).throw(RuntimeError('no CUDA')))
    with pytest.raises(RuntimeError, match='no CUDA'):
        train_module.load_resume_state.unmended(opt)


def test_a_resumed_run_goes_on_to_its_end(make_opt: MakeOpt, train: Train) -> None:
    interrupted(make_opt, train)
    opt = make_opt(total_iter=9)
    opt |= {'auto_resume': True, 'logger': {**opt['logger'], 'save_checkpoint_freq': 9}}
    train(opt)
    assert Path(opt['path']['training_states'], '9.state').is_file()


def test_a_run_with_other_images_is_refused_unless_allowed(
    make_opt: MakeOpt, train: Train, tmp_path: Path
) -> None:
    interrupted(make_opt, train)
    opt = make_opt(total_iter=5) | {'auto_resume': True}
    images = Path(opt['datasets']['train']['dataroot_lq'])
    opt['datasets']['train'] |= dict.fromkeys(('dataroot_lq', 'dataroot_gt'), str(tmp_path / 'moved'))
    images.rename(tmp_path / 'moved')
    # As many as before, so that an epoch is as long as it was.
    (tmp_path / 'moved/0.png').rename(tmp_path / 'moved/a.png')
    with pytest.raises(OptionError, match=r'another kind of run: dataroot_gt: images of other names, or in'):
        train(copy.deepcopy(opt))
    opt['path']['resume_changed'] = 'allow'
    train(copy.deepcopy(opt))
    # The state now has the images of now, and an older one none at all.
    (tmp_path / 'moved/a.png').rename(tmp_path / 'moved/0.png')
    opt['path']['resume_changed'] = 'error'
    path = Path(opt['path']['training_states'], '4.state')
    state = torch.load(path, weights_only=True)
    assert state['images']['dataroot_gt']['number'] == 8
    train(copy.deepcopy(opt))
    (tmp_path / 'moved/0.png').rename(tmp_path / 'moved/a.png')
    del state['images']
    torch.save(state, path)
    train(opt)


def test_damaged_and_stray_states_are_passed_over_by_name(
    make_opt: MakeOpt, train: Train, caplog: pytest.LogCaptureFixture
) -> None:
    opt = interrupted(make_opt, train, total_iter=6)
    states, models = Path(opt['path']['training_states']), Path(opt['path']['models'])
    (states / 'latest.state').touch()
    (states / '6.state').write_bytes((states / '6.state').read_bytes()[:100])
    (models / 'net_g_4.pth').write_bytes(b'')
    logging.getLogger('basicsr').addHandler(caplog.handler)
    try:
        state = train_module.load_resume_state(opt)
    finally:
        logging.getLogger('basicsr').removeHandler(caplog.handler)
    assert state['iter'] == 2
    assert 'passes over latest.state: in ' in caplog.text
    assert '6.state cannot be read as a checkpoint' in caplog.text
    assert 'net_g_4.pth do not belong together' in caplog.text


def test_a_run_with_damaged_states_alone_is_not_silently_begun_anew(make_opt: MakeOpt, train: Train) -> None:
    opt = interrupted(make_opt, train)
    for path in Path(opt['path']['training_states']).iterdir():
        path.write_bytes(b'')
    with pytest.raises(TrainingError, match=r'none of the 2 training states .* can be resumed'):
        train_module.load_resume_state(opt)


def test_auto_resume_begins_where_there_is_nothing_to_resume(make_opt: MakeOpt) -> None:
    opt = make_opt()
    opt['auto_resume'] = True
    assert train_module.load_resume_state(opt) is None


def test_a_resume_state_of_another_kind_is_refused(make_opt: MakeOpt, train: Train, tmp_path: Path) -> None:
    opt = interrupted(make_opt, train)
    opt['auto_resume'] = False
    opt['path']['resume_state'] = str(Path(opt['path']['models'], 'net_g_4.pth'))
    with pytest.raises(
        WeightsError, match=r'net_g_4\.pth is no training state: it should hold epoch.*holds params'
    ):
        train_module.load_resume_state(opt)
    opt['path']['resume_state'] = str(tmp_path / 'none.state')
    with pytest.raises(WeightsError, match='There is no file'):
        train_module.load_resume_state(opt)


def test_a_state_without_its_networks_is_refused(make_opt: MakeOpt, train: Train) -> None:
    opt = interrupted(make_opt, train)
    opt['auto_resume'] = False
    opt['path']['resume_state'] = str(Path(opt['path']['training_states'], '4.state'))
    Path(opt['path']['models'], 'net_g_4.pth').unlink()
    with pytest.raises(WeightsError, match=r'4\.state goes with .*net_g_4\.pth, and there is no such file'):
        train_module.load_resume_state(opt)
    opt['path']['ignore_resume_networks'] = ['network_g']
    assert train_module.load_resume_state(opt)['iter'] == 4


def test_a_state_of_another_run_says_which(make_opt: MakeOpt, train: Train, tmp_path: Path) -> None:
    """What is advised helps: the name of then, or its folder under the name of now."""
    then = interrupted(make_opt, train)
    folder = Path(then['path']['experiments_root'])
    now = copy.deepcopy(then) | {'name': 'other', 'auto_resume': False}
    now['path'] |= {
        key: value.replace(f'{folder}', f'{folder.parent}/other')
        for key, value in then['path'].items()
        if isinstance(value, str)
    }
    state = str(folder / 'training_states/4.state')
    for opt in (then, now):
        opt['auto_resume'], opt['path']['resume_state'] = False, state
    ways = f'is of the run in {folder}: set name: tiny, or copy that folder to {folder.parent}/other first.'
    with pytest.raises(WeightsError, match=re.escape(ways)):
        train_module.load_resume_state(copy.deepcopy(now))
    assert train_module.load_resume_state(copy.deepcopy(then))['iter'] == 4
    shutil.copytree(folder, folder.parent / 'other')
    now['train']['total_iter'] = 5
    train(copy.deepcopy(now))
    # What lies there by now may be another run's.
    (folder.parent / 'other/models/net_g_4.pth').write_bytes(b'')
    with pytest.raises(WeightsError, match=r'do not belong together.* of the run in .*: set name: tiny\.$'):
        train_module.load_resume_state(copy.deepcopy(now))
    Path(then['path']['models'], 'net_g_4.pth').unlink()
    with pytest.raises(WeightsError, match=r'net_g_4\.pth, and there is no such file\.$'):
        train_module.load_resume_state(then)


def test_a_network_that_the_run_did_not_have_is_told_from_one_that_is_lost(
    make_opt: MakeOpt, train: Train
) -> None:
    opt = interrupted(make_opt, train)
    opt['network_h'] = dict(opt['network_g'])
    opt['train']['contrastive_opt'] = {'lcl': {'type': 'LCLLoss'}}
    state = train_module.load_resume_state(opt)
    file = Path(opt['path']['models'], 'net_h_4.pth')
    model = build_model(opt)
    told = (
        rf'no file {file}: the run of .*4\.state had no network_h\. Leave out network_h, '
        rf'train\.contrastive_opt\.lcl; or begin .*path\.pretrain_network_g: {file.parent}/net_g_4\.pth$'
    )
    with pytest.raises(WeightsError, match=told):
        model.load_network(model.net_g, file)
    # What the state says nothing of may be lost.
    del state['networks']
    torch.save(state, opt['path']['resume_state'])
    train_module.load_resume_state(opt)
    with pytest.raises(WeightsError, match=rf'There is no file {file}\.$'):
        model.load_network(model.net_g, file)


def test_a_network_that_the_model_never_saved_is_no_reason_to_begin_anew(
    make_opt: MakeOpt, train: Train
) -> None:
    opt = interrupted(make_opt, train)
    opt['network_d'] = dict(opt['network_g'])
    assert train_module.load_resume_state(opt)['iter'] == 4
    del opt['network_g']
    opt['auto_resume'] = False
    opt['path']['resume_state'] = str(Path(opt['path']['training_states'], '4.state'))
    with pytest.raises(WeightsError, match=r'was saved without net_d_4\.pth; the options have another model'):
        train_module.load_resume_state(opt)


def test_a_mixed_set_is_refused(make_opt: MakeOpt, train: Train) -> None:
    opt = interrupted(make_opt, train)
    models = Path(opt['path']['models'])
    # Whole, of the right shape, and of another iteration.
    (models / 'net_g_4.pth').write_bytes((models / 'net_g_2.pth').read_bytes())
    assert train_module.load_resume_state(opt)['iter'] == 2
    opt['auto_resume'] = False
    opt['path']['resume_state'] = str(Path(opt['path']['training_states'], '4.state'))
    with pytest.raises(WeightsError, match=r'4\.state and .*net_g_4\.pth do not belong together'):
        train_module.load_resume_state(opt)


def test_a_state_of_plain_basicsr_resumes_with_what_is_there(make_opt: MakeOpt, train: Train) -> None:
    opt = interrupted(make_opt, train)
    path = Path(opt['path']['training_states'], '4.state')
    state = torch.load(path, weights_only=True)
    torch.save({key: state[key] for key in resume_state.STATE_KEYS}, path)
    assert train_module.load_resume_state(opt)['iter'] == 4
    Path(opt['path']['models'], 'net_g_4.pth').unlink()
    opt |= {'auto_resume': False}
    opt['path']['resume_state'] = str(path)
    with pytest.raises(WeightsError, match=r'such as .*net_g_4\.pth, and there are none'):
        train_module.load_resume_state(opt)


def test_a_resumed_run_keeps_the_seed_it_began_with(make_opt: MakeOpt, train: Train) -> None:
    opt = interrupted(make_opt, train)
    opt['manual_seed'] = opt['datasets']['train']['manual_seed'] = 99
    train_module.load_resume_state(opt)
    assert opt['manual_seed'] == opt['datasets']['train']['manual_seed'] == 0


def test_networks_that_the_run_has_saved_are_found_under_their_own_key(
    make_opt: MakeOpt, train: Train
) -> None:
    opt = interrupted(make_opt, train)
    opt['path']['param_key_g'] = None
    train_module.load_resume_state(opt)
    assert opt['path']['param_key_g'] == 'params'


def test_states_after_the_one_gone_back_to_are_set_aside(
    make_opt: MakeOpt, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    opt = interrupted(make_opt, train)
    states = Path(opt['path']['training_states'])
    opt |= {'auto_resume': False}
    opt['path']['resume_state'] = str(states / '2.state')
    train_module.load_resume_state(opt)
    assert '1 later states are now in' in capsys.readouterr().out
    assert [file.name for file in states.glob('*.state')] == ['2.state']
    assert [file.name for file in states.glob('given_up_at_2_*/*')] == ['4.state']
    again = make_opt()
    again['auto_resume'] = True
    assert train_module.load_resume_state(again)['iter'] == 2


@pytest.mark.parametrize(('best_at', 'stays'), [(4, False), (2, True)])
def test_a_best_network_of_a_course_that_is_given_up_goes_with_it(
    make_opt: MakeOpt, train: Train, best_at: int, stays: bool
) -> None:
    opt = interrupted(make_opt, train)
    states, best = Path(opt['path']['training_states']), Path(opt['path']['models'], 'net_g_best_psnr.pth')
    best.write_bytes(b'weights')
    for name, iteration in (('2', 2), ('4', best_at)):
        state = torch.load(states / f'{name}.state')
        state['best_metric_results'] = {
            'pairs': {'psnr': {'better': 'higher', 'val': 9.0, 'iter': iteration}}
        }
        torch.save(state, states / f'{name}.state')
    opt |= {'auto_resume': False}
    opt['path']['resume_state'] = str(states / '2.state')
    found = train_module.load_resume_state(opt)
    assert best.exists() is stays
    assert ('best_metric_results' in found) is stays
    assert len(list(states.glob('given_up_at_2_*/net_g_best_psnr.pth'))) == (not stays)


def test_the_state_is_chosen_when_nobody_else_saves_one(
    make_opt: MakeOpt, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    opt = interrupted(make_opt, train)
    states = Path(opt['path']['training_states'])
    late = states / '4.state'
    late.rename(states / 'kept')
    # Who holds the folder saves its last state while we wait for it.
    monkeypatch.setattr(resume_state, 'claim', lambda folder: (states / 'kept').rename(late))
    assert train_module.load_resume_state(opt)['iter'] == 4


def test_what_a_kill_left_behind_is_removed_on_resuming(
    make_opt: MakeOpt, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what another process is writing just now is not."""
    opt = interrupted(make_opt, train)
    being_written = Path(partial_path(Path(opt['path']['models'], 'net_g_6.pth')))
    with monkeypatch.context() as killed:
        killed.setattr(os, 'getpid', lambda: 2**31 - 1)
        leftover = Path(partial_path(Path(opt['path']['models'], 'net_g_6.pth')))
    for file in (being_written, leftover):
        file.write_bytes(b'half')
    train_module.load_resume_state(opt)
    assert being_written.exists()
    assert not leftover.exists()


def test_checks_run_before_resuming(make_opt: MakeOpt, train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    opt = interrupted(make_opt, train)
    seen: list[str] = []
    monkeypatch.setattr(experiment_folders, 'before_create', [lambda opt: seen.append(opt['name'])])
    train_module.load_resume_state(opt)
    assert seen == ['tiny']


def test_a_state_of_another_model_is_refused(make_opt: MakeOpt, train: Train, model: BaseModel) -> None:
    state = {'epoch': 0, 'iter': 1, 'optimizers': [], 'schedulers': []}
    with pytest.raises(WeightsError, match='was saved with 0 optimizers; model_type SRModel has 1'):
        model.resume_training(state)
    with pytest.raises(AssertionError, match='Wrong lengths of optimizers'):
        BaseModel.resume_training.unmended(model, state)
    other = torch.optim.Adam(nn.Sequential(nn.Linear(1, 1)).parameters())
    state |= {'optimizers': [other.state_dict()], 'schedulers': [model.schedulers[0].state_dict()]}
    with pytest.raises(WeightsError, match=r'does not fit number 0 of the optimizers \(Adam\)'):
        model.resume_training(state)


def test_another_kind_of_optimizer_is_refused(make_opt: MakeOpt, train: Train) -> None:
    """SGD needs nothing of what Adam has left, and AdamW the same as Adam; so torch takes either."""
    interrupted(make_opt, train)
    for kind in ('AdamW', 'SGD'):
        opt = make_opt(total_iter=5, optim_g={'type': kind, 'lr': 1e-3}) | {'auto_resume': True}
        told = rf'4\.state: optimizer 0 was Adam, is {kind} now \(train\.optim_g\)\. Write it as it was'
        with pytest.raises(WeightsError, match=told):
            train(opt)
    path = Path(opt['path']['training_states'], '4.state')
    state = torch.load(path, weights_only=True)
    model = build_model(make_opt(optim_g={'type': 'AdamW', 'lr': 1e-3}))
    BaseModel.resume_training.unmended(model, copy.deepcopy(state))
    # A state that has no names, as they were before.
    assert state.pop('optimizer_types') == ['Adam']
    model.resume_training(state)


@pytest.mark.parametrize('rate', [1e-3, 2e-3])
def test_a_learning_rate_that_does_not_count_is_told(
    make_opt: MakeOpt, train: Train, caplog: pytest.LogCaptureFixture, rate: float
) -> None:
    opt = interrupted(make_opt, train)
    state = torch.load(Path(opt['path']['training_states'], '4.state'), weights_only=True)
    model = build_model(make_opt(optim_g={'type': 'Adam', 'lr': rate}))
    logging.getLogger('basicsr').addHandler(caplog.handler)
    try:
        model.resume_training(state)
    finally:
        logging.getLogger('basicsr').removeHandler(caplog.handler)
    told = '(train.optim_g): the run began with a learning rate of 0.001, which still counts, not the 0.002'
    assert (told in caplog.text) is (rate != 1e-3)
    assert 'learning rate' not in caplog.text.replace(told, '')
    model.update_learning_rate(5)
    assert model.get_current_learning_rate() == [1e-3]


def test_the_best_values_of_before_stand_beside_metrics_that_are_new(model: BaseModel) -> None:
    model.opt['val'] = {'metrics': {'psnr': {}, 'ssim': {}}}
    for mended in (True, False):
        model.best_metric_results = {'pairs': {'psnr': {'better': 'higher', 'val': 9.0, 'iter': 2}}}
        initialize = BaseModel._initialize_best_metric_results
        (initialize if mended else initialize.unmended)(model, 'pairs')
        with nullcontext() if mended else pytest.raises(KeyError, match='ssim'):
            model._update_best_metric_result('pairs', 'ssim', 0.5, 4)
        assert model.best_metric_results['pairs']['psnr']['val'] == 9.0


def test_a_resumed_optimizer_has_the_options_of_now(model: BaseModel) -> None:
    """As the options file says that is kept with the run."""
    params = list(model.net_g.parameters())
    saved = torch.optim.Adam(params, 7e-3, betas=(0.1, 0.2), weight_decay=0.3)
    state = {'iter': 1, 'optimizers': [saved.state_dict()], 'schedulers': [model.schedulers[0].state_dict()]}
    own = {**model.optimizer_g.param_groups[0], 'lr': 7e-3}
    model.resume_training(state)
    (group,) = model.optimizer_g.param_groups
    assert {k: group[k] for k in ('lr', 'betas', 'weight_decay')} == {
        k: own[k] for k in ('lr', 'betas', 'weight_decay')
    }
    BaseModel.resume_training.unmended(model, state)
    assert model.optimizer_g.param_groups[0]['betas'] == (0.1, 0.2)
