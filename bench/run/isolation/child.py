"""The base process of a worker (see `supervisor`): python -m bench.run.isolation.child FD FOLDER.

It has imported what every cell needs and runs no method itself. On request it forks a scorer, or
one process for each method, which forks a child for each cell. As soon as its owner is gone,
however that ended, it kills all that was started below it and removes the worker's folder.
"""

import contextlib
import faulthandler
import gc
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from os import _exit, close, fork, getpid, open
from pathlib import Path

import networkx  # noqa: F401  what cells import when they first need it, before any clock runs
import pandas  # noqa: F401

from bench.loaded import LoadedMethod
from bench.run.environment import one_thread
from bench.run.isolation.children import Children, adopt_orphans, say_to, tie_to_parent
from bench.run.isolation.fitting import Fitting, failure, introduce, warm_up
from bench.run.isolation.frames import Broken, Channel, Closed, Header
from bench.run.isolation.process_tree import kill_descendants, threads
from bench.run.isolation.removal import remove
from bench.run.isolation.sandbox import preserved_state
from bench.run.isolation.scorer import Scorer

EVERY_TIMER = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)


class Base:
    """Forks what its owner asks for; also serves as a method's process where forking is not had."""

    def __init__(self, channel: Channel) -> None:
        self.channel, self.children = channel, Children()

    def serve(self) -> None:
        """Answers until the owner is gone."""
        self.channel.send({"kind": "ready"})
        while True:
            header, _ = self.channel.receive()
            if header["kind"] == "reap":
                self.channel.send(self.children.reap(header))
                continue
            handle = self.channel.receive_handle()
            start = _score if header["what"] == "scorer" else _serve_method
            if header["forks"]:
                pid = forked(start, header, handle, self.channel)
                self.channel.send({"kind": "started", "pid": pid})
            else:
                self.channel.send({"kind": "started", "pid": getpid()})
                start(header, handle)
                return


def forked(start: Callable, header: Header, handle: int, *ours: Channel) -> int:
    """Forks a process that does one thing and ends; returns its number."""
    pid = fork()
    if pid:
        close(handle)
        return pid
    try:
        for channel in ours:
            channel.close()
        tie_to_parent()
        start(header, handle)
    except (Closed, Broken):
        _exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        _exit(1)


def _score(header: Header, handle: int) -> None:
    say_to(header["output"])
    Scorer(Channel(socket.socket(fileno=handle)), header["home"]).serve()


def _serve_method(header: Header, handle: int) -> None:
    say_to(header["output"])
    MethodProcess(header, Channel(socket.socket(fileno=handle))).serve()


class MethodProcess:
    """Loads one method, warms it up, and starts its cells."""

    def __init__(self, header: Header, channel: Channel) -> None:
        self.header, self.channel, self.children = header, channel, Children()
        self.method: LoadedMethod | None = None

    def serve(self) -> None:
        """Says what the method is, then starts cells until the owner is gone."""
        asked = self.header
        try:
            self.method = introduce(
                self.channel, asked["method"], asked["module"], asked["device"], asked["home"]
            )
        except BaseException as error:
            self.channel.send(*failure(error))
            return
        if asked["warm"]:
            warm_up(self.method)
        self._calm()
        self.channel.send({"kind": "warm", "threads": threads(), "left": self._left()})
        while True:
            header, _ = self.channel.receive()
            if header["kind"] == "reap":
                self.channel.send(self.children.reap(header))
                continue
            self._cell(header, self.channel.receive_handle())

    def _left(self) -> bool:
        return bool(self.children.reap({"pid": 0})["left"])

    def _calm(self) -> None:
        """No timer of the method's may reach its cells, nor its handler for dead children us."""
        for timer in EVERY_TIMER:
            signal.setitimer(timer, 0)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number in range(3):  # what it closed would be taken by a connection
            try:
                os.fstat(number)
            except OSError:
                open(os.devnull, os.O_RDWR)
        gc.collect()
        gc.freeze()

    def _cell(self, header: Header, handle: int) -> None:
        if self.header["forks"]:
            pid = forked(self._fit, header, handle, self.channel)
            self.channel.send({"kind": "started", "pid": pid})
            return
        self.channel.send({"kind": "started", "pid": getpid()})
        with preserved_state():
            self._fit(header, handle)
        os.chdir(self.header["home"])

    def _fit(self, header: Header, handle: int) -> None:
        say_to(header["output"])
        channel, method = Channel(socket.socket(fileno=handle)), self.method
        assert method is not None  # loaded before any cell is asked for
        with contextlib.closing(channel):
            Fitting(channel, method, self.header["device"], header["folder"]).serve()


def _first_to_go() -> None:
    """The kernel's first choice when memory ends (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def main() -> None:
    """Serves until the owner is gone, then clears up."""
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    adopt_orphans()
    _first_to_go()
    me, folder = getpid(), sys.argv[2]
    try:
        with one_thread():
            gc.collect()
            gc.freeze()
            Base(Channel(socket.socket(fileno=int(sys.argv[1])))).serve()
    except (Closed, Broken):
        pass
    finally:
        if getpid() == me:
            kill_descendants(me)
            remove(Path(folder))
        _exit(0)


if __name__ == "__main__":
    main()
