"""A warm child process in which cells run, and what watches it: time, memory, death.

Nothing here imports torch: the watcher stays small, whoever carries it (loky, dask, or the main
process itself). A cell arrives pickled and is unpickled by the child alone.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any

import psutil

POLL_S = 0.1
FAMILY_EVERY_S = 1.0
START_S, REAP_S = 300.0, 5.0
OUTPUT_MOST, OUTPUT_SHOWN = 64 * 2**20, 64 * 2**10
TAG = "CONDFIP_BENCH_CHILD"
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)


@dataclass(frozen=True)
class Limits:
    """What one cell may use: wall-clock seconds and resident bytes; None is no limit."""

    seconds: float | None = None
    memory: int | None = None


@dataclass(frozen=True)
class Job:
    """One cell on its way to a child.

    Attributes:
        index: its number in the run. payload: the pickled cell. limits: see `Limits`.
        run: names the run, so that all of it can be stopped.
        home: the folder from which `module:Class` is found.
    """

    index: int
    payload: bytes
    limits: Limits = Limits()
    run: str = ""
    home: str = "."


@dataclass(frozen=True)
class Answer:
    """How a job ended.

    Attributes:
        index: of the job. record: the child's, as far as it got; None where it got nowhere.
        status, reason: why the record is not whole; "" where it is. log: traceback and output.
        wall_s: seconds. peak_mb: the most resident memory seen, MiB.
    """

    index: int
    record: dict[str, Any] | None = None
    status: str = ""
    reason: str = ""
    log: str = ""
    wall_s: float = 0.0
    peak_mb: float = 0.0


class Stopped(Exception):
    """The run that a job belongs to was stopped."""


class Ended(Exception):
    """A cell ended before its record was whole: (status, reason)."""


class Child:
    """A process that has imported what cells need, and computes one after another."""

    def __init__(self, home: str) -> None:
        self.home, self.tag, self.jobs = home, uuid.uuid4().hex, 0
        self.folder = tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)
        self.output = (Path(self.folder.name) / "output").open("a+b")
        self.connection, theirs = Pipe()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bench.run.child", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd=home if Path(home).is_dir() else None,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=self.output,
                stderr=self.output,
                start_new_session=True,
            )
        self.family = [psutil.Process(self.process.pid)]
        self.looked = self.peak = 0.0

    def _environment(self) -> dict[str, str]:
        package = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), package)))
        own = {TAG: self.tag, "TMPDIR": self.folder.name, "PYTHONPATH": path, "PYTHONHASHSEED": "0"}
        own["PYTHONUNBUFFERED"] = "1"
        return {**os.environ, **ONE_THREAD, **own}

    def alive(self) -> bool:
        """Whether it can take a job."""
        return self.process.poll() is None

    def run(self, job: Job) -> Answer:
        """Computes one job; where it ends early, the child and all its processes are dead."""
        record, log, end = None, "", ("", "")
        started = time.monotonic()
        try:
            started = self._begin(job)
            whole = False
            while not whole:
                record, whole, log = self._receive(job, started)
            self._kill_family()
        except Ended as early:
            end = early.args
            log = self.end(": ".join(end))
        wall = round(time.monotonic() - started, 4)
        return Answer(job.index, record, *end, log and log + self._said(), wall, self.peak)

    def _begin(self, job: Job) -> float:
        """Sends a job, once the child has started; returns when, in seconds."""
        self.jobs += 1
        self.peak = 0.0
        if self.jobs == 1:
            self._receive(replace(job, limits=Limits(START_S)), time.monotonic())
        os.ftruncate(self.output.fileno(), 0)
        with self._death_ends():
            self.connection.send_bytes(job.payload)
        return time.monotonic()

    def _receive(self, job: Job, started: float) -> tuple[Any, bool, str]:
        """The next message: (record, whether it is whole, log)."""
        while True:
            with self._death_ends():
                if self.connection.poll(POLL_S):
                    return self.connection.recv()
            self._watch(job, started)

    @contextlib.contextmanager
    def _death_ends(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(REAP_S)
            raise Ended(*death(self.process.returncode)) from None

    def _watch(self, job: Job, started: float) -> None:
        """Ends a job that is over its limits, whose child is dead, or whom nobody waits for."""
        if job.run in stopped_runs():
            self.end()
            raise Stopped
        if not self.alive():
            raise Ended(*death(self.process.returncode))
        seconds, memory = job.limits.seconds, job.limits.memory
        if seconds and time.monotonic() - started > seconds:
            raise Ended("timeout", f"over the limit of {seconds:g} s")
        if self._resident() > (memory or float("inf")):
            raise Ended("oom", f"over the limit of {memory / 2**30:g} GiB of resident memory")
        if os.fstat(self.output.fileno()).st_size > OUTPUT_MOST:
            os.ftruncate(self.output.fileno(), 0)

    def _resident(self) -> int:
        """Bytes that the child and its own children hold."""
        if time.monotonic() - self.looked > FAMILY_EVERY_S:
            self.family = [self.family[0], *self._descendants()]
            self.looked = time.monotonic()
        total = 0
        for process in self.family:
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        self.peak = max(self.peak, total / 2**20)
        return total

    def _descendants(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            return self.family[0].children(recursive=True)
        return []

    def _kill_family(self) -> None:
        """Kills what a method started and left; the child has adopted what was orphaned."""
        for process in self._descendants():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def end(self, log: str = "") -> str:
        """Kills the child and all that it started, wherever that hides; hands `log` through."""
        with contextlib.suppress(psutil.Error):
            self.family[0].kill()
        for process in psutil.process_iter(["environ"]):
            if (process.info["environ"] or {}).get(TAG) == self.tag:
                with contextlib.suppress(psutil.Error):
                    process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(REAP_S)
        self.connection.close()
        self.folder.cleanup()
        return log

    def _said(self) -> str:
        """The end of what the cell printed."""
        size = os.fstat(self.output.fileno()).st_size
        self.output.seek(max(0, size - OUTPUT_SHOWN))
        text = self.output.read().decode(errors="replace")
        return f"\n--- output ({size} bytes) ---\n{text}" if text else ""


def death(code: int | None) -> tuple[str, str]:
    """Status and reason of a process that is gone; the kernel kills with SIGKILL for memory."""
    if code is None:
        return "error", "the process closed its connection"
    if code == -signal.SIGKILL:
        return "oom", "the process was killed (SIGKILL), as the kernel does when memory is short"
    how = f"exited with code {code}" if code >= 0 else f"died of {signal.Signals(-code).name}"
    return "error", f"the process {how}"


class Worker:
    """Owns one warm child, renewed after it was killed."""

    def __init__(self) -> None:
        self.child: Child | None = None

    def answer(self, job: Job) -> Answer:
        """Computes a job. What dies in a used child is tried once more in a fresh one.

        An earlier cell may have left threads, handles or memory that kill the next; only what also
        dies alone is that cell's own failure.
        """
        if self.child is None or not self.child.alive() or self.child.home != job.home:
            self._renew(job.home)
        answer = self.child.run(job)
        if answer.status in ("error", "oom") and self.child.jobs > 1:
            self._renew(job.home)
            answer = self.child.run(job)
        return answer

    def _renew(self, home: str) -> None:
        if self.child is not None and self.child.alive():
            self.child.end()
        self.child = Child(home)


@cache
def worker_of(thread: int) -> Worker:
    """The worker of a thread of this process."""
    return Worker()


@cache
def stopped_runs() -> set[str]:
    """The runs that were stopped, as far as this process was told."""
    return set()


def stop_run(run: str) -> None:
    """Tells this process to kill a run's cells."""
    stopped_runs().add(run)


def isolated(job: Job) -> Answer:
    """Computes a job in the warm child of the thread that calls."""
    return worker_of(threading.get_ident()).answer(job)
