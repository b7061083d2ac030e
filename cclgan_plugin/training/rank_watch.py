"""A process of a run that dies ends the run on all others, soon and with the reason."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch.distributed as dist

from cclgan_plugin.errors import TrainingError
from cclgan_plugin.mends import distributed_start
from cclgan_plugin.training.distributed import wait_for_all

#: Seconds between two signs of life.
BEAT = 1.0
#: Beats without a sign of another process after which it counts as dead. Beats, not seconds: a machine that
#: has slept finds everybody late, but only once.
SILENT_BEATS = 12
#: Seconds that the main thread gets to end by itself, once another process is known to be gone.
GRACE = 5.0


class RankWatch:
    """A thread that tells the other processes that this one lives, and hears the same of them.

    The words go through the store at which torchrun (or rank 0) has let the processes meet, so they get
    through when this process waits for a GPU that waits for the dead one.

    Attributes:
        reason: why the run cannot go on; None as long as it can.
    """

    def __init__(self) -> None:
        self.rank, self.world = dist.get_rank(), dist.get_world_size()
        self.reason: str | None = None
        store = dist.TCPStore(
            os.environ['MASTER_ADDR'],
            int(os.environ['MASTER_PORT']),
            is_master=False,
            timeout=timedelta(seconds=10),
            wait_for_workers=False,
        )
        # torchrun starts anew after a failure, at the same store.
        attempt = os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')
        self._store = dist.PrefixStore(f'cclgan_plugin/{attempt}', store)
        self._over = threading.Event()
        self._known = threading.Event()
        self._beats = 0
        self._heard = {rank: ('', 0) for rank in range(self.world) if rank != self.rank}
        self._thread = threading.Thread(target=self._run, name='rank watch', daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(BEAT):
            try:
                self.reason = self._beat()
            except Exception as error:
                self.reason = f'the launcher, or the first process, cannot be reached ({error})'
            if self.reason:
                self._known.set()
                if not self._over.wait(GRACE):
                    print(f'[rank {self.rank}] basicsr: error: {self.ended()}', file=sys.stderr, flush=True)
                    # The main thread waits for an answer that will never come.
                    os._exit(TrainingError.exit_code)
                return

    def _beat(self) -> str | None:
        """Give a sign of life, and look for those of the others; why the run cannot go on."""
        self._beats += 1
        self._store.set(f'alive/{self.rank}', str(self._beats))
        for rank, (last, silent) in self._heard.items():
            if self._store.check([f'failed/{rank}']):
                return f'rank {rank} has ended: {self._store.get(f"failed/{rank}").decode()}'
            now = self._store.get(f'alive/{rank}').decode() if self._store.check([f'alive/{rank}']) else ''
            self._heard[rank] = (now, silent + 1 if now == last else 0)
            if self._heard[rank][1] >= SILENT_BEATS:
                return f'rank {rank} is dead: no sign of life for {SILENT_BEATS * BEAT:.0f} s'
        return None

    def ended(self) -> str:
        """The whole message."""
        return f'The training ends, because {str(self.reason).rstrip(".")}. Go on with --auto_resume.'

    def fail(self, error: BaseException) -> None:
        """This process cannot go on; the others are told why."""
        text = str(error).strip().splitlines()
        try:
            self._store.set(f'failed/{self.rank}', f'{type(error).__name__}: {text[0] if text else ""}')
        except Exception:
            # There is nobody left to tell, and the error itself is about to be reported here.
            return

    def explain(self, error: BaseException) -> BaseException:
        """What to report when a collective operation has failed: what happened to the other process."""
        lost = isinstance(error, dist.DistBackendError) or 'gloo' in str(error).lower()
        if not isinstance(error, RuntimeError) or not lost:
            return error
        self._known.wait((SILENT_BEATS + 2) * BEAT)
        return TrainingError(self.ended()) if self.reason else error

    def close(self) -> None:
        """Say nothing any more."""
        self._over.set()
        self._thread.join()


@contextmanager
def end_together() -> Iterator[None]:
    """Watch over the processes of the run inside, from when they have met.

    Raises:
        TrainingError: another process is gone.
    """
    watches: list[RankWatch] = []

    def watch() -> None:
        if dist.get_world_size() > 1:
            watches.append(RankWatch())

    distributed_start.after_join.append(watch)
    try:
        yield
        if watches:
            # Nobody leaves, and takes the store along, while others are at work.
            wait_for_all()
    except BaseException as error:
        explained = watches[0].explain(error) if watches else error
        if watches:
            watches[0].fail(explained)
        if explained is error:
            raise
        raise explained from error
    finally:
        distributed_start.after_join.remove(watch)
        for one in watches:
            one.close()
