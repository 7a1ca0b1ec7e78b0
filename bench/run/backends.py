"""Engines that carry jobs to workers: threads of this process, any joblib backend, a dask cluster.

An engine answers every job, also when its worker dies, and keeps no order. It takes the next job
when a worker is free; one that cannot (`batches`) takes `BATCH` for each worker at once.
"""

import importlib
import itertools
import logging
import os
import queue
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from joblib.parallel import BACKENDS

from bench.registry import Unavailable
from bench.run.isolation.supervisor import isolated
from bench.run.isolation.workers import stop_run
from bench.run.job import Answer, Job, Stopped

if TYPE_CHECKING:
    from distributed import Client
    from distributed import Future as DaskFuture

Engine = Callable[[Iterator[Job]], Generator[Answer, None, None]]
LOCAL = ("local", "threading")
REGISTERED_BY = {"ray": "ray.util.joblib:register_ray", "spark": "joblibspark:register_spark"}
LIVES, BATCH, ALONE_S = 3, 4, 60.0


def engine_of(backend: str, workers: int, scheduler: str | None = None) -> Engine:
    """The engine of a name, for so many workers or an existing dask cluster.

    Args:
        backend: `local` (or `threading`), `dask`, a registered joblib backend, or `module:NAME` for
            one that importing a module registers.

    Raises:
        ValueError: no such backend. Unavailable: what it needs is not installed.
    """
    if backend == "dask":
        return partial(dask, workers=workers, scheduler=scheduler)
    if backend in LOCAL:
        return partial(threads, workers=workers)
    return partial(streamed, workers=workers, backend=_registered(backend))


def _registered(backend: str) -> str:
    """The name under which joblib has a backend.

    Raises:
        ValueError: no such backend. Unavailable: what it needs is not installed.
    """
    module, _, name = backend.rpartition(":")
    if module and not module.replace(".", "_").isidentifier() or module.startswith("."):
        raise ValueError(f"--backend: no module {module}; it is named as in an import, module:NAME")
    try:
        if module:
            importlib.import_module(module)
        elif name not in BACKENDS and name in REGISTERED_BY:
            place, _, function = REGISTERED_BY[name].partition(":")
            getattr(importlib.import_module(place), function)()
    except ImportError as error:
        what = f"--backend {backend} needs {error.name or module or name}"
        raise Unavailable(f"{what}, which is not installed") from error
    if name not in BACKENDS:
        known = ", ".join(sorted({*LOCAL, "dask", *BACKENDS, *REGISTERED_BY}))
        raise ValueError(
            f"--backend: joblib has no {backend}; there are {known}, or module:NAME of a module "
            "that registers one"
        )
    return name


def lost(job: Job, why: str = "") -> Answer:
    """The answer for a job whose workers died again and again."""
    reason = f"the workers that carried it died {LIVES} times" + (f": {why}" if why else "")
    return Answer(job.index, job.cell, "error", reason, reason)


def threads(jobs: Iterator[Job], workers: int) -> Generator[Answer, None, None]:
    """Runs jobs in threads of this process, each of which watches the processes of one cell."""
    flight: set[Future] = set()
    runs: set[str] = set()
    with ThreadPoolExecutor(workers) as pool:
        try:
            done: set[Future] = set()
            while True:
                for job in itertools.islice(jobs, workers - len(flight)):
                    runs.add(job.run)
                    flight.add(pool.submit(_or_stopped, job))
                yield from (answer for future in done if (answer := future.result()))
                if not flight:
                    return
                done, flight = wait(flight, return_when=FIRST_COMPLETED)
        finally:
            for run in runs:
                stop_run(run)


def _or_stopped(job: Job) -> Answer | None:
    try:
        return isolated(job)
    except Stopped:
        return None


