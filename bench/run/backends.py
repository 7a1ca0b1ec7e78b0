"""Engines that carry jobs to workers: threads or processes of this machine, a dask cluster.

An engine takes the next job when a worker is free, so that what it took and did not answer is what
runs now. It answers every job, also when its worker dies, and keeps no order.
"""

import itertools
import os
import queue
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import BrokenProcessPool

from bench.registry import Unavailable
from bench.run.job import Answer, Job, Stopped
from bench.run.supervisor import isolated
from bench.run.workers import stop_run

if TYPE_CHECKING:
    from distributed import Client, Future

Engine = Callable[[Iterator[Job]], Iterable[Answer]]
BACKENDS = ("threading", "loky", "dask")
LIVES = 3
ALONE_S = 60.0


def engine_of(backend: str, workers: int, scheduler: str | None = None) -> Engine:
    """The engine of a name, for so many workers or an existing dask cluster."""
    if backend == "dask":
        return partial(dask, workers=workers, scheduler=scheduler)
    if backend == "loky":
        return partial(loky, workers=workers)
    return partial(threads, workers=workers)


def lost(job: Job) -> Answer:
    """The answer for a job whose workers died again and again."""
    reason = f"the workers that carried it died {LIVES} times"
    return Answer(job.index, job.cell, "error", reason, reason)


def threads(jobs: Iterator[Job], workers: int) -> Generator[Answer, None, None]:
    """Runs jobs in threads of this process, each of which watches the processes of one cell."""
    runs: set[str] = set()

    def take() -> Iterator[Any]:
        for job in jobs:
            runs.add(job.run)
            yield delayed(_or_stopped)(job)

    pool = Parallel(
        workers, "threading", return_as="generator_unordered", pre_dispatch=workers, batch_size=1
    )
    answers = pool(take())
    try:
        yield from (answer for answer in answers if answer is not None)
    except BaseException:
        for run in runs:
            stop_run(run)
        raise
    finally:
        answers.close()
        for run in runs:
            stop_run(run)


def _or_stopped(job: Job) -> Answer | None:
    try:
        return isolated(job)
    except Stopped:
        return None


def loky(jobs: Iterator[Job], workers: int) -> Generator[Answer, None, None]:
    """Runs jobs on worker processes of this machine, each of which watches one cell at a time.

    joblib gives up all its tasks when one of its workers dies (which takes more than a cell to do):
    what was under way then starts again, up to `LIVES` times.
    """
    flight: dict[int, Job] = {}
    deaths: Counter[int] = Counter()

    def take(more: Iterable[Job]) -> Iterator[Any]:
        for job in more:
            flight[job.index] = job
            yield delayed(_owned)(job, os.getpid())

    try:
        while True:
            pool = Parallel(
                workers, "loky", return_as="generator_unordered", pre_dispatch=workers, batch_size=1
            )
            try:
                for answer in pool(take(jobs)):
                    del flight[answer.index]
                    yield answer
                return
            except BrokenProcessPool:
                deaths.update(flight.keys())
                yield from (lost(job) for job in flight.values() if deaths[job.index] >= LIVES)
                again = [job for job in flight.values() if deaths[job.index] < LIVES]
                flight.clear()
                jobs = itertools.chain(again, jobs)
    finally:
        get_reusable_executor().shutdown(wait=True, kill_workers=True)


def _owned(job: Job, owner: int) -> Answer:
    """In a loky worker: Ctrl-C is the owner's to handle, and the owner's death ends the work."""
    if os.getpid() != owner:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _die_with(owner)
    return isolated(job)


@cache
def _die_with(owner: int) -> None:
    """Ends this worker soon after its owner is gone, also between cells; its processes follow."""

    def watch() -> None:
        while os.getppid() == owner:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def dask(
    jobs: Iterator[Job], workers: int, scheduler: str | None = None
) -> Generator[Answer, None, None]:
    """Runs jobs on a dask cluster as native futures; records travel back, no folder is shared.

    Args:
        jobs: what to run. workers: size of a cluster on this machine, where there is no scheduler.
        scheduler: address of an existing cluster's scheduler.

    Raises:
        Unavailable: dask is not installed. ValueError: no scheduler there, or no worker is left.
    """
    with _client(workers, scheduler) as client:
        answers: queue.SimpleQueue = queue.SimpleQueue()
        flight: dict[Future, Job] = {}
        runs: set[str] = set()
        try:
            while True:
                for job in itertools.islice(jobs, max(1, _threads(client)) - len(flight)):
                    future = client.submit(isolated, job, pure=False)
                    flight[future] = job
                    runs.add(job.run)
                    future.add_done_callback(answers.put)
                if not flight:
                    return
                future = _next(answers, client)
                yield _answer(future, flight.pop(future))
        finally:
            with suppress(OSError, ValueError):
                client.cancel(list(flight))
                for run in runs:
                    client.run(stop_run, run, on_error="ignore")


def _client(workers: int, scheduler: str | None) -> "Client":
    try:
        from distributed import Client
    except ImportError as error:
        raise Unavailable('dask is not installed: pip install "condfip-bench[dask]"') from error
    if scheduler is None:
        return Client(n_workers=workers, threads_per_worker=1, dashboard_address=None)
    try:
        return Client(scheduler)
    except (OSError, ValueError) as error:
        raise ValueError(f"no dask scheduler at {scheduler}") from error


def _threads(client: "Client") -> int:
    return sum(client.nthreads().values())


def _next(answers: queue.SimpleQueue, client: "Client") -> "Future":
    """The next future that is done; gives up when the cluster has had no worker for a minute."""
    alone = 0.0
    while True:
        with suppress(queue.Empty):
            return answers.get(timeout=1.0)
        alone = 0.0 if _threads(client) else alone + 1.0
        if alone >= ALONE_S:
            raise ValueError("the dask cluster has no workers left; what is done is recorded")


def _answer(future: "Future", job: Job) -> Answer:
    """What a future brought; dask itself tries again elsewhere when a worker dies, some times."""
    error = None if future.cancelled() else future.exception()
    if future.cancelled() or isinstance(error, Stopped):
        raise ValueError("the dask cluster dropped the run; what is done is recorded")
    if error is None:
        return future.result()
    if type(error).__name__ == "KilledWorker":
        return lost(job)
    reason = f"{type(error).__name__}: {error}"
    return Answer(job.index, job.cell, "error", reason, reason)
