"""Reading, computing and writing: at the same time, unless the memory has to be counted."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from cclgan_plugin.inference import Derainer, pictures
from cclgan_plugin.inference.everything import derain_everything
from cclgan_plugin.inference.jobs import Job

PHOTO = np.ascontiguousarray(skimage.data.astronaut()[100:140, 200:248])


@pytest.fixture
def jobs(tmp_path):
    made = []
    for i in range(5):
        # The second and the fourth are small.
        Image.fromarray(PHOTO[: 10 if i % 2 else 40]).save(tmp_path / f'{i}.png')
        made.append(Job(str(tmp_path / f'{i}.png'), str(tmp_path / f'out/{i}.png'), f'{i}.png'))
    return made


def test_with_a_limit_nothing_is_read_or_written_while_a_large_picture_is_computed(
    jobs, weights_file, monkeypatch
):
    events = []

    def told(what, function):
        def call(*arguments):
            events.append(f'{what} begins')
            result = function(*arguments)
            events.append(f'{what} ends')
            return result

        return call

    derainer = Derainer.from_pretrained(weights_file, device='cpu', memory='900G')
    large = told('large', derainer.derain_pixels)
    monkeypatch.setattr(pictures, '_LARGE', 1000)
    monkeypatch.setattr(pictures, 'read_picture', told('read', pictures.read_picture))
    monkeypatch.setattr(pictures, 'write_whole', told('write', pictures.write_whole))
    original = derainer.derain_pixels
    monkeypatch.setattr(derainer, 'derain_pixels', lambda p: (large if len(p) == 40 else original)(p))
    outcomes = list(pictures.derain_pictures(derainer, jobs))
    assert [o.error for o in outcomes] == [None] * 5
    assert events.count('large begins') == 3
    for i, event in enumerate(events):
        if event == 'large begins':
            assert events[i + 1] == 'large ends'
            before = events[:i]
            for what in ('read', 'write'):
                assert before.count(f'{what} begins') == before.count(f'{what} ends')


def test_a_picture_that_an_encoder_fails_on_is_named_and_the_others_are_done(jobs, weights_file, monkeypatch):
    encode = pictures.encode_picture

    def fail_on_small(pixels, picture, extension):
        return encode(pixels, picture, extension) if len(pixels) == 40 else 1 // 0

    monkeypatch.setattr(pictures, 'encode_picture', fail_on_small)
    derainer = Derainer.from_pretrained(weights_file, device='cpu')
    outcomes = list(pictures.derain_pictures(derainer, jobs))
    assert [o.error is None for o in outcomes] == [True, False, True, False, True]
    assert str(outcomes[1].error).startswith(f'{jobs[1].source}: cannot be written as {jobs[1].out}: ')


class FailsOnSome(torch.nn.Module):
    """Overflows on dark pictures, and has no room for more than one."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) > self.room:
            raise torch.cuda.OutOfMemoryError('CUDA out of memory.')
        return torch.where(x.mean((1, 2, 3), keepdim=True) < 0.1, torch.nan, x)


@pytest.mark.parametrize('room', [4, 1])
def test_in_a_batch_a_picture_that_fails_costs_the_others_nothing(tmp_path, room):
    jobs = []
    for i in range(6):
        Image.fromarray(PHOTO // (20 if i == 2 else 1)).save(tmp_path / f'{i}.png')
        jobs.append(Job(str(tmp_path / f'{i}.png'), str(tmp_path / f'out/{i}.png'), f'{i}.png'))
    derainer = Derainer(FailsOnSome(room), device='cpu')
    outcomes = {o.job.name: o for o in pictures.derain_pictures(derainer, jobs, batch=4)}
    assert sorted(outcomes) == [job.name for job in jobs]
    for job in jobs:
        if job.name == '2.png':
            assert str(outcomes[job.name].error).startswith(f'{job.source}: ')
            assert 'no numbers' in str(outcomes[job.name].error)
        else:
            assert outcomes[job.name].error is None
            np.testing.assert_array_equal(np.asarray(Image.open(job.out)), PHOTO)


@pytest.mark.parametrize('compare', [False, True])
def test_a_result_that_cannot_be_measured_or_shown_is_a_result(tmp_path, jobs, weights_file, capsys, compare):
    (tmp_path / 'in').mkdir()
    (tmp_path / 'truth').mkdir()
    for job in jobs[:2]:
        shutil.copy(job.source, tmp_path / 'in')
    shutil.copy(jobs[0].source, tmp_path / 'truth')
    settings = {'truth': str(tmp_path / 'truth')}
    if compare:
        (tmp_path / 'a file').touch()
        settings = {'compare': str(tmp_path / 'a file')}

    def run():
        return derain_everything(
            [str(tmp_path / 'in')],
            str(tmp_path / 'out'),
            lambda: Derainer.from_pretrained(weights_file, device='cpu'),
            **settings,
        )

    lacking = 2 if compare else 1
    done = run()
    assert (done.derained, done.skipped, done.bad, done.lacking) == (2, 0, 0, lacking)
    assert f'2 derained, {lacking} not measured or compared' in done.summary
    assert capsys.readouterr().err.count('not measured or compared: ') == lacking
    done = run()
    assert (done.derained, done.skipped, done.bad, done.lacking) == (0, 2, 0, lacking)
