"""The workers of a run in one process: each owns processes, which it keeps for its next cells."""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from functools import cache
from typing import Any

from bench.run.isolation.frames import Broken, Closed
from bench.run.isolation.process_tree import descendants, kill, kill_descendants, psutil_of
from bench.run.isolation.processes import Base, Child
from bench.run.job import Ended

METHODS_HELD = 6


class Worker:
    """Owns base, scorer and methods; what a cell broke is made anew for the next one."""

    def __init__(self) -> None:
        self.base: Base | None = None
        self.scoring: Base | None = None  # another base only where nothing is forked
        self.scorer: Child | None = None
        self.methods: OrderedDict[str, Child] = OrderedDict()
        self.foreign: dict[int, Base] = {}  # of methods in environments of their own, by number
        self.failed: dict[str, tuple[Ended, dict[str, Any]]] = {}

    def prepare(self, home: str, device: str) -> Base:
        """A base for methods on a device, starting where there was none."""
        base = self.base
        fit = base and (base.home, base.device) == (home, device)
        if base and fit and base.alive() and not base.suspended():
            return base
        self.end()
        base = self.base = Base(home, device)
        self.scoring = base if base.forks else Base(home, device)
        return base

    def abroad(self, home: str, device: str, python: str) -> Base:
        """A base for one method, under the interpreter of the method's own environment.

        Raises:
            Ended: there is none.
        """
        try:
            base = Base(home, device, python)
        except OSError as error:
            raise Ended("error", f"the method's environment has no Python: {error}") from error
        self.foreign[base.child.pid] = base
        return base

    def end(self) -> None:
        """Ends all processes of this worker."""
        bases = {
            id(base): base for base in (self.base, self.scoring, *self.foreign.values()) if base
        }
        self.base = self.scoring = self.scorer = None
        self.foreign.clear()
        self.methods.clear()
        for base in bases.values():
            base.end()

    def end_child(self, child: Child) -> None:
        """Ends a scorer or a method, and all that it started."""
        scorer = self.scorer is child
        self.methods = OrderedDict((n, c) for n, c in self.methods.items() if c is not child)
        self.scorer = None if scorer else self.scorer
        if foreign := self.foreign.pop(child.pid, None):
            foreign.end()
        elif self.base is None or self.scoring is None:
            self.end()
        elif self.base is not self.scoring:  # it is a base itself
            old = self.scoring if scorer else self.base
            old.end()
            fresh = Base(old.home, old.device)
            self.base, self.scoring = (self.base, fresh) if scorer else (fresh, self.scoring)
        else:
            self._end_forked(self.base, child)

    def _end_forked(self, base: Base, child: Child) -> None:
        kill([*descendants(child.pid), *filter(None, [psutil_of(child.pid)])])
        child.forget()
        kept = [c.pid for c in (self.scorer, *self.methods.values()) if c]
        try:
            if not kill_descendants(base.child.pid, kept):
                self.end()
            else:
                base.child.bury(child.pid)
        except (Closed, Broken, Ended):
            self.end()

    def make_room(self) -> None:
        """Ends the method that was used least lately, where as many are held as may be."""
        most = METHODS_HELD if self.base and self.base is self.scoring else 1
        if len(self.methods) >= most:
            self.end_child(next(iter(self.methods.values())))


class Pool:
    """The workers of one run in this process; a thread takes one for each job."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.free: list[Worker] = []
        self.all: list[Worker] = []

    @contextlib.contextmanager
    def worker(self) -> Iterator[Worker]:
        """A worker that no other thread has."""
        with self.lock:
            if not self.free:
                self.free.append(Worker())
                self.all.append(self.free[0])
            worker = self.free.pop()
        try:
            yield worker
        finally:
            with self.lock:
                self.free.append(worker)

    def end(self) -> None:
        """Ends the processes of all workers."""
        for worker in self.all:
            worker.end()


@cache
def pool_of(run: str) -> Pool:
    """The workers of a run in this process."""
    return Pool()


@cache
def stopped_runs() -> set[str]:
    """The runs that were stopped, as far as this process was told."""
    return set()


def stop_run(run: str) -> None:
    """Tells this process to kill a run's cells and to end its workers."""
    stopped_runs().add(run)
    pool_of(run).end()
