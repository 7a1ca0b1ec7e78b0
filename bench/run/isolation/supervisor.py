"""How one cell is computed: problem, method, answers, scores; and what ends it early."""

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any

from bench.run.isolation.frames import Broken, Closed, Header, Tick, text_of
from bench.run.isolation.introduction import Introduction
from bench.run.isolation.process_tree import descendants, kill, kill_descendants, psutil_of
from bench.run.isolation.processes import REAP_S, Child, Watch, unanswered, until
from bench.run.isolation.workers import Worker, pool_of, stopped_runs
from bench.run.job import REASON_MOST, Answer, Ended, Job, Stopped, failed, measured
from bench.run.shape import SEEN


class Computation:
    """One job on its way through a worker's processes.

    Attributes:
        result, run: see `Answer`; filled as they become known.
    """

    def __init__(self, worker: Worker, job: Job) -> None:
        self.worker, self.job = worker, job
        self.introduction = Introduction(worker, job)
        self.result: dict[str, Any] = {}
        self.run: dict[str, Any] = {}
        self.whole = False  # whether the method's process answered to the end

    def answer(self) -> Answer:
        """Goes through all; ends early where something does."""
        status, reason, log = "ok", "", ""
        try:
            names, data = self._problem()
            method = self.introduction.introduce()
            self.run["import_s"] = self.introduction.seconds
            with self._cell(method) as cell:
                self._fit_and_score(cell, names, data)
            status, reason = _verdict(self.result["metrics"])
        except Ended as early:
            status, reason, log = early.status, early.reason, early.log
        told = self.introduction.facts, self.result, self.run
        return Answer(self.job.index, self.job.cell, status, reason, log or reason, *told)

    # the problem

    def _problem(self) -> tuple[list, tuple[Header, bytes]]:
        """Names of the columns, and context rows and graph as numbers."""
        scorer = self._scorer()
        watch = self.introduction.watch(scorer)
        with self._scorer_lives(scorer):
            scorer.channel.forward({"kind": "problem"}, self.job.task, watch)
            header, data = scorer.channel.receive(watch)
        if header["kind"] == "failed":
            raise failed(header, text_of(data))
        self.result |= {"columns": header["columns"], "bounds": header["bounds"]}
        return header["names"], ({"shapes": header["shapes"], "types": header["types"]}, data)

    def _scorer(self) -> Child:
        self.worker.prepare(self.job.home, self.job.device)
        if self.worker.scorer is None:
            self.worker.scorer = self.introduction.start("scorer", {})
        return self.worker.scorer

    @contextlib.contextmanager
    def _scorer_lives(self, scorer: Child) -> Iterator[None]:
        """Where it does not, or does not answer in time, the next cell gets another one."""
        try:
            yield
        except (Closed, Broken) as error:
            ended = unanswered(scorer, error)
            self.worker.end_child(scorer)
        except Ended as early:
            ended = early
            self.worker.end_child(scorer)
        else:
            return
        raise Ended(
            ended.status, f"while the problem was made or scored: {ended.reason}", ended.log
        )

    # the cell

    @contextlib.contextmanager
    def _cell(self, method: Child) -> Iterator[Child]:
        """A process for this cell; it and all that it started are gone afterwards."""
        cell = self.introduction.fork(method)
        watch = self.introduction.watch(cell)
        cell.facts["watch"] = watch
        try:
            yield cell
        except (Closed, Broken) as error:
            raise unanswered(cell, error) from None
        except Ended as early:
            raise Ended(early.status, early.reason, early.log + cell.said()) from early
        finally:
            self.run["wall_s"] = watch.seconds()
            if watch.peak_mb:
                self.run["peak_rss_mb"] = round(watch.peak_mb, 1)
            self._end_cell(cell)

    def _end_cell(self, cell: Child) -> None:
        """Ends a cell; where its method's process does not answer, that too."""
        method = cell.parent
        assert method is not None
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

    def _fit_and_score(self, cell: Child, names: list, data: tuple[Header, bytes]) -> None:
        job, watch = self.job, cell.facts["watch"]
        if self.worker.scorer is None:  # it went when a method's process had to be made anew
            self._problem()
        task = {"suite": job.suite, "settings": job.settings, "home": job.home}
        shapes, numbers = data
        fit = {"kind": "fit", "names": names, "seed": job.seed, **task, **shapes}
        fitted, _ = self._asked(cell, fit, numbers, watch)
        self.run["fit_s"], self.run["query_s"] = measured(fitted.get("seconds")), 0.0
        self._peaks(fitted)
        self._score(cell, fitted, watch)
        facts = self.introduction.facts
        if facts["checkpoint"] or facts["pretrain_s"] is not None:
            seen, _ = self._asked(cell, {"kind": "seen", **task}, b"", watch)
            self.result["seen_in_training"] = seen.get("seen") if seen.get("seen") in SEEN else None
        self.whole = True

    def _peaks(self, told: Header) -> None:
        self.run |= {n: measured(told.get(n)) for n in ("peak_rss_mb", "peak_device_mb")}

    def _score(self, cell: Child, fitted: Header, watch: Watch) -> None:
        scorer, can = self.worker.scorer, fitted.get("can")
        assert scorer is not None
        words = {
            "noise_space": str(fitted.get("noise_space")),
            "can": [str(c) for c in can] if isinstance(can, list) else [],
            "bare": fitted.get("bare") is True,
            "noise_metric": fitted.get("noise_metric") is not False,
            "method": self.job.method,
        }
        with self._scorer_lives(scorer):
            scorer.channel.send({"kind": "score", **words}, (), watch)
            told, data = scorer.channel.receive(watch)
        while told["kind"] == "ask":
            try:
                answered, numbers = self._asked(cell, told, data, watch)
            except BaseException:
                self._abandon(scorer)
                raise
            self.run["query_s"] = round(self.run["query_s"] + measured(answered.get("seconds")), 4)
            self._peaks(answered)
            with self._scorer_lives(scorer):
                header = {"kind": "answered", "shapes": answered.get("shapes")}
                scorer.channel.forward(header, numbers, watch)
                told, data = scorer.channel.receive(watch)
        if told["kind"] != "scored":
            raise failed(told, text_of(data))
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
            raise failed(told, text_of(answer))
        if told.get("kind") == "skipped":
            self.whole = True
            raise Ended("skipped", text_of(answer)[:REASON_MOST])
        return told, answer


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
