"""Getting hold of the model that BasicSR's pipeline builds for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def watch_built_models(watch: Callable[[Any, dict[str, Any]], None]) -> Iterator[None]:
    """Show every model that ``basicsr.train`` builds inside this context to ``watch``, with its options."""
    from basicsr import train

    build: Callable[[dict[str, Any]], Any] = train.build_model

    def build_model(opt: dict[str, Any]) -> Any:
        model = build(opt)
        watch(model, opt)
        return model

    train.build_model = build_model
    try:
        yield
    finally:
        train.build_model = build
