"""Reading a checkpoint from a stranger: data only, and one clear message when it is none.

Not a mend by itself but what two of them share.
"""

from __future__ import annotations

import os
from typing import Any

import torch

from cclgan_plugin.errors import WeightsError


def load_data_only(path: str | os.PathLike[str]) -> Any:
    """``torch.load`` onto the CPU, without ever running code from the file.

    Raises:
        WeightsError: there is no such file, it is cut short, or it holds more than plain data.
    """
    try:
        return torch.load(path, map_location='cpu', weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f'There is no file {path}.') from error
    except Exception as error:
        # torch raises RuntimeError, UnpicklingError, EOFError, ValueError and more, by kind of damage.
        reason = str(error).strip().split('\n')[0] or type(error).__name__
        raise WeightsError(f'{path} cannot be read as a checkpoint: {reason}') from error
