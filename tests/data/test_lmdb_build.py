"""A database is whole or has no name, goes on after a sudden end, and is read by BasicSR as it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import lmdb
import numpy as np
import pytest

from cclgan_plugin.data import lmdb_build, lmdb_publish
from cclgan_plugin.data.lmdb_build import LmdbBuild
from cclgan_plugin.data.lmdb_destination import lock
from cclgan_plugin.data.lmdb_entry import EntrySettings
from cclgan_plugin.data.lmdb_keys import lmdb_keys
from cclgan_plugin.data.lmdb_plan import plan_lmdb
from cclgan_plugin.data.lmdb_verify import verify_lmdb
from cclgan_plugin.data.lmdb_writer import FlushError, LmdbWriter
from cclgan_plugin.errors import DataError

ODD_NAMES = ('a.png', 'a.jpg', 'b/a.png', 'c.d.png', 'c.png', 'wet day.png', 'Straße/雨.webp', '50%.bmp')


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Eight images with odd names, all different."""
    for index, name in enumerate(ODD_NAMES):
        path = tmp_path / 'photos' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = np.random.default_rng(index).integers(0, 256, (20 + index, 30, 3), dtype=np.uint8)
        path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    return tmp_path / 'photos'


def build(
    sources: Sequence[Path], destination: Path, settings: EntrySettings | None = None, overwrite: bool = False
) -> list[str]:
    """Builds and publishes; the messages of bad images."""
    planned = plan_lmdb([str(source) for source in sources])
    work = LmdbBuild(str(destination), planned, settings or EntrySettings(), overwrite)
    try:
        errors = [str(stored.error) for stored in work.run(2) if stored.error is not None]
        work.write_meta_info()
        work.publish()
    finally:
        work.close()
    return errors


def content(database: Path) -> dict[str, bytes]:
    with lmdb.open(str(database), readonly=True, lock=False) as opened, opened.begin() as transaction:
        return {bytes(key).decode('ascii'): bytes(value) for key, value in transaction.cursor()}


def test_it_holds_the_files_bytes_under_the_documented_keys(photos: Path, tmp_path: Path) -> None:
    assert build([photos], tmp_path / 'photos.lmdb') == []
    expected = zip(lmdb_keys(ODD_NAMES), ODD_NAMES, strict=True)
    assert content(tmp_path / 'photos.lmdb') == {key: (photos / name).read_bytes() for key, name in expected}
    assert sorted(os.listdir(tmp_path / 'photos.lmdb')) == ['data.mdb', 'lock.mdb', 'meta_info.txt']
    assert sorted(os.listdir(tmp_path)) == ['photos', 'photos.lmdb']


_UNMENDED = """
import sys, types
from torchvision.transforms import functional
sys.modules['torchvision.transforms.functional_tensor'] = types.SimpleNamespace(
    rgb_to_grayscale=functional.rgb_to_grayscale)
from basicsr.data.data_util import paths_from_lmdb
from basicsr.utils import FileClient, imfrombytes
assert not any(name.startswith('cclgan') for name in sys.modules)
client = FileClient('lmdb', db_paths=[sys.argv[1]], client_keys=['lq'])
for key in paths_from_lmdb(sys.argv[1]):
    print(key, *imfrombytes(client.get(key, 'lq'), float32=True).shape)
"""


def test_an_unmended_basicsr_reads_it(photos: Path, tmp_path: Path) -> None:
    build([photos], tmp_path / 'photos.lmdb')
    done = subprocess.run(
        [sys.executable, '-c', _UNMENDED, str(tmp_path / 'photos.lmdb')],
        capture_output=True,
        text=True,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )
    assert done.returncode == 0, done.stderr
    shapes = {key: f'{20 + index} 30 3' for index, key in enumerate(lmdb_keys(ODD_NAMES))}
    assert dict(line.split(' ', 1) for line in done.stdout.splitlines()) == shapes


