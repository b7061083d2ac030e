"""An image's error stays one sentence on its way through a worker process."""

from __future__ import annotations

import pickle
import sys

import pytest
from torch._utils import ExceptionWrapper

from cclgan_plugin.data.image_error import ImageError
from cclgan_plugin.errors import DataError


def test_a_workers_traceback_is_left_out() -> None:
    message = 'photo 1.jpg: damaged, see: here'
    try:
        raise ImageError(message)
    except ImageError:
        wrapped = ExceptionWrapper(sys.exc_info(), 'in DataLoader worker process 0')
    with pytest.raises(ImageError) as caught:
        wrapped.reraise()
    assert str(caught.value) == message


def test_it_is_a_data_error_and_can_be_sent_between_processes() -> None:
    error = pickle.loads(pickle.dumps(ImageError('a.png: empty')))
    assert isinstance(error, DataError)
    assert str(error) == 'a.png: empty'
