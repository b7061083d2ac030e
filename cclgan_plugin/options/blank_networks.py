"""Networks without memory, to ask them about shapes and names."""

from __future__ import annotations

from typing import Any

from cclgan_plugin.options import registered


def build_blank(network_opt: dict[str, Any], **supplied: Any) -> Any:
    """Build a network on torch's meta device: no memory, no weights, no random numbers drawn.

    Args:
        network_opt: a block such as ``network_g``, checked.
        supplied: arguments that the model gives, e.g. ``channels`` of the heads.

    Raises:
        UserError: the network refuses its options.
    """
    import torch

    arguments = {key: value for key, value in network_opt.items() if key != 'type'}
    network = registered.find('arch', network_opt['type'])
    assert network is not None
    with torch.random.fork_rng(devices=[]), torch.device('meta'):
        return network(**arguments, **supplied)
