"""How a method's process is started, what it says of itself, and how its cells are forked."""

import contextlib
from pathlib import Path
from typing import Any

from bench.registry import target
from bench.run.fingerprint import fingerprint_of
from bench.run.isolation.frames import Broken, Closed, Header, text_of
from bench.run.isolation.process_tree import kill_descendants
from bench.run.isolation.processes import START_S, Child, Watch, unanswered, until
from bench.run.isolation.workers import Worker, pool_of, stopped_runs
from bench.run.job import Ended, Job, Limits, Stopped, failed, measured

UNAVAILABLE = "unavailable"  # the version of what is not installed
WARM_S = 60.0
FACTS = {"version": str, "role": str, "noise_space": str, "checkpoint": str, "settings": dict}


class Introduction:
    """The processes that one job needs, started below its worker.

    Attributes:
        facts: what the method said of itself, as far as it got.
        seconds: that it took to import.
    """

    def __init__(self, worker: Worker, job: Job) -> None:
        self.worker, self.job = worker, job
        self.facts: dict[str, Any] = {}
        self.seconds: float | None = None

    def stop(self) -> None:
        """Raises if the run that the job belongs to was stopped.

        Raises:
            Stopped: the run was stopped.
        """
        if self.job.run in stopped_runs():
            raise Stopped

    def watch(self, child: Child | None = None) -> Watch:
        """A tick that keeps the job's limits."""
        return Watch(self.job.limits, self.stop, child)

    def start(self, what: str, header: Header, parent: Child | None = None) -> Child:
        """A new process, of its base where no other parent is named.

        Raises:
            Closed, Broken, Ended: none was started.
        """
        worker = self.worker
        base = worker.prepare(self.job.home, self.job.device)
        starter = worker.scoring or base if what == "scorer" else base
        if what == "method" and self.job.python:
            starter = worker.abroad(self.job.home, self.job.device, self.job.python)
        waiting = until(START_S, self.stop)
        try:
            return starter.start(what, header, parent or starter.child, waiting)
        except (Closed, Broken, Ended) as error:
            if what == "cell":
                raise
            said = starter.child.said()
            worker.end()
            reason = f"no process could be started: {error}"
            raise Ended("error", reason, reason + said) from error

    def introduce(self) -> Child:
        """The method's process; `facts` are known from then on.

        Raises:
            Ended: it cannot be loaded.
        """
        name = self.job.method
        if name in self.worker.failed:
            early, self.facts = self.worker.failed[name]
            raise early
        if name not in self.worker.methods:
            self.worker.make_room()
            self.worker.methods[name] = self._started(warm=True)
        method = self.worker.methods[name]
        self.worker.methods.move_to_end(name)
        self.facts = dict(method.facts["said"])
        self.seconds = method.facts["import_s"]
        return method

    def _started(self, warm: bool) -> Child:
        """A method's process, loaded; warmed up where that leaves it fit to be forked."""
        words = {"method": self.job.method, "module": self.job.module, "warm": warm}
        words["class"] = target(self.job.method).partition(":")[2]
        method = self.start("method", words)
        try:
            self._introduced(method)
            if self._calm(method):
                return method
        except Ended as early:
            self.worker.end_child(method)
            self.worker.failed[self.job.method] = early, dict(self.facts)
            raise
        except BaseException:
            self.worker.end_child(method)
            raise
        if not warm:
            return method
        self.worker.end_child(method)
        return self._started(warm=False)

    def _introduced(self, method: Child) -> None:
        """Reads what a method says of itself.

        Raises:
            Ended: it cannot be loaded.
        """
        limits = Limits(self.job.limits.seconds or START_S, self.job.limits.memory)
        watch = Watch(limits, self.stop, method)
        try:
            found, data = method.channel.receive(watch)
            self.facts["source"] = (
                self._source() if self.job.python else str(found.get("source", ""))
            )
            if found.get("kind") == "found":
                found, data = method.channel.receive(watch)
        except (Closed, Broken) as error:
            raise unanswered(method, error) from None
        except Ended as early:
            raise Ended(
                early.status, f"while it was imported: {early.reason}", method.said()
            ) from None
        if found.get("kind") == "failed":
            if found.get("status") == "skipped":
                self.facts["version"] = UNAVAILABLE
            raise failed(found, text_of(data) + method.said())
        if not all(isinstance(found.get(name), kind) for name, kind in FACTS.items()):
            raise Ended("error", "the method's process says nothing that can be understood")
        self.facts |= {name: found[name] for name in FACTS}
        self.facts["pretrain_s"] = measured(found.get("pretrain_s"))
        self.facts["sees_problem"] = found.get("sees_problem") is True
        method.facts |= {"said": dict(self.facts), "import_s": watch.seconds()}

    def _source(self) -> str:
        """Of a method whose own environment cannot tell."""
        return fingerprint_of(self.job.module, Path(self.job.home))

    def _calm(self, method: Child) -> bool:
        """Whether a method's process got through its warm-up without threads or children left."""
        try:
            limit = min(self.job.limits.seconds or WARM_S, WARM_S)
            limits = Limits(limit, self.job.limits.memory)
            told, _ = method.channel.receive(Watch(limits, self.stop, method))
            if told.get("left"):
                kill_descendants(method.pid)
                method.bury(0)
            return told.get("kind") == "warm" and told.get("threads") == 1
        except (Closed, Broken, Ended):
            return False

    def fork(self, method: Child) -> Child:
        """A cell of a method; where its process cannot start one, of a fresh one, not warmed up."""
        try:
            return self.start("cell", {}, method)
        except (Closed, Broken, Ended):
            self.worker.end_child(method)
        method = self.worker.methods[self.job.method] = self._started(warm=False)
        try:
            return self.start("cell", {}, method)
        except (Closed, Broken, Ended) as error:
            self.worker.end_child(method)
            raise Ended(
                "error", f"the method's process starts no cell: {error}", method.said()
            ) from None


def introduced(job: Job) -> dict[str, Any]:
    """What a job's method says of itself, as far as it can be loaded; no problem is made.

    Raises:
        Stopped: the run was stopped.
    """
    with pool_of(job.run).worker() as worker:
        introduction = Introduction(worker, job)
        with contextlib.suppress(Ended):
            introduction.introduce()
        return introduction.facts
