"""The check of all options: every problem at once, each with file, line and key."""

from __future__ import annotations

from typing import Any

from cclgan_plugin.errors import did_you_mean
from cclgan_plugin.options import registered
from cclgan_plugin.options.inherit import LoadedOptions
from cclgan_plugin.options.known_models import trained_like, whose
from cclgan_plugin.options.problems import Problem, raise_problems, shown
from cclgan_plugin.options.rules import RULES
from cclgan_plugin.options.rules_contrastive import CONTRASTIVE_RULES, with_heads
from cclgan_plugin.options.rules_models import MODEL_RULES
from cclgan_plugin.options.rules_networks import NETWORK_RULES
from cclgan_plugin.options.rules_run import RUN_RULES
from cclgan_plugin.options.rules_switched_off import SWITCHED_OFF_RULES
from cclgan_plugin.options.schema import (
    CCLGANOptions,
    ContrastiveOptions,
    ContrastivePairedOptions,
    OtherOptions,
    PairedOptions,
)
from cclgan_plugin.options.schema.groups import LoggerOptions
from cclgan_plugin.options.spelling import near_misspelling
from cclgan_plugin.options.walk import Walk

OURS = 'CCLGANModel'
CONTRASTIVE = 'ContrastiveModel'
#: Losses that are left out where they weigh nothing.
_LEFT_OUT = ('idt_opt', 'cycle_opt', 'lcl_opt', 'intra_ccl_opt', 'inter_ccl_opt')
#: The schemas of our models that are built on BasicSR's.
_BUILT_ON_OTHERS: dict[str, type[OtherOptions]] = {
    CONTRASTIVE: ContrastiveOptions,
    'PairedModel': PairedOptions,
}
#: ContrastiveModel's, where the keys of its base are known as well.
_CONTRASTIVE_ON: dict[str, type[OtherOptions]] = {'PairedModel': ContrastivePairedOptions}


def check_options(loaded: LoadedOptions, is_train: bool = True) -> dict[str, Any]:
    """Check options and make them complete.

    For CCLGANModel every key is known, so an unknown one is an error, and missing ones get their
    defaults. For any other model the structure common to BasicSR's models is checked, and every
    ``type:`` against the constructor of that name; keys that only that model can know pass, unless they
    are a near misspelling of a known one.

    Args:
        loaded: options as read from a file, perhaps overridden on the command line.
        is_train: for a training, or for a test.

    Returns:
        Plain maps, lists and scalars; nothing of the run itself (rank, folders) is in them.

    Raises:
        OptionError: one line for each problem.
    """
    model_type = loaded.values.get('model_type')
    if not isinstance(model_type, str) or registered.find('model', model_type) is None:
        raise_problems([_wrong_model(model_type)], loaded)
    assert isinstance(model_type, str)
    ours = model_type == OURS
    contrastive = model_type == CONTRASTIVE
    walk = Walk(whose(loaded.values), strict=ours)
    other = _BUILT_ON_OTHERS.get(model_type, OtherOptions)
    if contrastive:
        other = _CONTRASTIVE_ON.get(whose(loaded.values), other)
    options = walk.map(CCLGANOptions if ours else other, loaded.values, (), fill=ours)
    if not ours:
        _check_further_blocks(walk, loaded.values, options, other)
    raise_problems(walk.problems, loaded)

    of_ours = (*NETWORK_RULES, *RUN_RULES, *SWITCHED_OFF_RULES)
    further = of_ours if ours else CONTRASTIVE_RULES if contrastive else ()
    raise_problems(
        [problem for rule in (*RULES, *MODEL_RULES, *further) for problem in rule(options, is_train)],
        loaded,
    )
    _complete_datasets(options['datasets'])
    if contrastive:
        options = with_heads(options, is_train)
    return _leave_out_unused(options) if ours else _complete(options, is_train)


def _wrong_model(model_type: Any) -> Problem:
    names = registered.names_of('model')
    if not isinstance(model_type, str):
        what = 'this key is missing' if model_type is None else f'expected text, got {shown(model_type)}'
        return Problem(('model_type',), f'{what}; models are {", ".join(names)}')
    hint = did_you_mean(model_type, names)
    return Problem(
        ('model_type',), f'there is no model "{model_type}".{hint} A model is one of: {", ".join(names)}'
    )


def _check_further_blocks(
    walk: Walk, values: dict[str, Any], options: dict[str, Any], schema: type[OtherOptions]
) -> None:
    """Networks, optimizers and losses that some BasicSR models have beside the usual ones."""
    theirs = trained_like(values) is None
    for key, value in values.items():
        if not key.startswith('network_') or key in schema.model_fields or not isinstance(value, dict):
            continue
        # The code of another package may call anything "network_", such as options that several share.
        if 'type' in value or not theirs:
            options[key] = walk.block('arch', value, (key,))
    train = values.get('train')
    for key, value in train.items() if isinstance(train, dict) else ():
        if (
            not isinstance(value, dict)
            or key in schema.train_fields()
            or not isinstance(value.get('type'), str)
        ):
            continue
        if key.startswith('optim_'):
            options['train'][key] = walk.block('optimizer', value, ('train', key))
        elif key.endswith('_opt'):
            # It need not be one of the registered losses: the model may build it in its own way.
            name, names = value['type'], registered.names_of('loss')
            if name in names or near_misspelling(name, names):
                options['train'][key] = walk.block('loss', value, ('train', key))


def _leave_out_unused(options: dict[str, Any]) -> dict[str, Any]:
    """Losses of weight 0, and networks that no loss uses, are not built: the model sees which keys exist."""
    train = options['train']
    for key in _LEFT_OUT if train is not None else ():
        # The discriminators learn from gan_opt whatever it weighs for the generators, so it stays.
        if train[key] and train[key].get('loss_weight', 1.0) == 0:
            train[key] = None
    if train is not None and not train['lcl_opt']:
        # So that "lcl_opt: ~" alone switches the loss off, for an ablation.
        options['network_h'] = options['network_h_rain'] = train['optim_h'] = None
    return {
        key: value for key, value in options.items() if value is not None or not key.startswith('network_')
    }


def _complete_datasets(datasets: dict[str, dict[str, Any]]) -> None:
    """The keys that BasicSR's datasets read without a default of their own."""
    for dataset in datasets.values():
        if registered.is_basicsr_s('dataset', dataset['type']):
            dataset['io_backend'] = {'type': 'disk'} | (dataset.get('io_backend') or {})
            if dataset.get('meta_info_file', '') is None:
                # Some look at whether there is such a key, and open what it holds.
                del dataset['meta_info_file']


def _complete(options: dict[str, Any], is_train: bool) -> dict[str, Any]:
    """The keys that BasicSR reads without a default of its own."""
    options.setdefault('num_gpu', 'auto')
    options.setdefault('manual_seed', None)
    options.setdefault('path', {})
    if is_train:
        options['logger'] = LoggerOptions().model_dump() | (options.get('logger') or {})
    if options.get('val') is not None or not is_train:
        options['val'] = {'save_img': False, 'suffix': None} | (options.get('val') or {})
    return options
