"""Reading processes, as many as there are cores, which hand over films in order and ahead of the network.

A process that takes too long is ended and its film refused; one that ends by itself has had its film too.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from util.archive.reader import Setting, receive, send, unpack
from util.errors import CourseError

if TYPE_CHECKING:
    from util.archive.sources import FilmRef

HOME = Path(__file__).resolve().parents[2]  # the folder that holds `util`
AHEAD = 24  # films read ahead of the network, at most: of 320 x 320 pixels they take 10 MB
START = 300.0  # seconds in which a process has to be there: busy machines take their time


class Readers:
    """Processes that read films; use it in a `with` statement.

    Parameters
    ----------
    setting : util.archive.reader.Setting
    count : int, processes; by default one for each core
    seconds : float, what a film may take by the clock

    See Also
    --------
    util.archive.reader.read_ref : what each process does

    Examples
    --------
    Not run by the tests, since it starts processes.

    >>> with Readers(setting) as readers: list(readers.in_order(refs))  # doctest: +SKIP
    """

    def __init__(self, setting: Setting, count: int | None = None, seconds: float = 60.0) -> None:
        self.setting, self.seconds = setting, seconds
        count = count or os.cpu_count()
        self.free = queue.SimpleQueue()
        self.pool = ThreadPoolExecutor(count)
        self.all = [_Process(setting) for _ in range(count)]
        for process in self.all:
            self.free.put(process)

    def __enter__(self) -> Readers:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """End the processes; films that are being read are given up."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        for process in self.all:
            process.end()
        self.pool.shutdown(wait=True)
        for process in self.all:  # one that was being started again meanwhile
            process.end()

    def in_order(self, refs: Iterable[FilmRef]) -> Iterator[tuple]:
        """(reference, facts, film or None) of each reference, in order, while at most AHEAD others are read."""
        refs, waiting = iter(refs), deque()
        while True:
            while len(waiting) < AHEAD and (ref := next(refs, None)) is not None:
                waiting.append((ref, self.pool.submit(self._read, ref)))
            if not waiting:
                return
            ref, answer = waiting.popleft()
            yield (ref, *answer.result())

    def _read(self, ref):
        process = self.free.get()
        try:
            return process.read(ref, self.seconds)
        finally:
            self.free.put(process)


class _Process:
    """One reading process, started again after its end."""

    def __init__(self, setting):
        self.setting, self.closed = setting, False
        self.start()

    def start(self):
        more = {"PYTHONPATH": str(HOME), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "util.archive.reader"],
            cwd=HOME,
            env=os.environ | more,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what a library says there may repeat a header
            start_new_session=True,  # Ctrl+C is for the command, which ends its readers
        )
        self.ready = False
        with contextlib.suppress(OSError):  # the first film says so
            send(self.process.stdin, pickle.dumps(self.setting, pickle.HIGHEST_PROTOCOL))

    def read(self, ref, seconds):
        """Facts and film of one reference; `refused` where the process had to be ended or ended."""
        late = threading.Event()
        try:
            if not self.ready:
                with self._within(START, late):
                    receive(self.process.stdout)
                self.ready = True
            with self._within(seconds, late):
                send(self.process.stdin, pickle.dumps(ref, pickle.HIGHEST_PROTOCOL))
                return unpack(receive(self.process.stdout))
        except (OSError, EOFError, ValueError, struct.error):
            if self.closed:
                return {"refused": "the command was stopped"}, None
            if not self.ready:
                raise CourseError(
                    "The processes that read films cannot be started here: look for a lack of memory or of rights."
                ) from None
            self.end()
            self.closed = False
            self.start()
            what = f"takes more than {seconds:g} seconds" if late.is_set() else "ended the process that read it"
            return {"refused": f"reading it {what}: it is damaged or made to do harm"}, None

    @contextlib.contextmanager
    def _within(self, seconds, late):
        """End the process when the block takes longer."""
        timer = threading.Timer(seconds, lambda: (late.set(), self.process.kill()))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def end(self):
        """End the process and let go of its pipes."""
        self.closed = True
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                stream.close()
