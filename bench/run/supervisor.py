"""How one cell is computed: problem, method, answers, scores; and what ends it early."""

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.registry import target
from bench.run.family import descendants, kill, kill_descendants, psutil_of
from bench.run.fingerprint import fingerprint_of
from bench.run.frames import Broken, Closed, Header, Tick, text_of
from bench.run.job import Answer, Ended, Job, Limits, Stopped
from bench.run.processes import REAP_S, START_S, Child, Watch, death, until
from bench.run.workers import Worker, pool_of, stopped_runs

UNAVAILABLE = "unavailable"  # the version of what is not installed
WARM_S = 60.0
REASON_MOST = 100_000  # characters of an exception that may be its reason; the log has all
FACTS = {"version": str, "role": str, "noise_space": str, "checkpoint": str, "settings": dict}


class Computation:
    """One job on its way through a worker's processes.

    Attributes:
        facts, result, run: see `Answer`; filled as they become known.
    """

    def __init__(self, worker: Worker, job: Job) -> None:
        self.worker, self.job = worker, job
        self.facts: dict[str, Any] = {}
        self.result: dict[str, Any] = {}
        self.run: dict[str, Any] = {}
        self.whole = False  # whether the method's process answered to the end

    def answer(self) -> Answer:
        """Goes through all; ends early where something does."""
        status, reason, log = "ok", "", ""
        try:
            names, data = self._problem()
            method = self.introduce()
            with self._cell(method) as cell:
                self._fit_and_score(cell, names, data)
            status, reason = _verdict(self.result["metrics"])
        except Ended as early:
            status, reason, log = early.status, early.reason, early.log
        job = self.job
        return Answer(
            job.index, job.cell, status, reason, log or reason, self.facts, self.result, self.run
        )

    def _stop(self) -> None:
        if self.job.run in stopped_runs():
            raise Stopped

    def _watch(self, child: Child | None = None) -> Watch:
        return Watch(self.job.limits, self._stop, child)

    def _start(self, what: str, header: Header, parent: Child | None = None) -> Child:
        """A new process, of the base where no other parent is named.

        Raises:
            Closed, Broken, Ended: none was started.
        """
        worker = self.worker
        base = worker.prepare(self.job.home, self.job.device)
        starter = worker.scoring if what == "scorer" else base
        if what == "method" and self.job.python:
            base = starter = worker.abroad(self.job.home, self.job.device, self.job.python)
        waiting = until(START_S, self._stop)
        try:
            return starter.start(what, header, parent or base.child, waiting)
        except (Closed, Broken) as error:
            if what == "cell":
                raise
            said = starter.child.said()
            worker.end()
            reason = f"no process could be started: {error}"
            raise Ended("error", reason, reason + said) from error

    # the problem

    def _problem(self) -> tuple[list, tuple[Header, bytes]]:
        """Names of the columns, and context rows and graph as numbers."""
        scorer = self._scorer()
        watch = self._watch(scorer)
        with self._scorer_lives(scorer):
            scorer.channel.forward({"kind": "problem"}, self.job.task, watch)
            header, data = scorer.channel.receive(watch)
        if header["kind"] == "failed":
            raise _failed(header, text_of(data))
        self.result |= {"columns": header["columns"], "bounds": header["bounds"]}
        return header["names"], ({"shapes": header["shapes"]}, data)

    def _scorer(self) -> Child:
        self.worker.prepare(self.job.home, self.job.device)
        if self.worker.scorer is None:
            self.worker.scorer = self._start("scorer", {}, self.worker.scoring.child)
        return self.worker.scorer

    @contextlib.contextmanager
    def _scorer_lives(self, scorer: Child) -> Iterator[None]:
        """Where it does not, or does not answer in time, the next cell gets another one."""
        try:
            yield
        except (Closed, Broken) as error:
            ended = self._dead(scorer, error)
            self.worker.end_child(scorer)
        except Ended as early:
            ended = early
            self.worker.end_child(scorer)
        else:
            return
        raise Ended(
            ended.status, f"while the problem was made or scored: {ended.reason}", ended.log
        )

    # the method

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
        self.run["import_s"] = method.facts["import_s"]
        return method

    def _started(self, warm: bool) -> Child:
        """A method's process, loaded; warmed up where that leaves it fit to be forked."""
        words = {"method": self.job.method, "module": self.job.module, "warm": warm}
        words["class"] = target(self.job.method).partition(":")[2]
        method = self._start("method", words)
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
        watch = Watch(limits, self._stop, method)
        try:
            found, data = method.channel.receive(watch)
            self.facts["source"] = str(found.get("source", "")) or self._source()
            if found.get("kind") == "found":
                found, data = method.channel.receive(watch)
        except (Closed, Broken) as error:
            raise self._dead(method, error) from None
        except Ended as early:
            raise Ended(
                early.status, f"while it was imported: {early.reason}", method.said()
            ) from None
        if found.get("kind") == "failed":
            if found.get("status") == "skipped":
                self.facts["version"] = UNAVAILABLE
            raise _failed(found, text_of(data) + method.said())
        if not all(isinstance(found.get(name), kind) for name, kind in FACTS.items()):
            raise Ended("error", "the method's process says nothing that can be understood")
        self.facts |= {name: found[name] for name in FACTS}
        self.facts["pretrain_s"] = _measured(found.get("pretrain_s"))
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
            told, _ = method.channel.receive(Watch(limits, self._stop, method))
            if told.get("left"):
                kill_descendants(method.pid)
                method.bury(0)
            return told.get("kind") == "warm" and told.get("threads") == 1
        except (Closed, Broken, Ended):
            return False

    # the cell

    @contextlib.contextmanager
    def _cell(self, method: Child) -> Iterator[Child]:
        """A process for this cell; it and all that it started are gone afterwards."""
        cell = self._forked(method)
        watch = self._watch(cell)
        cell.facts["watch"] = watch
        try:
            yield cell
        except (Closed, Broken) as error:
            raise self._dead(cell, error) from None
        except Ended as early:
            raise Ended(early.status, early.reason, early.log + cell.said()) from early
        finally:
            self.run["wall_s"] = watch.seconds()
            if watch.peak_mb:
                self.run["peak_rss_mb"] = round(watch.peak_mb, 1)
            self._end_cell(cell)

    def _forked(self, method: Child) -> Child:
        """A cell of a method; where its process cannot start one, of a fresh one, not warmed up."""
        try:
            return self._start("cell", {}, method)
        except (Closed, Broken, Ended):
            self.worker.end_child(method)
        method = self.worker.methods[self.job.method] = self._started(warm=False)
        try:
            return self._start("cell", {}, method)
        except (Closed, Broken, Ended) as error:
            self.worker.end_child(method)
            raise Ended(
                "error", f"the method's process starts no cell: {error}", method.said()
            ) from None

    def _end_cell(self, cell: Child) -> None:
        """Ends a cell; where its method's process does not answer, that too."""
        method = cell.parent
        if method.pid == cell.pid:  # not forked: it goes on with its next cell, or is no more
            cell.channel.close()
            cell.forget()
            if not self.whole or descendants(cell.pid):
                self.worker.end_child(method)
            return
        own = [] if self.whole else descendants(cell.pid)  # else its method's process adopts them
        kill([*own, *filter(None, [psutil_of(cell.pid)])])
        cell.forget()
        try:
            method.bury(cell.pid)
            if method.facts["left"] and not kill_descendants(method.pid):
                raise Broken
            if method.facts["left"]:
                method.bury(0)
        except (Closed, Broken, Ended):
            self.worker.end_child(method)

    def _dead(self, child: Child, error: Exception) -> Ended:
        """Why a process gave no answer."""
        said = child.said()
        if isinstance(error, Broken):
            reason = f"the method's process sent no answer: {error}"
            return Ended("error", reason, reason + said)
        code = None
        with contextlib.suppress(Closed, Broken, Ended):
            code = child.parent.bury(child.pid) if child.parent.pid != child.pid else None
        status, reason = death(code)
        return Ended(status, reason, f"{status}: {reason}{said}")

    def _fit_and_score(self, cell: Child, names: list, data: tuple[Header, bytes]) -> None:
        job, watch = self.job, cell.facts["watch"]
        if self.worker.scorer is None:  # it went when a method's process had to be made anew
            self._problem()
        task = {"suite": job.suite, "settings": job.settings, "home": job.home}
        shapes, numbers = data
        fit = {"kind": "fit", "names": names, "seed": job.seed, **task, **shapes}
        fitted, _ = self._asked(cell, fit, numbers, watch)
        self.run["fit_s"], self.run["query_s"] = _measured(fitted.get("seconds")), 0.0
        self._peaks(fitted)
        self._score(cell, fitted, watch)
        if self.facts["checkpoint"] or self.facts["pretrain_s"] is not None:
            seen, _ = self._asked(cell, {"kind": "seen", **task}, b"", watch)
            self.result["seen_in_training"] = (
                seen.get("seen") if seen.get("seen") in (True, False) else None
            )
        self.whole = True

    def _peaks(self, told: Header) -> None:
        self.run |= {n: _measured(told.get(n)) for n in ("peak_rss_mb", "peak_device_mb")}

    def _score(self, cell: Child, fitted: Header, watch: Watch) -> None:
        scorer = self.worker.scorer
        can = fitted.get("can") if isinstance(fitted.get("can"), list) else []
        words = {"noise_space": str(fitted.get("noise_space")), "can": [str(c) for c in can]}
        words["bare"] = fitted.get("bare") is True
        words["noise_metric"] = fitted.get("noise_metric") is not False
        words["method"] = self.job.method
        with self._scorer_lives(scorer):
            scorer.channel.send({"kind": "score", **words}, (), watch)
            told, data = scorer.channel.receive(watch)
        while told["kind"] == "ask":
            try:
                answered, numbers = self._asked(cell, told, data, watch)
            except BaseException:
                self._abandon(scorer)
                raise
            self.run["query_s"] = round(self.run["query_s"] + _measured(answered.get("seconds")), 4)
            self._peaks(answered)
            with self._scorer_lives(scorer):
                header = {"kind": "answered", "shapes": answered.get("shapes")}
                scorer.channel.forward(header, numbers, watch)
                told, data = scorer.channel.receive(watch)
        if told["kind"] != "scored":
            raise _failed(told, text_of(data))
        self.result |= {"metrics": told["metrics"], "nodes": told["nodes"]}
        self.run["metrics"] = told["known"]

    def _abandon(self, scorer: Child) -> None:
        """Tells the scorer that no answer will come; one that does not see it ends."""
        try:
            waiting = until(REAP_S)
            scorer.channel.send({"kind": "abandoned"}, (), waiting)
            while scorer.channel.receive(waiting)[0]["kind"] == "ask":
                pass
        except (Closed, Broken, Ended):
            self.worker.end_child(scorer)

    def _asked(self, cell: Child, header: Header, data: bytes, tick: Tick) -> tuple[Header, bytes]:
        """What the cell's process answers to this very question.

        Raises:
            Ended: it failed, it skips the problem, or it answers what nobody asked.
            Closed, Broken: no answer came. Whatever `tick` raises.
        """
        nonce = secrets.token_hex(8)
        asked = {"shapes": [], **header, "key": self.job.cell, "nonce": nonce}
        cell.channel.forward(asked, data, tick)
        told, answer = cell.channel.receive(tick)
        if (told.get("key"), told.get("nonce")) != (self.job.cell, nonce):
            raise Broken("an answer that nobody asked for came")
        if told.get("kind") == "failed":
            raise _failed(told, text_of(answer))
        if told.get("kind") == "skipped":
            self.whole = True
            raise Ended("skipped", text_of(answer)[:REASON_MOST])
        return told, answer


