"""Do the weights that the options name exist, and do they fit the networks that the options describe?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cclgan_plugin.errors import UserError, WeightsError, did_you_mean_file
from cclgan_plugin.options.blank_networks import build_blank
from cclgan_plugin.options.schema.groups import NETWORKS
from cclgan_plugin.weight_names import bare_names

Shapes = dict[str, tuple[int, ...]]

_PREFIX = 'pretrain_network_'


def check_weights(opt: dict[str, Any]) -> None:
    """Look into every ``path.pretrain_network_*``.

    In a run that resumes these are the networks saved with the state; one that is missing there is the
    model's to judge, since not every model saves all of its networks.

    Raises:
        WeightsError: a file is missing, is something else, or was made for another network.
    """
    for key, file in opt['path'].items():
        if not key.startswith(_PREFIX) or file is None:
            continue
        name = key.removeprefix(_PREFIX)
        if opt['path'].get('resume_state') and not Path(file).exists():
            continue
        shapes = read_shapes(
            _local(file, f'path.{key}'), opt['path'].get(f'param_key_{name}', 'params'), f'path.{key}'
        )
        network = opt.get(f'network_{name}')
        if network is not None:
            _compare(opt, name, shapes, opt['path'].get(f'strict_load_{name}', True), f'path.{key}: {file}')


def _local(file: str, key: str) -> Path:
    from cclgan_plugin.mends.trusted_load import local_file

    try:
        return local_file(file)
    except WeightsError as error:
        raise WeightsError(f'{key}: {error}') from error


def read_shapes(file: Path, param_key: str | None, key: str) -> Shapes:
    """Names and shapes of the tensors in a checkpoint, without running code from it.

    Args:
        file: as named in the options.
        param_key: the entry that holds the weights; None = the file itself.
        key: of the options, for messages.

    Raises:
        WeightsError: there is no such file, or it is no checkpoint of a network.
    """
    from cclgan_plugin.mends.trusted_load import BareWeights, load_data_only

    if not file.is_file():
        what = 'this is a folder' if file.is_dir() else f'there is no such file.{did_you_mean_file(file)}'
        raise WeightsError(f'{key}: {file}: {what}')
    try:
        content = load_data_only(file)
    except WeightsError as error:
        raise WeightsError(f'{key}: {error}') from error
    if isinstance(content, dict) and {'optimizers', 'iter'} <= content.keys():
        raise WeightsError(
            f'{key}: {file} is a training state (iteration {content["iter"]}), not the weights of a network; '
            'name it as path.resume_state, or name a file of models/ here'
        )
    if param_key is not None and isinstance(content, dict) and not isinstance(content, BareWeights):
        # BasicSR takes params where there is no params_ema.
        found = param_key if param_key in content else 'params'
        if found not in content:
            bare = content and all(hasattr(value, 'shape') for value in content.values())
            hint = '; it seems to hold bare weights: write ~ as param_key' if bare else ''
            raise WeightsError(f'{key}: {file} holds no "{param_key}" but {_first(content)}{hint}')
        content = content[found]
    if not isinstance(content, dict) or not content or not all(hasattr(v, 'shape') for v in content.values()):
        raise WeightsError(f'{key}: {file} holds no weights of a network but {_first(content)}')
    return {name: tuple(value.shape) for name, value in bare_names(content).items()}


def _compare(opt: dict[str, Any], name: str, held: Shapes, strict: bool, where: str) -> None:
    block = opt[f'network_{name}']
    expected = _expected_shapes(opt, name)
    if expected is None:
        return
    misfits = [n for n in expected if n in held and held[n] != expected[n]]
    missing, unknown = sorted(expected.keys() - held.keys()), sorted(held.keys() - expected.keys())
    fits = len(expected) - len(misfits) - len(missing)
    if not (misfits or missing or unknown) or (not strict and fits):
        return
    described = ', '.join(f'{key} {value}' for key, value in block.items() if key != 'type')
    parts = [f'it expected {n} {expected[n]}, the file holds {held[n]}' for n in misfits[:1]]
    parts += [
        f'{len(missing)} of its {len(expected)} tensors are missing in the file, e.g. {n}'
        for n in missing[:1]
    ]
    parts += [f'the file holds {len(unknown)} that it does not have, e.g. {n}' for n in unknown[:1]]
    raise WeightsError(
        f'{where} was made for another architecture than network_{name} ({block["type"]}'
        f'{": " + described if described else ""}): {"; ".join(parts)}'
    )


def _expected_shapes(opt: dict[str, Any], name: str) -> Shapes | None:
    """The tensors of a network as described; None if it cannot be built without memory."""
    supplied = {}
    if opt[f'network_{name}']['type'] == 'LCLHead':
        if not opt.get('train') or opt['model_type'] != 'CCLGANModel':
            return None  # the channels of other networks' modules are known once these have run
        channels = build_blank(opt['network_g']).feature_channels
        layers = opt['train']['lcl_opt'].get('layers', list(channels))
        supplied = {'channels': {layer: channels[layer] for layer in layers}}
    try:
        network = build_blank(opt[f'network_{name}'], **supplied)
    except UserError:
        raise
    except Exception:
        if name in NETWORKS and opt['model_type'] == 'CCLGANModel':
            raise
        # A stranger's constructor may need real tensors. Loading will tell then whether the weights fit.
        return None
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


def _first(content: Any) -> str:
    if not isinstance(content, dict):
        return f'a {type(content).__name__}'
    names = [str(name) for name in content]
    return ', '.join(names[:5]) + (', ...' if len(names) > 5 else '') if names else 'nothing'
