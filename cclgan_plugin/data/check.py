"""Checking image sets before a training: what cannot be read, is too small, is there twice, or leaks."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from cclgan_plugin.data.check_sets import CheckedSet, what_must_not_be_shared
from cclgan_plugin.data.image_survey import Surveyed, survey
from cclgan_plugin.data.similar_images import SIMILAR, best_matches

KINDS = {
    'corrupt': 'damaged or no image',
    'small': 'smaller than the crop',
    'duplicate': 'the same pixels twice in one set',
    'leak': 'the same scene where it must not be',
}


@dataclass(frozen=True)
class Finding:
    """Something to look at.

    Attributes:
        kind: one of :data:`KINDS`.
        is_error: it spoils a training or its figures; otherwise it is a warning.
        sets: the set of each image.
        images: their names.
        message: one sentence.
        similarity: of two images, 1 = the same pixels; None where nothing was compared.
    """

    kind: str
    is_error: bool
    sets: tuple[str, ...]
    images: tuple[str, ...]
    message: str
    similarity: float | None = None


@dataclass
class Checked:
    """The result.

    Attributes:
        sets: what was checked.
        images: every image, by the name of its set.
        findings: errors first.
    """

    sets: list[CheckedSet]
    images: dict[str, list[Surveyed]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def errors(self) -> list[Finding]:
        """The findings that are errors."""
        return [finding for finding in self.findings if finding.is_error]


def check_sets(
    sets: Sequence[CheckedSet],
    threshold: float = SIMILAR,
    workers: int | None = None,
    progress: Callable[[], object] = lambda: None,
) -> Checked:
    """Decodes every image of every set and compares the sets that must not share scenes.

    Args:
        sets: what to check; their names differ.
        threshold: correlation of signatures from which two images count as the same scene.
        workers: threads that decode; None = one for each processor.
        progress: called after every image.
    """
    checked = Checked(list(sets))
    for one in sets:
        images = checked.images[one.name] = []
        for image in survey(one.source, workers):
            images.append(image)
            progress()
        checked.findings += _of_single_images(one, images) + _duplicates(one, images)
    for one, other in itertools.combinations(sets, 2):
        reason = what_must_not_be_shared(one, other)
        if reason is not None:
            checked.findings += _leaks(one, other, reason, checked, threshold)
    checked.findings.sort(key=lambda finding: (not finding.is_error, list(KINDS).index(finding.kind)))
    return checked


def _of_single_images(one: CheckedSet, images: Sequence[Surveyed]) -> list[Finding]:
    findings = []
    for image in images:
        if image.error is not None:
            findings.append(Finding('corrupt', True, (one.name,), (image.name,), image.error))
        elif image.damaged:
            message = f'{image.name}: the compressed data are damaged, part of the picture is wrong'
            findings.append(Finding('corrupt', True, (one.name,), (image.name,), message))
        elif one.crop is not None and min(image.width, image.height) < one.crop:
            message = (
                f'{image.name}: {image.width}x{image.height}, smaller than the crop of {one.crop}x{one.crop}'
                + (', mirrored at its edges' if one.small_images == 'pad' else '')
            )
            is_error = one.small_images == 'error'
            findings.append(Finding('small', is_error, (one.name,), (image.name,), message))
    return findings


def _duplicates(one: CheckedSet, images: Sequence[Surveyed]) -> list[Finding]:
    first: dict[bytes, str] = {}
    findings = []
    for image in images:
        if image.error is None and first.setdefault(image.digest, image.name) != image.name:
            names = (first[image.digest], image.name)
            message = f'{names[1]} has the same pixels as {names[0]}'
            findings.append(Finding('duplicate', False, (one.name,) * 2, names, message, 1.0))
    return findings


def _leaks(
    one: CheckedSet, other: CheckedSet, reason: str, checked: Checked, threshold: float
) -> list[Finding]:
    """One finding for each image of the smaller set that the other set shows too."""
    if len(one.source) > len(other.source):
        one, other = other, one
    ours, theirs = (_readable(checked.images[each.name]) for each in (one, other))
    same = {image.digest: index for index, image in reversed(list(enumerate(theirs)))}
    matches = best_matches(_signatures(ours), _signatures(theirs), threshold)
    findings = []
    for number, image in enumerate(ours):
        index, similarity = int(matches.partner[number]), float(matches.similarity[number])
        if image.digest in same:
            index, similarity = same[image.digest], 1.0
        if index < 0:
            continue
        more = int(matches.number[number]) - 1
        how = 'has the same pixels as' if image.digest in same else 'shows the same scene as'
        message = (
            f'{image.name} ({one.name}) {how} {theirs[index].name} ({other.name})'
            + (f' and {more} more there' if more > 0 else '')
            + f'; {reason} must not share scenes'
        )
        names = (image.name, theirs[index].name)
        findings.append(Finding('leak', True, (one.name, other.name), names, message, round(similarity, 4)))
    return findings


def _readable(images: Sequence[Surveyed]) -> list[Surveyed]:
    return [image for image in images if image.error is None]


def _signatures(images: Sequence[Surveyed]) -> np.ndarray:
    found = [image.signature for image in images if image.signature is not None]
    return np.stack(found) if found else np.zeros((0, 1), np.float32)
