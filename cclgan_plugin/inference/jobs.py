"""Which files become which: inputs as the user names them, outputs where they will lie."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cclgan_plugin.data.image_folder import (
    IMAGE_EXTENSIONS,
    OTHER_PICTURES,
    extension_of,
    find_images,
    visible_files,
)
from cclgan_plugin.errors import DataError, did_you_mean_file

VIDEO_EXTENSIONS = (
    *('.mp4', '.m4v', '.mov', '.mkv', '.webm', '.avi', '.mpg', '.mpeg', '.vob', '.ts', '.mts', '.m2ts'),
    *('.m2t', '.3gp', '.3g2', '.wmv', '.asf', '.flv', '.f4v', '.ogv', '.mxf'),
)

#: Pictures that are not read are jobs like others in a folder: named, and not passed over.
_FILES = (*IMAGE_EXTENSIONS, *VIDEO_EXTENSIONS, *OTHER_PICTURES)


@dataclass(frozen=True)
class Job:
    """One file.

    Attributes:
        source: what to read.
        out: what to write.
        name: path of ``out`` below the output folder, with ``/``; names the picture in tables.
    """

    source: str
    out: str
    name: str

    @property
    def is_video(self) -> bool:
        return extension_of(self.source) in VIDEO_EXTENSIONS


def plan(
    inputs: Sequence[str],
    out: str,
    compare: str | None = None,
    unlisted: Callable[[DataError], object] | None = None,
) -> list[Job]:
    """Every file to be derained, in order.

    A folder's tree is kept below ``out``, as is that of a pattern below its fixed part; single files go to
    the top of ``out``. One single file (or pipe: ``/dev/stdin``) may become the file ``out``, if that has the
    extension of an image or video.

    Args:
        inputs: files, folders, and patterns such as ``photos/**/*.png``.
        out: a folder, or a file for one single file.
        compare: folder for side-by-side pictures. What lies in it or in ``out`` is no input to a folder or a
            pattern that holds them: it is from an earlier run.
        unlisted: called with what is wrong with a subfolder that cannot be listed, such as a disk's
            ``lost+found``; the others go on. None = that is raised.

    Raises:
        DataError: an input does not exist or holds nothing, two would become the same file, an output is an
            input, or ``out`` is a file of another kind, or is called like a file but would be a folder.
    """
    if not out:
        raise DataError('-o: an empty name; expected a folder, or a file for a single file')
    found: list[tuple[str, str]] = []
    for given in inputs:
        found += _expand(given, (out, compare) if compare else (out,), unlisted)
    # A file may be named twice, also by a folder and a pattern, and in several ways.
    once: dict[tuple[str, str], tuple[str, str]] = {}
    for source, name in found:
        once.setdefault((os.path.realpath(source), name), (source, name))
    found = list(once.values())
    one_file = len(inputs) == 1 and os.path.lexists(inputs[0]) and not os.path.isdir(inputs[0])
    if one_file and not os.path.isdir(out) and extension_of(out) in _FILES:
        jobs = [Job(found[0][0], out, os.path.basename(out))]
        _check_kind(jobs[0])
    else:
        if os.path.lexists(out) and not os.path.isdir(out):
            raise DataError(f'-o: "{out}" is a file, a folder was expected for several pictures')
        if extension_of(out) in _FILES and not os.path.isdir(out):
            raise DataError(
                f'-o: "{out}" is a name for one file, but INPUT is not one file; expected a folder, such as '
                f'"{os.path.splitext(out)[0]}" (or "{out}{os.sep}", if it is to be called so)'
            )
        jobs = [Job(source, os.path.join(out, name), name) for source, name in found]
    _check_apart(jobs)
    return jobs


def _expand(
    given: str, results: Sequence[str], unlisted: Callable[[DataError], object] | None
) -> list[tuple[str, str]]:
    """Files behind one input, each with its name below the output folder."""
    if os.path.isdir(given):
        names = [name for name in visible_files(given, 'INPUT', unlisted) if extension_of(name) in _FILES]
        if not any(extension_of(name) not in OTHER_PICTURES for name in names):
            find_images(given, 'INPUT')  # says what is there instead
        files = [(os.path.join(given, name), name) for name in names]
        return _not_results(files, given, given, results)
    if os.path.lexists(given):
        return [(given, os.path.basename(given))]
    if glob.has_magic(given):
        matches = sorted(path for path in glob.glob(given, recursive=True) if os.path.isfile(path))
        if not matches:
            raise DataError(f'INPUT: nothing matches "{given}" (the current folder is "{os.getcwd()}")')
        fixed = given
        while glob.has_magic(fixed):
            fixed = os.path.dirname(fixed)
        files = [(path, os.path.relpath(path, fixed or '.').replace(os.sep, '/')) for path in matches]
        return _not_results(files, given, fixed or '.', results)
    raise DataError(f'INPUT: there is no file or folder "{given}".{did_you_mean_file(Path(given))}')


def _not_results(
    files: list[tuple[str, str]], given: str, folder: str, results: Sequence[str]
) -> list[tuple[str, str]]:
    """Without the results of an earlier run, unless the folder that is searched lies among them itself."""
    searched, *below = (os.path.join(os.path.realpath(place), '') for place in (folder, *results))
    apart = tuple(place for place in below if not searched.startswith(place))
    found = [f for f in files if not os.path.realpath(f[0]).startswith(apart)]
    if not found:
        raise DataError(f'INPUT: "{given}": no picture or video besides what lies in "{results[0]}"')
    return found


def _check_kind(job: Job) -> None:
    """A picture becomes a picture of a kind that is written, a video a video."""
    known = VIDEO_EXTENSIONS if job.is_video else IMAGE_EXTENSIONS
    same = extension_of(job.out) == extension_of(job.source)
    if extension_of(job.out) not in known and not (same and not job.is_video):
        what = 'a video' if job.is_video else 'a picture'
        raise DataError(
            f'-o: "{job.out}": {job.source} is {what}, which is not written as {extension_of(job.out)}; '
            f'expected {", ".join(known)}'
        )


def _check_apart(jobs: Sequence[Job]) -> None:
    sources = {os.path.realpath(job.source): job.source for job in jobs}
    spelt = {_spelt_small(place): place for place in sources}
    taken: dict[str, Job] = {}
    nearly_taken: dict[str, Job] = {}
    capitals_differ: bool | None = None
    for job in jobs:
        place = os.path.realpath(job.out)
        # The same place may be spelt with other capitals where the disk does not tell them apart.
        twin = spelt.get(_spelt_small(place)) if os.path.exists(place) else None
        if place in sources or (twin is not None and os.path.samefile(twin, place)):
            raise DataError(
                f'{job.source}: the result would take the place of the picture itself or of another input '
                f'({job.out}); choose another -o'
            )
        other = taken.setdefault(place, job)
        if other is job:
            # Many disks do not tell capital letters from small ones.
            other = nearly_taken.setdefault(place.lower(), job)
            if other is not job and capitals_differ is None:
                capitals_differ = _tells_capitals(os.path.dirname(place))
            if capitals_differ:
                continue
        if other.source != job.source:
            raise DataError(
                f'{other.source} and {job.source} would both become {job.out}; derain them one by one'
            )


def _spelt_small(place: str) -> tuple[object, str]:
    """What all spellings of a place have in common: which folder it is, and the name in small letters."""
    folder, name = os.path.split(place)
    try:
        status = os.stat(folder)
    except OSError:
        return folder, name.lower()
    return (status.st_dev, status.st_ino), name.lower()


def _tells_capitals(folder: str) -> bool:
    """Whether the disk of a folder, which need not be there yet, tells capital letters from small ones."""
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    try:
        with tempfile.NamedTemporaryFile(prefix='.Capital', dir=folder) as probe:
            return not os.path.exists(os.path.join(folder, os.path.basename(probe.name).lower()))
    except OSError:  # what is wrong with it will be said when it is written to
        return False
