"""Reading a checkpoint from a stranger: data only, and one clear message when it is none.

Not a mend by itself but what two of them share.
"""

from __future__ import annotations

import os
import pickle
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
    except OSError as error:
        raise WeightsError(f'{path} cannot be read: {error.strerror or error}.') from error
    except Exception as error:
        # torch raises RuntimeError, UnpicklingError, EOFError, ValueError and more, by kind of damage; its
        # messages run to paragraphs, some of which advise to run what the file holds.
        reason = 'it is cut short, or damaged'
        if isinstance(error, pickle.UnpicklingError):
            reason = 'it is no checkpoint, or holds more than tensors, numbers and text, which is not trusted'
        raise WeightsError(f'{path} cannot be read as a checkpoint: {reason}.') from error
