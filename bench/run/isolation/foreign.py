"""The process of a method in an environment of its own: python foreign.py FD FOLDER.

It runs under that environment's Python, where neither this package nor torch need be installed:
numpy, pandas, networkx, this file, `children.py` and `frames.py` beside it are enough. What a
method's `fit` returns is asked for `noise` and `generate` only; the scorer makes the other verbs.
"""

import contextlib
import importlib.util
import inspect
import os
import random
import resource
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import pandas as pd

CHECKED = {"role": ("baseline", "reference", "truth"), "noise_space": ("additive", "base")}


def _beside(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if TYPE_CHECKING:
    from bench.run.isolation.children import Children, adopt_orphans, say_to, tie_to_parent
    from bench.run.isolation.frames import Broken, Channel, Closed, Header, arrays_of
else:
    children = _beside("children")
    Children, adopt_orphans = children.Children, children.adopt_orphans
    say_to, tie_to_parent = children.say_to, children.tie_to_parent
    frames = _beside("frames")
    Channel, Header, arrays_of = frames.Channel, frames.Header, frames.arrays_of
    Broken, Closed = frames.Broken, frames.Closed


@dataclass
class Table:
    """What `skip` is shown: rows [N, D] of named columns, and the graph as adjacency [D, D]."""

    names: list
    rows: np.ndarray
    adjacency: np.ndarray

    def frame(self) -> pd.DataFrame:
        """The rows as a pandas table."""
        return pd.DataFrame(self.rows.copy(), columns=self.names)

    def graph(self) -> nx.DiGraph:
        """The graph, u -> v where u causes v."""
        graph = nx.DiGraph()
        graph.add_nodes_from(self.names)
        causes = zip(*np.nonzero(self.adjacency), strict=True)
        graph.add_edges_from((self.names[i], self.names[j]) for i, j in causes)
        return graph


class MethodProcess:
    """Loads one method, warms it up, and starts its cells."""

    def __init__(self, owner: Channel) -> None:
        self.owner = owner
        self.children = Children()
        self.method: Any = None

    def serve(self) -> None:
        """Answers until the owner is gone."""
        self.owner.send({"kind": "ready"})
        asked, _ = self.owner.receive()
        channel = Channel(socket.socket(fileno=self.owner.receive_handle()))
        self.owner.send({"kind": "started", "pid": os.getpid()})
        say_to(asked["output"])
        try:
            self._introduce(channel, asked)
        except BaseException as error:
            channel.send(*_failure(error))
            return
        while True:
            header, _ = channel.receive()
            if header["kind"] == "reap":
                channel.send(self.children.reap(header))
            else:
                self._cell(header, channel, asked["forks"])

    def _introduce(self, channel: Channel, asked: Header) -> None:
        channel.send({"kind": "found"})
        os.chdir(asked["home"])
        sys.path[:] = [asked["home"], *sys.path, str(Path(__file__).parents[3])]
        kind = getattr(importlib.import_module(asked["module"]), asked["class"])
        takes = inspect.signature(kind).parameters
        self.method = kind(**({"device": asked["device"]} if "device" in takes else {}))
        told = {name: str(getattr(self.method, name, known[0])) for name, known in CHECKED.items()}
        if wrong := [name for name, known in CHECKED.items() if told[name] not in known]:
            raise ValueError(f"{wrong[0]} is {told[wrong[0]]!r}, not one of {CHECKED[wrong[0]]}")
        more = {"version": str(getattr(self.method, "version", "")), "settings": {}}
        channel.send({"kind": "imported", "checkpoint": "", **told, **more})
        if asked["warm"]:
            self._warm_up(asked["folder"])
        left, mine = self.children.reap({"pid": 0})["left"], Path("/proc/self/task")
        threads = len(os.listdir(mine)) if mine.is_dir() else 1
        channel.send({"kind": "warm", "threads": threads, "left": left})

    def _warm_up(self, folder: str) -> None:
        """Fits and asks a tiny problem once; a failure here says nothing: the real one decides."""
        me, home = os.getpid(), os.getcwd()
        rows = np.random.default_rng(0).normal(size=(24, 3)).cumsum(1)
        tiny = Table(["x0", "x1", "x2"], rows, np.eye(3, k=1, dtype=bool))
        os.chdir(folder)
        with contextlib.suppress(Exception, SystemExit):
            fitted = self.method.fit(tiny.frame(), tiny.graph(), seed=0)
            fitted.generate(fitted.noise(tiny.frame()), do={"x0": 0.0})
        if os.getpid() != me:
            os._exit(0)
        os.chdir(home)

    def _cell(self, header: Header, channel: Channel, forks: bool) -> None:
        handle = channel.receive_handle()
        if pid := os.fork() if forks else os.getpid():
            channel.send({"kind": "started", "pid": pid})
            if forks:
                os.close(handle)
                return
        try:
            if forks:
                channel.close()
                self.owner.close()
                tie_to_parent()
            Cell(Channel(socket.socket(fileno=handle)), self.method, header).serve()
        except (Closed, Broken):
            pass
        except BaseException:
            traceback.print_exc()
        finally:
            if forks:
                os._exit(0)


class Cell:
    """One cell: fitted once, then asked until the other end is gone."""

    def __init__(self, channel: Channel, method: Any, header: Header) -> None:
        self.channel, self.method = channel, method
        self.names: list = []
        self.fitted: Any = None
        say_to(header["output"])
        os.environ["TMPDIR"], tempfile.tempdir = header["folder"], None
        os.chdir(header["folder"])

    def serve(self) -> None:
        """Answers until the other end is gone; what a method forked and let return ends."""
        me = os.getpid()
        with contextlib.closing(self.channel):
            while True:
                header, data = self.channel.receive()
                try:
                    answer = self._fit if header["kind"] == "fit" else self._ask
                    told, body = answer(header, arrays_of(header, data))
                except BaseException as error:
                    told, body = _failure(error)
                if os.getpid() != me:
                    os._exit(0)
                told |= {"key": header["key"], "nonce": header["nonce"]}
                self.channel.send(told, body)

    def _fit(self, header: Header, arrays: list) -> tuple[Header, Any]:
        self.names = header["names"]
        if header.get("types") or not np.isfinite(arrays[0]).all():
            return {"kind": "skipped"}, "in an environment of its own it takes complete numbers"
        table = Table(self.names, arrays[0].copy(), arrays[1].astype(bool))
        if reason := getattr(self.method, "skip", lambda _: None)(table):
            return {"kind": "skipped"}, str(reason)
        random.seed(header["seed"])
        np.random.seed(header["seed"] % 2**32)
        begun = time.perf_counter()
        self.fitted = self.method.fit(table.frame(), table.graph(), seed=header["seed"])
        told = {"kind": "fitted", "seconds": time.perf_counter() - begun, **_peak()}
        space = getattr(self.method, "noise_space", "additive")
        smoothed = getattr(self.fitted, "noise_metric", True) is False
        return {**told, "noise_space": space, "noise_metric": not smoothed, "bare": True}, ()

    def _ask(self, header: Header, arrays: list) -> tuple[Header, Any]:
        begun = time.perf_counter()
        rows = pd.DataFrame(arrays[0].copy(), columns=self.names)
        if header["verb"] == "noise":
            answers = [self.fitted.noise(rows)]
        else:
            dos = [self._do(words, arrays[1 + start :]) for words, start in header["dos"]]
            answers = [self.fitted.generate(rows.copy(), do=do or None) for do in dos]
        numbers = np.concatenate([self._numbers(answer) for answer in answers])
        seconds = time.perf_counter() - begun
        return {"kind": "answered", "seconds": seconds, **_peak()}, (numbers,)

    def _do(self, words: list, rows: list) -> dict:
        """{column: number or one number a row}, as `bench.reading.do.pack` packed it."""
        return {self.names[j]: rows[told] if kind == "rows" else told for j, kind, told in words}

    def _numbers(self, answer: Any) -> np.ndarray:
        if hasattr(answer, "columns"):
            answer = answer[self.names]
        if np.ma.is_masked(answer) or np.asarray(answer).dtype.kind in "cMm":
            raise ValueError("expected numbers, got masked values, complex numbers or dates")
        return np.asarray(answer, dtype=np.float64)


def _failure(error: BaseException) -> tuple[Header, str]:
    if isinstance(error, MemoryError):
        return {"kind": "failed", "status": "oom"}, "the method ran out of memory"
    said = f"{type(error).__name__}: {error}"
    told = said + "\n" + "".join(traceback.format_exception(error))
    return {"kind": "failed", "status": "error", "reason_length": len(said)}, told


def _peak() -> Header:
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"peak_rss_mb": round(used, 1), "peak_device_mb": None}


def _below(pid: int) -> Iterator[int]:
    """All that a process started and that lives (Linux)."""
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            for word in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                yield from _below(int(word))
                yield int(word)


def main() -> None:
    """Serves until the owner is gone, then clears up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    adopt_orphans()
    me = os.getpid()
    try:
        MethodProcess(Channel(socket.socket(fileno=int(sys.argv[1])))).serve()
    except (Closed, Broken):
        pass
    finally:
        if os.getpid() == me:
            while found := list(_below(me)):
                for pid in found:
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(-1, 0)
            with contextlib.suppress(RecursionError):  # the run removes what is too deep
                shutil.rmtree(sys.argv[2], ignore_errors=True)
        os._exit(0)


if __name__ == "__main__":
    main()