def test_basicsrs_paired_dataset_pairs_two_of_them(photos: Path, tmp_path: Path) -> None:
    from basicsr.data import build_dataset

    for name in ('lq.lmdb', 'gt.lmdb'):
        build([photos], tmp_path / name)
    dataset = build_dataset(
        {
            'name': 'pairs',
            'type': 'PairedImageDataset',
            'phase': 'val',
            'scale': 1,
            'dataroot_lq': str(tmp_path / 'lq.lmdb'),
            'dataroot_gt': str(tmp_path / 'gt.lmdb'),
            'io_backend': {'type': 'lmdb'},
        }
    )
    assert len(dataset) == len(ODD_NAMES)
    for index in range(len(dataset)):
        assert (dataset[index]['lq'] == dataset[index]['gt']).all()


def test_two_sources_with_the_same_names_stay_apart(make_folder: Callable[..., str], tmp_path: Path) -> None:
    one, other = Path(make_folder('one', 2)), Path(make_folder('other', 2))
    build([one, other], tmp_path / 'both.lmdb')
    assert set(content(tmp_path / 'both.lmdb')) == {'one/00', 'one/01', 'other/00', 'other/01'}


def test_sources_of_the_same_name_are_told_apart_by_the_folders_above(tmp_path: Path) -> None:
    for parent in ('x', 'y'):
        (tmp_path / parent / 'clean').mkdir(parents=True)
        cv2.imwrite(str(tmp_path / parent / 'clean' / 'a.png'), np.zeros((4, 4, 3), np.uint8))
    planned = plan_lmdb([str(tmp_path / 'x' / 'clean'), str(tmp_path / 'y' / 'clean')])
    assert [image.key for image in planned] == ['x/clean/a', 'y/clean/a']
    with pytest.raises(DataError, match='is given twice'):
        plan_lmdb([str(tmp_path / 'x' / 'clean'), str(tmp_path / 'x' / '..' / 'x' / 'clean')])


def test_a_list_chooses_images(photos: Path, tmp_path: Path) -> None:
    (tmp_path / 'list.txt').write_text('c.d.png (23,30,3)\nwet day.png\nc.d.png\n')
    planned = plan_lmdb([str(tmp_path / 'list.txt')], str(photos))
    assert [image.key for image in planned] == ['c%2Ed', 'wet%20day']
    (photos / 'list.txt').write_text(f'{photos}/b/a.png\n')
    assert [image.key for image in plan_lmdb([str(photos / 'list.txt')])] == ['b/a']
    with pytest.raises(DataError, match=r'list.txt:1: there is no file "c.d.png"'):
        plan_lmdb([str(tmp_path / 'list.txt')])


def test_parts_are_stored_and_verified(photos: Path, tmp_path: Path) -> None:
    settings = EntrySettings(crop=16, step=8)
    build([photos], tmp_path / 'parts.lmdb', settings)
    stored = content(tmp_path / 'parts.lmdb')
    assert len(stored) == len(Path(tmp_path, 'parts.lmdb', 'meta_info.txt').read_text().splitlines()) > 40
    problems = [
        v.problems for v in verify_lmdb(str(tmp_path / 'parts.lmdb'), plan_lmdb([str(photos)]), settings)
    ]
    assert problems == [[]] * (len(ODD_NAMES) + 1)


