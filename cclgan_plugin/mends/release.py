"""Which BasicSR is installed."""

from __future__ import annotations

import re

#: The release whose defects were measured; nothing newer exists. A later one is left as it is.
LAST_MEASURED = (1, 4, 2)


def is_measured_release() -> bool:
    """True for BasicSR 1.4.2 and older: the predicate of mends whose symptom cannot be probed cheaply."""
    from basicsr.version import __version__

    numbers = tuple(int(number) for number in re.findall(r'\d+', __version__)[:3])
    return numbers <= LAST_MEASURED
