"""What runs in a method's own process: it is loaded and warmed up there, fitted, and asked.

Everything that comes back is numbers and text. The names imported here are bound before a method
is, so that a method that empties or patches modules spoils its own process and its own cell only.
"""

import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from os import _exit, chdir, getpid
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from bench.loaded import LoadedMethod
from bench.method import member
from bench.mixed.impute import impute
from bench.mixed.scm import MixedSCM
from bench.reading.do import unpack
from bench.registry import Unavailable, load_method
from bench.run.environment import peak_device_mb, peak_memory_mb, reset_peak_memory
from bench.run.fingerprint import fingerprint_of
from bench.run.isolation.frames import BODY_MOST, Channel, Closed, Header, arrays_of
from bench.run.isolation.sandbox import preserved_state, scratch_folder, seed_globals
from bench.run.shape import SEEN
from bench.scm.base import SCM
from bench.scm.columns import unpack as unpack_columns
from bench.scm.do import Do
from bench.task import Dataset, Problem, Task, as_frame

NO_MEMORY = ("not enough memory", "can't allocate memory", "Cannot allocate memory")
NOISE_SPACES = ("additive", "base")
ABILITIES = ("noise_smoothed", "noise_residual", "noise_published")
OF_NO_ROWS = ("sample", "completed", "prepare")
WARM_UP_ROWS = 24


def failure(error: BaseException) -> tuple[Header, str]:
    """How an exception is told: a header with the status, and the whole text with its traceback."""
    short = isinstance(error, MemoryError | torch.OutOfMemoryError)
    if short or any(words in str(error) for words in NO_MEMORY):
        return {"kind": "failed", "status": "oom"}, "the method ran out of memory"
    if isinstance(error, Unavailable):
        return {"kind": "failed", "status": "skipped"}, str(error)
    said = f"{type(error).__name__}: {error}"
    told = "".join(traceback.format_exception(error))
    return {"kind": "failed", "status": "error", "reason_length": len(said)}, said + "\n" + told


def introduce(channel: Channel, name: str, module: str, device: str, home: str) -> LoadedMethod:
    """Loads a method and says what it is: first its source, before any of it runs.

    Raises:
        Whatever importing or building the method raises.
    """
    me = getpid()
    chdir(home)
    channel.send({"kind": "found", "source": fingerprint_of(module, Path(home))})
    method = load_method(name, device=device)
    only(me)
    if method.noise_space not in NOISE_SPACES:
        raise ValueError(
            f"noise_space is one of {', '.join(NOISE_SPACES)}, not {method.noise_space!r}"
        )
    facts = {
        "kind": "imported",
        "version": str(method.version),
        "role": str(method.role),
        "noise_space": str(method.noise_space),
        "settings": {str(k): _plain(v) for k, v in method.settings},
        "checkpoint": str(method.checkpoint_sha or ""),
        "pretrain_s": _number(method.pretrain_s),
        "sees_problem": bool(method.sees_problem),
    }
    channel.send(facts)
    return method


def _plain(value: Any) -> str | int | float:
    return value if isinstance(value, str | int | float) else str(value)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def warm_up(method: LoadedMethod) -> None:
    """Fits and asks a tiny problem once: first calls are never timed.

    A failure here says nothing: the real problem decides.
    """
    me = getpid()
    rows = np.random.default_rng(0).normal(size=(WARM_UP_ROWS, 3)).cumsum(1)
    data = Dataset(rows, ("x0", "x1", "x2"), np.eye(3, k=1, dtype=bool))
    with suppress(Exception, SystemExit), preserved_state(), scratch_folder():
        if not method.sees_problem and not method.skip(data):
            scm = method.fit(data.frame(), data.graph())
            scm.generate(scm.noise(data.frame()), {"x0": 0.0})
    only(me)


def only(process: int) -> None:
    """Ends a process that a method forked and let return: the first one goes on alone."""
    if getpid() != process:
        _exit(0)