def streamed(jobs: Iterator[Job], workers: int, backend: str) -> Generator[Answer, None, None]:
    """Runs jobs on the workers of a joblib backend, each of which watches one cell at a time.

    joblib gives up all its tasks when one of its workers dies (which takes more than a cell to do):
    what was under way then starts again, up to `LIVES` times. A backend that cannot give answers
    as they come is served in batches, whose answers come together.
    """
    flight: dict[int, Job] = {}
    deaths: Counter[int] = Counter()
    runs: set[str] = set()

    def noted(more: Iterator[Job]) -> Iterator[Job]:
        for job in more:
            runs.add(job.run)
            flight[job.index] = job
            yield job

    def stop_all() -> None:
        for run in runs:
            stop_run(run)

    with ExitStack() as ending:
        ending.callback(stop_all)
        if backend == "loky":
            ending.callback(lambda: get_reusable_executor().shutdown(wait=True, kill_workers=True))
        if backend == "ray":
            _start_ray(workers, ending)
        carry = _carrier(workers, backend)
        while True:
            try:
                for answer in carry(noted(jobs)):
                    del flight[answer.index]
                    yield answer
                return
            except Exception as error:
                if not flight:
                    raise
                deaths.update(flight.keys())
                why = f"{type(error).__name__}: {error}"
                yield from (lost(job, why) for job in flight.values() if deaths[job.index] >= LIVES)
                again = [job for job in flight.values() if deaths[job.index] < LIVES]
                flight.clear()
                jobs = itertools.chain(again, jobs)


def _carrier(workers: int, backend: str) -> Callable[[Iterator[Job]], Iterable[Answer]]:
    """jobs -> answers."""

    def tasks(jobs: Iterable[Job]) -> Iterator[Any]:
        return (delayed(_owned)(job, os.getpid()) for job in jobs)

    def stream(jobs: Iterator[Job]) -> Iterable[Answer]:
        words = {"return_as": "generator_unordered", "pre_dispatch": workers, "batch_size": 1}
        return Parallel(workers, backend, **words)(tasks(jobs))

    def batches(jobs: Iterator[Job]) -> Iterator[Answer]:
        with Parallel(workers, backend, pre_dispatch="all", batch_size=1) as pool:
            while batch := list(itertools.islice(jobs, BATCH * workers)):
                yield from pool(tasks(batch))

    try:
        Parallel(workers, backend, return_as="generator_unordered")
    except ValueError:
        return batches
    return stream


def _start_ray(workers: int, ending: ExitStack) -> None:
    """A ray of this machine with so many workers, unless the user's own cluster is named.

    Raises:
        ValueError: none starts.
    """
    import ray

    if not ray.is_initialized():
        words: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        words |= {} if "RAY_ADDRESS" in os.environ else {"num_cpus": workers}
        try:
            ray.init(include_dashboard=False, **words)
        except Exception as error:
            raise ValueError(f"no ray could be started or reached: {error}") from error
        ending.callback(ray.shutdown)


def _owned(job: Job, owner: int) -> Answer:
    """In a worker: Ctrl-C is the owner's to handle, and the owner's death ends the work."""
    if os.getpid() != owner:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if os.getppid() == owner:
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
        flight: dict[DaskFuture, Job] = {}
        runs: set[str] = set()
        try:
            done: list[Answer] = []
            while True:
                for job in itertools.islice(jobs, max(1, _threads(client)) - len(flight)):
                    future = client.submit(isolated, job, pure=False)
                    flight[future] = job
                    runs.add(job.run)
                    future.add_done_callback(answers.put)
                yield from done
                if not flight:
                    return
                future = _next(answers, client)
                done = [_answer(future, flight.pop(future))]
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


def _next(answers: queue.SimpleQueue, client: "Client") -> "DaskFuture":
    """The next future that is done; gives up when the cluster has had no worker for a minute."""
    alone = 0.0
    while True:
        with suppress(queue.Empty):
            return answers.get(timeout=1.0)
        alone = 0.0 if _threads(client) else alone + 1.0
        if alone >= ALONE_S:
            raise ValueError("the dask cluster has no workers left; what is done is recorded")


def _answer(future: "DaskFuture", job: Job) -> Answer:
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
