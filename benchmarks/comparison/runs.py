"""One run: training data checked and prepared, a method trained, its network tested."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.comparison.plan_files import Method, Protocol, Scale
from benchmarks.comparison.recipes import options_hash, training_options, write_options
from benchmarks.comparison.results import Result
from benchmarks.comparison.running import BASICSR, checkout_first, checkpoint_of, train
from benchmarks.comparison.scoring import Picture, score
from benchmarks.comparison.training_data import write_check, write_lists, write_pairs
from benchmarks.machine import describe
from cclgan_plugin.checksum import sha256_of
from cclgan_plugin.errors import DataError, OptionError

#: Correlation from which two images show one scene. The images were looked at: of different scenes, the two
#: nearest have 0.95.
SAME_SCENE = '0.97'


@dataclass(frozen=True)
class Places:
    """Where images, VGG19's weights and trainings are, and the CPU threads of a training."""

    data: Path
    weights: Path
    work: Path
    threads: int


@dataclass(frozen=True)
class Run:
    """A method, a scale, a protocol and a seed."""

    method: Method
    scale: Scale
    protocol: Protocol
    seed: int

    @cached_property
    def training(self) -> dict[str, Any]:
        """The training's options; none without a training."""
        if self.method.base is None:
            return {}
        return training_options(self.method, self.scale, self.protocol, self.seed)

    @cached_property
    def options(self) -> str:
        """Hash of the training's options; empty without a training."""
        return options_hash(self.training) if self.training else ''

    @property
    def name(self) -> str:
        """Of the training's folder: other options, another folder, so that none is mistaken for another."""
        return f'{self.training["name"]}-{self.options}'

    @property
    def device(self) -> str:
        """What it is trained on: ``cpu`` or ``cuda``."""
        return 'cuda' if self.training.get('num_gpu') else 'cpu'

    def checkpoint(self, places: Places) -> Path:
        """Where its weights are, once it is trained."""
        return checkpoint_of(self.name, places.work)


def check_leaks(protocol: Protocol, places: Places) -> None:
    """No test scene in a training list, by ``basicsr data check``; once for each set of lists.

    Raises:
        DataError: there is one; the command has printed which.
    """
    file = write_check(protocol, places.data, places.work)
    read = [file, *sorted((places.work / 'lists').glob(f'{protocol.name}-*.txt'))]
    digests = '\n'.join(sha256_of(one) for one in read)
    mark = file.with_suffix('.passed')
    if mark.exists() and mark.read_text('ascii') == digests:
        return
    command = [*BASICSR, 'data', 'check', str(file), '--similarity', SAME_SCENE]
    if subprocess.run(command, env=checkout_first(), check=False).returncode:
        raise DataError(f'{protocol.name}: the training lists are not fit for these tests, see above')
    mark.write_text(digests, 'ascii')


def trained_and_tested(run: Run, places: Places) -> Result:
    """Train, where there is something to train, and test.

    Raises:
        TrainingError: the training failed.
        OptionError: the protocol has nothing to train on.
    """
    tested = _Tested(run.protocol, run.scale.name, run.method.name, run.seed, run.options, run.device)
    if run.method.base is None:
        return tested.by(lambda image: image, places)
    if run.protocol.rainy is None:
        raise OptionError(f'{run.protocol.name}: nothing to train on; it tests published weights: --zoo NAME')
    from cclgan_plugin.inference.derainer import Derainer

    write_lists(run.protocol, places.data, places.work)
    if run.method.pairs:
        write_pairs(run.protocol, places.data, places.work)
    file = places.work / 'options' / f'{run.name}.yml'
    folders = {'data': places.data, 'work': places.work, 'weights': places.weights}
    write_options({**run.training, 'name': run.name}, file, folders)
    machine = describe(run.device, places.threads)
    checkpoint, costs = train(file, run.name, run.scale.iterations, machine, places.work)
    result = tested.by(Derainer.from_pretrained(checkpoint), places)
    return replace(
        result,
        machine=costs.machine or machine,
        steps=run.scale.iterations,
        seconds=costs.seconds,
        peak_memory=costs.peak_memory,
    )


def published_tested(protocol: Protocol, name: str, places: Places) -> Result:
    """Test published weights or a file of weights; ``input`` stands for the rainy input itself."""
    if name == 'input':
        return _Tested(protocol, 'zoo', name, 0, '').by(lambda image: image, places)
    from cclgan_plugin.inference.derainer import Derainer
    from cclgan_plugin.inference.pretrained import find_weights

    digest = sha256_of(find_weights(name)[1])[:12]
    return _Tested(protocol, 'zoo', Path(name).stem, 0, digest).by(Derainer.from_pretrained(name), places)


@dataclass(frozen=True)
class _Tested:
    """What a result says besides its figures."""

    protocol: Protocol
    scale: str
    method: str
    seed: int
    options: str
    device: str = 'cpu'

    def by(self, derain: Picture, places: Places) -> Result:
        from cclgan_plugin.inference.measuring import means

        images = {test.name: score(derain, test, places.data) for test in self.protocol.tests}
        return Result(
            protocol=self.protocol.name,
            scale=self.scale,
            method=self.method,
            seed=self.seed,
            options=self.options,
            machine=describe(self.device, places.threads),
            steps=0,
            seconds=0.0,
            peak_memory=0,
            means={name: means(table) for name, table in images.items()},
            images=images,
        )