def test_verifying_finds_what_is_wrong(photos: Path, tmp_path: Path) -> None:
    build([photos], tmp_path / 'photos.lmdb')
    with lmdb.open(str(tmp_path / 'photos.lmdb')) as opened, opened.begin(write=True) as transaction:
        transaction.delete(b'c')
        transaction.put(b'stranger', b'x')
        transaction.put(b'b/a', transaction.get(b'wet%20day'))
        damaged = bytearray(transaction.get(b'c%2Ed'))
        damaged[len(damaged) // 2] ^= 255
        transaction.put(b'c%2Ed', bytes(damaged))
    found = verify_lmdb(str(tmp_path / 'photos.lmdb'), plan_lmdb([str(photos)]), EntrySettings())
    problems = {Path(v.path).name: ' '.join(v.problems) for v in found if v.problems}
    assert set(problems) == {'c.png', 'a.png', 'c.d.png', 'photos.lmdb'}
    assert 'key "c" is missing' in problems['c.png']
    assert 'holds another image' in problems['a.png']
    assert 'c%2Ed' in problems['c.d.png']
    assert problems['photos.lmdb'] == 'key "stranger" belongs to none of the images'


def test_bad_images_are_reported_and_the_others_stored(photos: Path, tmp_path: Path) -> None:
    whole = (photos / 'c.png').read_bytes()
    (photos / 'c.png').write_bytes(whole[:-30])
    (message,) = build([photos], tmp_path / 'photos.lmdb')
    assert message.startswith(f'{photos}/c.png: the PNG file is truncated')
    assert len(content(tmp_path / 'photos.lmdb')) == len(ODD_NAMES) - 1


def test_a_link_to_nothing_is_a_bad_image_like_others(photos: Path, tmp_path: Path) -> None:
    (photos / 'nothing.png').symlink_to('nowhere.png')
    (message,) = build([photos], tmp_path / 'photos.lmdb')
    assert message == f'{photos}/nothing.png: there is no such file'
    assert len(content(tmp_path / 'photos.lmdb')) == len(ODD_NAMES)


def test_a_build_that_has_stored_nothing_leaves_nothing(tmp_path: Path) -> None:
    from cclgan_plugin.cli.main import main

    (tmp_path / 'photos').mkdir()
    (tmp_path / 'photos' / 'empty.png').touch()
    command = ['data', 'lmdb', str(tmp_path / 'photos'), str(tmp_path / 'photos.lmdb')]
    assert main(command) == 1
    assert main([*command, '--skip-corrupt']) == 2
    assert os.listdir(tmp_path) == ['photos']


def test_what_another_process_has_made_meanwhile_is_not_replaced(photos: Path, tmp_path: Path) -> None:
    destination = tmp_path / 'photos.lmdb'
    work = LmdbBuild(str(destination), plan_lmdb([str(photos)]), EntrySettings(), overwrite=False)
    assert all(stored.error is None for stored in work.run())
    work.write_meta_info()
    destination.mkdir()
    (destination / 'data.mdb').write_bytes(b"another's")
    with pytest.raises(DataError, match='is there already'):
        work.publish()
    work.close()
    assert (destination / 'data.mdb').read_bytes() == b"another's"


@pytest.mark.skipif(sys.platform == 'win32', reason='POSIX locks')
def test_who_finishes_takes_its_folder_away_before_it_lets_go_of_the_lock(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = LmdbBuild(str(tmp_path / 'a.lmdb'), plan_lmdb([str(photos)]), EntrySettings(), overwrite=False)
    assert all(stored.error is None for stored in work.run())
    work.write_meta_info()
    there: list[bool] = []
    close = os.close

    def watched(handle: int) -> None:
        there.append((tmp_path / '.a.lmdb.building').exists())
        close(handle)

    with monkeypatch.context() as patch:
        patch.setattr(lmdb_build.os, 'close', watched)
        work.publish()
    assert there
    assert not there[-1]


@pytest.mark.skipif(sys.platform == 'win32', reason='POSIX locks')
def test_a_lock_on_a_file_that_was_taken_away_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    flock = fcntl.flock

    def after_the_other_has_finished(handle: int, kind: int) -> None:
        (tmp_path / 'lock').unlink()
        flock(handle, kind)

    monkeypatch.setattr(fcntl, 'flock', after_the_other_has_finished)
    with pytest.raises(DataError, match=r'another process is building "x\.lmdb"'):
        lock(str(tmp_path / 'lock'), 'x.lmdb')


_SLOW_BUILD = """
import sys, time
from cclgan_plugin.data import lmdb_build, lmdb_making
from cclgan_plugin.cli.main import main
make = lmdb_making.make_entries
def slowly(*args):
    time.sleep(0.05)
    return make(*args)
lmdb_making.make_entries = slowly
lmdb_making._TASK_BYTES = 1
lmdb_build._BATCH_IMAGES = 4
sys.exit(main(['data', 'lmdb', sys.argv[1], sys.argv[2], '--workers', '1']))
"""


def test_after_sigkill_it_goes_on_and_the_name_appears_when_all_is_there(
    make_folder: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from cclgan_plugin.cli.main import main

    photos, destination = make_folder('photos', 60), tmp_path / 'photos.lmdb'
    journal = tmp_path / '.photos.lmdb.building' / 'journal'
    process = subprocess.Popen(
        [sys.executable, '-c', _SLOW_BUILD, photos, str(destination)],
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )
    deadline = time.monotonic() + 60
    while not journal.exists() or len(journal.read_bytes().splitlines()) < 9:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(DataError, match='another process is building'):
        build([Path(photos)], destination)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not destination.exists()
    with journal.open('ab') as file:
        file.write(b'["half a li')
    assert main(['data', 'lmdb', photos, str(destination), '--verify']) == 0
    printed = capsys.readouterr().out
    assert 8 <= int(printed.split(' of 60 images were stored by an earlier build')[0]) < 60
    assert 'is as it should be' in printed
    assert content(destination) == {f'{i:02d}': Path(photos, f'{i:02d}.png').read_bytes() for i in range(60)}
    assert len(Path(destination, 'meta_info.txt').read_text().splitlines()) == 60


def test_what_changed_after_a_sudden_end_is_stored_anew(
    make_folder: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lmdb_build, '_BATCH_IMAGES', 1)
    photos, destination = Path(make_folder('photos', 6)), tmp_path / 'photos.lmdb'
    half = LmdbBuild(str(destination), plan_lmdb([str(photos)]), EntrySettings(), False)
    stored = half.run(1)
    for _ in range(3):
        next(stored)
    stored.close()  # type: ignore[attr-defined]
    half.close()
    (photos / '00.png').unlink()
    cv2.imwrite(str(photos / '01.png'), np.zeros((9, 9, 3), np.uint8))
    cv2.imwrite(str(photos / '02.jpg'), np.zeros((9, 9, 3), np.uint8))
    build([photos], destination)
    assert set(content(destination)) == {'01', '02%2Epng', '02%2Ejpg', '03', '04', '05'}
    found = verify_lmdb(str(destination), plan_lmdb([str(photos)]), EntrySettings())
    assert [verified.problems for verified in found] == [[]] * 7


def test_an_unfinished_build_with_other_settings_is_not_mixed_in(
    make_folder: Callable[..., str], tmp_path: Path
) -> None:
    photos, destination = make_folder('photos', 3), tmp_path / 'photos.lmdb'
    first = LmdbBuild(str(destination), plan_lmdb([photos]), EntrySettings(crop=8), False)
    list(first.run())
    first.close()
    second = LmdbBuild(str(destination), plan_lmdb([photos]), EntrySettings(), False)
    assert second.started_anew == 'with other settings'
    assert second.resumed == 0
    list(second.run())
    second.write_meta_info()
    second.publish()
    assert set(content(destination)) == {'00', '01', '02'}


def half_a_build(photos: str, destination: Path) -> LmdbBuild:
    """Two of the images are stored, one to a batch; the build is not closed."""
    build = LmdbBuild(str(destination), plan_lmdb([photos]), EntrySettings(), False)
    stored = build.run(1)
    next(stored), next(stored)
    stored.close()  # type: ignore[attr-defined]
    return build


def test_a_build_from_before_the_machine_was_started_anew_is_not_trusted(
    make_folder: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from cclgan_plugin.cli.main import main

    monkeypatch.setattr(lmdb_build, '_BATCH_IMAGES', 1)
    photos, destination = make_folder('photos', 3), tmp_path / 'photos.lmdb'
    half_a_build(photos, destination).close()
    # A power cut: the journal knows of images whose pages the disk never got.
    database = tmp_path / '.photos.lmdb.building' / 'database' / 'data.mdb'
    database.write_bytes(bytes(database.stat().st_size))
    monkeypatch.setattr(lmdb_build, 'this_boot', lambda: 'another')
    assert main(['data', 'lmdb', photos, str(destination), '--verify']) == 0
    printed = capsys.readouterr().out
    assert 'An unfinished build from before the last start of this machine' in printed
    assert 'were stored by an earlier build' not in printed
    assert set(content(destination)) == {'00', '01', '02'}


@pytest.mark.parametrize(('boot', 'flushes'), [('this', 1), (None, 0)])
def test_without_knowing_when_the_machine_was_started_each_batch_is_flushed_by_lmdb_itself(
    make_folder: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    boot: str | None,
    flushes: int,
) -> None:
    flushed = []
    flush = LmdbWriter._flush
    monkeypatch.setattr(LmdbWriter, '_flush', lambda writer: (flushed.append(1), flush(writer)))
    monkeypatch.setattr(lmdb_build, 'this_boot', lambda: boot)
    photos, destination = Path(make_folder('photos', 3)), tmp_path / 'photos.lmdb'
    assert build([photos], destination) == []
    assert len(flushed) == flushes
    assert set(content(destination)) == {'00', '01', '02'}


def test_half_a_build_gets_no_name(make_folder: Callable[..., str], tmp_path: Path) -> None:
    photos, destination = make_folder('photos', 3), tmp_path / 'photos.lmdb'
    half = LmdbBuild(str(destination), plan_lmdb([photos]), EntrySettings(), False)
    stored = half.run(1)
    next(stored)
    half.write_meta_info()
    with pytest.raises(RuntimeError, match=r'run\(\) is not at its end'):
        half.publish()
    assert len(list(stored)) == 2
    half.publish()
    assert len(content(destination)) == 3


def test_what_a_failing_disk_may_have_lost_is_not_gone_on_with(
    make_folder: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(writer: LmdbWriter) -> None:
        raise FlushError(f'"{writer.path}" cannot be written: Input/output error')

    monkeypatch.setattr(lmdb_build, '_BATCH_IMAGES', 1)
    photos, destination = make_folder('photos', 3), tmp_path / 'photos.lmdb'
    with monkeypatch.context() as patched:
        patched.setattr(LmdbWriter, '_flush', broken)
        # The generator's end is the writer's, where the last flush fails.
        with pytest.raises(FlushError, match='Input/output error'):
            half_a_build(photos, destination)
    # As after SIGKILL, nobody has closed the build; what it noted is gone all the same.
    assert not (tmp_path / '.photos.lmdb.building' / 'journal').exists()


def test_what_is_there_is_replaced_only_on_request_and_as_a_whole(photos: Path, tmp_path: Path) -> None:
    destination = tmp_path / 'photos.lmdb'
    build([photos], destination)
    with pytest.raises(DataError, match='--overwrite replaces it'):
        build([photos], destination)
    (photos / 'c.png').unlink()
    build([photos], destination, overwrite=True)
    assert 'c' not in content(destination)
    assert sorted(os.listdir(tmp_path)) == ['photos', 'photos.lmdb']


class Killed(BaseException):
    """Stands for SIGKILL: nothing is done after it."""


def kill_at(step: int, patch: pytest.MonkeyPatch) -> list[str]:
    """Lets so many steps of publishing happen; the names of those that were begun."""
    begun: list[str] = []

    def counted(module: object, name: str) -> None:
        real = getattr(module, name)

        def run(*args: object, **kwargs: object) -> None:
            begun.append(name)
            if len(begun) > step:
                raise Killed
            real(*args, **kwargs)

        patch.setattr(module, name, run)

    for module, name in ((os, 'rename'), (os, 'remove'), (lmdb_publish.shutil, 'rmtree')):
        counted(module, name)
    return begun


@pytest.mark.skipif(sys.platform == 'win32', reason='POSIX locks')
@pytest.mark.parametrize('step', range(6))
@pytest.mark.parametrize('then', ['goes on', 'has nothing to store', 'does not overwrite'])
def test_a_kill_at_any_step_of_publishing_loses_no_database(
    make_folder: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, then: str
) -> None:
    photos, destination = Path(make_folder('photos', 4)), tmp_path / 'a.lmdb'
    build([Path(make_folder('others', 2))], destination)
    old = content(destination)
    work = LmdbBuild(str(destination), plan_lmdb([str(photos)]), EntrySettings(), overwrite=True)
    list(work.run())
    work.write_meta_info()
    with monkeypatch.context() as patch:
        begun = kill_at(step, patch)
        try:
            work.publish()
        except Killed:
            assert work._lock is not None
            os.close(work._lock)  # as the system does
        else:
            assert len(begun) <= step
    if then == 'goes on':
        build([photos], destination, overwrite=True)
        assert len(content(destination)) == 4
        assert sorted(os.listdir(tmp_path)) == ['a.lmdb', 'others', 'photos']
        return
    (photos / 'empty.png').touch()
    (tmp_path / 'list.txt').write_text(f'{photos}/empty.png\n')
    overwrite = then == 'has nothing to store'
    with pytest.raises(DataError, match='would hold no image' if overwrite else 'is there already'):
        build([tmp_path / 'list.txt'], destination, overwrite=overwrite)
    assert content(destination) == old or len(content(destination)) == 4


def test_what_a_user_has_deleted_does_not_come_back(photos: Path, tmp_path: Path) -> None:
    workshop = tmp_path / '.photos.lmdb.building'
    build([photos], tmp_path / 'old.lmdb')
    workshop.mkdir()
    # A kill after the new database got its name, which somebody has then deleted.
    (tmp_path / 'old.lmdb').rename(workshop / 'replaced')
    LmdbBuild(str(tmp_path / 'photos.lmdb'), plan_lmdb([str(photos)]), EntrySettings(), False).close()
    assert sorted(os.listdir(tmp_path)) == ['photos']


def test_a_rename_that_fails_leaves_the_old_database(
    make_folder: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, destination = Path(make_folder('photos', 2)), tmp_path / 'a.lmdb'
    build([photos], destination)
    old, rename = content(destination), os.rename

    def fail(source: str, target: str) -> None:
        if source.endswith('database'):
            raise PermissionError(1, 'Operation not permitted')
        rename(source, target)

    cv2.imwrite(str(photos / 'more.png'), np.zeros((9, 9, 3), np.uint8))
    with monkeypatch.context() as patch:
        patch.setattr(os, 'rename', fail)
        with pytest.raises(DataError, match=r'a\.lmdb" cannot be written: Operation not permitted'):
            build([photos], destination, overwrite=True)
    assert content(destination) == old


def test_a_database_that_lacks_what_its_journal_notes_gets_no_name(
    make_folder: Callable[..., str], tmp_path: Path
) -> None:
    photos, destination = Path(make_folder('photos', 3)), tmp_path / 'a.lmdb'
    work = LmdbBuild(str(destination), plan_lmdb([str(photos)]), EntrySettings(), False)
    list(work.run())
    with LmdbWriter(work.database) as writer:
        writer.delete(['01'])
    work.write_meta_info()
    with pytest.raises(DataError, match='holds 2 of the 3 images that are noted'):
        work.publish()
    work.close()
    assert not destination.exists()
    build([photos], destination)
    assert len(content(destination)) == 3


def test_names_and_places_that_cannot_be_used(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'whose name ends in \.lmdb'):
        build([photos], tmp_path / 'database')
    (tmp_path / 'mine.lmdb').mkdir()
    with pytest.raises(DataError, match='is there and is no LMDB'):
        build([photos], tmp_path / 'mine.lmdb', overwrite=True)
    for path in photos.rglob('*.*'):
        path.write_text('no image')
    with pytest.raises(DataError, match='would hold no image'):
        build([photos], tmp_path / 'none.lmdb')
    assert not (tmp_path / 'none.lmdb').exists()


def test_lists_of_file_names_choose_from_it(photos: Path, tmp_path: Path) -> None:
    from cclgan_plugin.data.find_source import find_source

    build([photos], tmp_path / 'photos.lmdb')
    (tmp_path / 'list.txt').write_text('\n'.join(ODD_NAMES))
    source = find_source('lq', str(tmp_path / 'photos.lmdb'), str(tmp_path / 'list.txt'), {'type': 'lmdb'})
    assert source.names == lmdb_keys(ODD_NAMES)
    for index, name in enumerate(ODD_NAMES):
        assert source.read(index) == (photos / name).read_bytes()


_LIMITED = """
import resource, sys
from cclgan_plugin.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
sys.exit(main(['data', 'lmdb', sys.argv[1], sys.argv[2]]))
"""


@pytest.mark.skipif(sys.platform == 'win32', reason='POSIX limits')
def test_a_disk_that_takes_no_more_is_said_and_the_work_goes_on_later(tmp_path: Path) -> None:
    from cclgan_plugin.cli.main import main

    (tmp_path / 'photos').mkdir()
    for index in range(30):
        noise = np.random.default_rng(index).integers(0, 256, (128, 128, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / 'photos' / f'{index}.png'), noise)
    destination = tmp_path / 'photos.lmdb'
    done = subprocess.run(
        [sys.executable, '-c', _LIMITED, str(tmp_path / 'photos'), str(destination)],
        capture_output=True,
        text=True,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )
    assert done.returncode == 2
    assert 'cannot be written: ' in done.stderr
    assert 'MB are free on its disk' in done.stderr
    assert not destination.exists()
    assert main(['data', 'lmdb', str(tmp_path / 'photos'), str(destination), '--verify']) == 0
    assert len(content(destination)) == 30
