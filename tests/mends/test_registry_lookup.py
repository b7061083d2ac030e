"""Looking a part up by name: silent when it is there, helpful when it is not."""

from __future__ import annotations

import pytest
from basicsr.utils.registry import ARCH_REGISTRY, Registry

from cclgan_plugin.errors import OptionError


@pytest.fixture
def registry() -> Registry:
    registry = Registry('probe')
    registry._do_register('Alpha', 1)
    registry._do_register('Beta', 2, suffix='basicsr')
    return registry


def test_a_found_name_prints_nothing(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    assert registry.get('Alpha') == 1
    assert registry.get('Beta') == 2
    assert capsys.readouterr().out == ''
    Registry.get.unmended(registry, 'Beta')
    assert 'is not found' in capsys.readouterr().out


def test_an_unknown_name_ends_with_a_hint_and_all_names(registry: Registry) -> None:
    with pytest.raises(OptionError) as caught:
        registry.get('Alhpa')
    assert str(caught.value) == (
        'There is no probe "Alhpa". Did you mean "Alpha"? Registered are: Alpha, Beta_basicsr.'
    )


def test_an_unknown_name_is_still_a_key_error() -> None:
    with pytest.raises(KeyError, match='SRVGGNetCompact'):
        ARCH_REGISTRY.get('SRVGGNetCompac')