class Fitting:
    """One cell in this process: fitted once, then asked until the other end is gone.

    Args:
        channel: to whoever asks. method: loaded, perhaps warmed up. device: where it computes.
        folder: empty, to work in.
    """

    def __init__(self, channel: Channel, method: LoadedMethod, device: str, folder: str) -> None:
        self.channel, self.method, self.device = channel, method, device
        self.folder, self.process = folder, getpid()
        self.names: list[str] = []
        self.scm: SCM | None = None
        self.imputed: Sequence[tuple[SCM, np.ndarray]] = ()
        self.data: Dataset | None = None
        self.drawn: dict[tuple[int, int, int, int], list[SCM]] = {}

    def serve(self) -> None:
        """Answers until the other end is gone; what a method forked and let return ends."""
        self._settle()
        while True:
            try:
                header, data = self.channel.receive()
            except Closed:
                return
            told, body = self._answer(header, arrays_of(header, data))
            only(self.process)
            told |= {"key": header["key"], "nonce": header["nonce"]}
            self.channel.send(told, body)

    def _settle(self) -> None:
        os.environ["TMPDIR"] = self.folder
        tempfile.tempdir = None
        chdir(self.folder)

    def _answer(self, header: Header, arrays: list[np.ndarray]) -> tuple[Header, Any]:
        does: dict[str, Callable] = {"fit": self._fit, "ask": self._ask, "seen": self._seen}
        try:
            return does[header["kind"]](header, arrays)
        except BaseException as error:  # sys.exit and the like end their own cell
            return failure(error)

    def _fit(self, header: Header, arrays: list[np.ndarray]) -> tuple[Header, Any]:
        self.names = header["names"]
        if self.method.sees_problem:
            problem = _task(header).problem()
        else:
            rows, adjacency = arrays
            types = unpack_columns(header["types"])
            data = Dataset(rows.copy(), tuple(self.names), adjacency.astype(bool), types)
            problem = Problem(data, rows[:0].copy())
        if reason := self.method.skip_problem(problem):
            return {"kind": "skipped"}, str(reason)
        seed_globals(header["seed"])
        reset_peak_memory()
        begun = time.perf_counter()
        if np.isnan(problem.data.rows).any():
            found = impute(self._fit_rows(header["seed"]), problem.data, header["seed"])
            self.imputed, self.scm = found, found[0][0]
        else:
            self.scm = self._fit_problem(problem, header["seed"])
        seconds = time.perf_counter() - begun
        self.data, self.drawn = problem.data, {}
        can = [n for n in (*ABILITIES, "draws") if member(self.scm, n) is not None]
        can += ["imputed"] if self.imputed else []
        return {
            "kind": "fitted",
            "seconds": seconds,
            "noise_space": str(self.scm.noise_space),
            "noise_metric": bool(member(self.scm, "noise_metric")),
            "can": can,
            **self._peaks(),
        }, ()

    def _fit_rows(self, seed: int) -> Callable[[Dataset], MixedSCM]:
        return lambda data: cast(MixedSCM, self._fit_problem(Problem(data, data.rows[:0]), seed))

    def _fit_problem(self, problem: Problem, seed: int) -> SCM:
        """An estimate over tables of numbers: levels are told by their codes."""
        scm = self.method.fit_problem(problem, seed)
        return scm.coded() if isinstance(scm, MixedSCM) else scm

    def _ask(self, header: Header, arrays: list[np.ndarray]) -> tuple[Header, Any]:
        begun = time.perf_counter()
        given = 0 if header["verb"] in OF_NO_ROWS else 1
        rows, more = arrays[:given], arrays[given:]
        dos = [unpack(do, more[start:], self.names) or None for do, start in header["dos"]]
        scms = [self._fitted(header)]
        if count := header.get("drawn"):
            scms = self._drawn(count, header)
        if header["verb"] == "prepare":
            scms = scms[:1]
        numbers = np.concatenate([self._verb(s, header, rows, do) for do in dos for s in scms])
        if numbers.nbytes > BODY_MOST:
            raise ValueError(f"the method answered {header['verb']} with {numbers.size} numbers")
        told = {"kind": "answered", "seconds": time.perf_counter() - begun, **self._peaks()}
        return told, (numbers,)

    def _fitted(self, header: Header) -> SCM:
        """The estimate that is asked, of several imputations one."""
        if self.scm is None:
            raise ValueError("nothing has been fitted yet")
        return self.imputed[header["imputation"]][0] if self.imputed else self.scm

    def _verb(self, scm: SCM, header: Header, rows: list, do: Do | None) -> np.ndarray:
        verb = header["verb"]
        if verb == "prepare":
            return np.zeros((1, len(self.names)))
        if verb == "completed":
            return self.imputed[header["imputation"]][1]
        if verb == "sample":
            answer = scm.sample(header["n"], do, header["seed"], noise=header["noise"])
        else:
            more = (do,) if verb in ("generate", "counterfactual") else ()
            answer = getattr(scm, verb)(as_frame(rows[0], self.names), *more)
        assert self.data is not None, "it was fitted"
        return self.data.numbers(answer)

    def _drawn(self, count: int, header: Header) -> list[SCM]:
        """SCMs that the data allow: from what the estimate knows, or fits to rows drawn again."""
        seed, bootstrap, which = header["seed"], header.get("bootstrap", 0), header["imputation"]
        scm, asked = self._fitted(header), (seed, bootstrap, which, 0 if bootstrap else count)
        kept = self.drawn.setdefault(asked, [])
        if not bootstrap and not kept:
            kept += member(scm, "draws")(count, seed)
        if bootstrap and self.data:
            rows = self.imputed[which][1] if self.imputed else self.data.rows
            data = replace(self.data, rows=rows)
            kept += [self._refit(scm, data, [seed, k]) for k in range(len(kept), count)]
        return kept[:count]

    def _refit(self, scm: SCM, data: Dataset, seed: list[int]) -> SCM:
        rows, rng = data.rows, np.random.default_rng(seed)
        again = replace(data, rows=rows[rng.integers(len(rows), size=len(rows))])
        if refit := member(scm, "refit"):
            return refit(as_frame(again.rows, again.names))
        return self._fit_rows(seed[0])(again)

    def _seen(self, header: Header, arrays: list[np.ndarray]) -> tuple[Header, Any]:
        try:
            seen = self.method.seen_in_training(_task(header))
        except ValueError:  # a table of one's own is no suite's task
            seen = None
        return {"kind": "seen", "seen": seen if seen in SEEN else bool(seen)}, ()

    def _peaks(self) -> Header:
        peak, device = round(peak_memory_mb(), 1), peak_device_mb(self.device)
        return {"peak_rss_mb": peak, "peak_device_mb": device}


def _task(header: Header) -> Task:
    """The task of a suite's name and settings; from a file's own suite, found from its home."""
    from bench.registry import find_task

    if header["home"] not in sys.path:
        sys.path.insert(0, header["home"])
    before = os.getcwd()
    chdir(header["home"])
    try:
        return find_task(header["suite"], header["settings"])
    finally:
        chdir(before)