def _failed(header: Header, text: str) -> Ended:
    """What a process told of its failure."""
    known = header.get("status") in ("error", "oom", "skipped")
    length = header.get("reason_length")
    reason = text[: min(length, REASON_MOST)] if isinstance(length, int) else text[:REASON_MOST]
    return Ended(header["status"] if known else "error", reason, text)


def _measured(value: Any) -> float | None:
    """A number that a method's process told: a measurement, or nothing."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12
    return round(float(value), 4) if good else None


def _verdict(metrics: dict[str, dict[str, Any]]) -> tuple[str, str]:
    """A cell whose every metric is missing failed."""
    missing = [metric["missing"] for metric in metrics.values() if "missing" in metric]
    if missing and len(missing) == len(metrics):
        return "error", missing[0]
    return "ok", ""


def isolated(job: Job) -> Answer:
    """Computes a job in processes of its own.

    Raises:
        Stopped: the run was stopped.
    """
    if job.run in stopped_runs():
        raise Stopped
    with pool_of(job.run).worker() as worker:
        try:
            return Computation(worker, job).answer()
        except BaseException:
            worker.end()
            raise


def introduced(job: Job) -> dict[str, Any]:
    """What a job's method says of itself, as far as it can be loaded; no problem is made.

    Raises:
        Stopped: the run was stopped.
    """
    with pool_of(job.run).worker() as worker:
        computation = Computation(worker, job)
        with contextlib.suppress(Ended):
            computation.introduce()
        return computation.facts
