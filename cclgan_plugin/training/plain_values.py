"""Numbers without numpy, as a safe load of a training state wants them."""

from __future__ import annotations

from typing import Any


def plain_values(value: Any) -> Any:
    """Nested dicts of numbers and strings, numpy's scalars turned into Python's."""
    if isinstance(value, dict):
        return {key: plain_values(entry) for key, entry in value.items()}
    return value.item() if hasattr(value, 'item') else value
