"""The processes below a worker: started, watched, ended.

    worker (a thread, here)
      base            by exec; has imported what every cell needs, runs nothing of a stranger's
        scorer        makes problems and scores answers; no method ever runs in it
        method        has imported one method and warmed it up
          cell        fits and answers; a patch, a thread, a limit ends with it

Where forking is not to be had, and on CUDA, a base serves one method itself and its cells in turn.
Nothing here imports torch or unpickles what a method's process sends.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.run.isolation.children import adopt_orphans
from bench.run.isolation.frames import Broken, Channel, Closed, Header, Tick, nothing
from bench.run.isolation.process_tree import (
    TAG,
    adopted,
    descendants,
    kill,
    kill_descendants,
    own_memory,
    psutil_of,
    resident,
    started,
    tagged,
)
from bench.run.isolation.removal import remove
from bench.run.job import Ended, Limits

FAMILY_EVERY_S = 1.0
START_S, REAP_S = 300.0, 5.0
OUTPUT_MOST, OUTPUT_SHOWN = 64 * 2**20, 64 * 2**10
FORKS = sys.platform == "linux"
CHILD, FOREIGN = "bench.run.isolation.child", str(Path(__file__).with_name("foreign.py"))
PREFIX, OWNER = "bench-run-", "owner.json"
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)


@dataclass
class Child:
    """A process below a worker: its number, our end of its connection, where its output goes."""

    pid: int
    channel: Channel
    output: Path
    folder: Path
    parent: "Child | None" = None
    facts: dict[str, Any] = field(default_factory=dict)

    def ask(self, header: Header, body: Any = (), tick: Tick = nothing) -> tuple[Header, bytes]:
        """Sends a frame and waits for the answer."""
        self.channel.send(header, body, tick)
        return self.channel.receive(tick)

    def said(self) -> str:
        """The end of what it printed."""
        with contextlib.suppress(OSError), self.output.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - OUTPUT_SHOWN))
            text = file.read().decode(errors="replace")
            return f"\n--- output ({size} bytes) ---\n{text}" if text else ""
        return ""

    def bury(self, pid: int) -> int | None:
        """The exit status of a dying process that this one started; None where it lives on.

        Raises:
            Closed, Broken, Ended: this one does not answer.
        """
        told, _ = self.ask({"kind": "reap", "pid": pid, "wait": REAP_S}, (), until(2 * REAP_S))
        self.facts["left"] = told.get("left") is True
        return told["status"] if isinstance(told.get("status"), int) else None

    def forget(self) -> None:
        """Lets go of its connection and removes its files."""
        self.channel.close()
        self.output.unlink(missing_ok=True)
        remove(self.folder)


class Base:
    """A base process; it is ready when it first starts something.

    Args:
        home: folder in which `module:Class` is looked for. device: of the methods.
        python: interpreter of a method's own environment, "" where it is ours.

    Raises:
        OSError: there is no such interpreter.
    """

    def __init__(self, home: str, device: str, python: str = "") -> None:
        self.home, self.device, self.count, self.is_ready = home, device, 0, False
        self.forks = FORKS and not device.startswith("cuda")
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        adopt_orphans()
        channel, theirs = Channel.pair()
        output = self.folder / "output"
        command = [python, "-P", "-s", FOREIGN] if python else [sys.executable, "-m", CHILD]
        with theirs, output.open("ab") as said:
            self.process = subprocess.Popen(
                [*command, str(theirs.fileno()), str(self.folder)],
                pass_fds=[theirs.fileno()],
                cwd=home if Path(home).is_dir() else None,
                env=self._environment(bool(python)),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        self.child = Child(self.process.pid, channel, output, self.folder)
        mine = {"owner": [os.getpid(), started(os.getpid())]}
        self.since = started(self.process.pid)
        mine["base"] = [self.process.pid, self.since]
        (self.folder / OWNER).write_text(json.dumps(mine))

    def _environment(self, foreign: bool) -> dict[str, str]:
        package = str(Path(__file__).parents[3])
        path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), package)))
        own = {TAG: self.folder.name, "TMPDIR": str(self.folder)}
        own |= {"PYTHONPATH": "" if foreign else path}
        own |= {"PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1"}
        if self.forks:
            own["CUDA_VISIBLE_DEVICES"] = ""
        return {**os.environ, **ONE_THREAD, **own}

    def alive(self) -> bool:
        """Whether the process lives."""
        return self.process.poll() is None

    def suspended(self) -> bool:
        """Whether it was stopped, as by SIGSTOP, so that it answers nobody."""
        found = psutil_of(self.process.pid)
        return found is not None and found.status() == psutil.STATUS_STOPPED

    def start(self, what: str, header: Header, parent: Child, tick: Tick) -> Child:
        """Has a process below it start another: a scorer, a method, or a method's cell.

        Raises:
            Closed, Broken: it could not. Whatever `tick` raises.
        """
        if not self.is_ready:
            self.child.channel.receive(until(START_S, tick))
            self.is_ready = True
        self.count += 1
        output, folder = (self.folder / f"{name}-{self.count}" for name in ("output", what))
        folder.mkdir(parents=True, exist_ok=True)  # a method may have deleted all
        ours, theirs = Channel.pair()
        words = {"what": what, "forks": self.forks, "home": self.home, "device": self.device}
        words |= {"output": str(output), "folder": str(folder)}
        with theirs:
            asked = {"kind": "start", **words, **header}
            parent.channel.send(asked, (), tick, theirs.fileno())
        told, _ = parent.channel.receive(tick)
        if told.get("kind") != "started" or not isinstance(told.get("pid"), int):
            raise Broken("no process was started")
        return Child(told["pid"], ours, output, folder, parent)

    def end(self) -> None:
        """Ends it and all that is below it, and removes its folder."""
        died = not self.alive()  # what was below it is now below this process
        if not died:
            kill_descendants(self.process.pid)
            self.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(REAP_S)
        if not FORKS:
            kill(tagged(self.folder.name))
        strays = adopted(self.since, PREFIX) if died else []
        for stray in strays:
            kill_descendants(stray.pid)
        kill(strays)
        psutil.wait_procs(strays, timeout=REAP_S)
        self.child.forget()


def until(seconds: float, tick: Tick = nothing) -> Tick:
    """A tick that gives up after some seconds."""
    end = time.monotonic() + seconds

    def watch() -> None:
        tick()
        if time.monotonic() > end:
            raise Ended("timeout", f"no answer for {seconds:g} s")

    return watch


class Watch:
    """A tick that raises when a process is over its limits, or when its run was stopped.

    Args:
        limits: of the process and what it starts. stop: raises when the run was stopped.
        child: the process; None: only time is watched.
    """

    def __init__(self, limits: Limits, stop: Callable[[], None], child: Child | None) -> None:
        self.limits, self.stop = limits, stop
        self.output = child.output if child else None
        self.started, self.looked, self.peak_mb = time.monotonic(), 0.0, 0.0
        self.family = [p for p in [psutil_of(child.pid) if child else None] if p]

    def __call__(self) -> None:
        """Looks once."""
        self.stop()
        seconds, memory = self.limits.seconds, self.limits.memory
        if seconds and time.monotonic() - self.started > seconds:
            raise Ended("timeout", f"over the limit of {seconds:g} s")
        if memory and self._used(memory) > memory:
            raise Ended("oom", f"over the limit of {memory / 2**30:g} GiB of private memory")
        if self.output:
            with contextlib.suppress(OSError):
                if os.stat(self.output).st_size > OUTPUT_MOST:
                    os.truncate(self.output, 0)

    def _used(self, memory: int) -> int:
        """Private bytes of the process and its own children; 0 while less is plain to see."""
        if self.family and time.monotonic() - self.looked > FAMILY_EVERY_S:
            self.family = [self.family[0], *descendants(self.family[0].pid)]
            self.looked = time.monotonic()
        if resident(self.family) <= memory:
            return 0
        used = own_memory(self.family)
        self.peak_mb = max(self.peak_mb, used / 2**20)
        return used

    def seconds(self) -> float:
        """Seconds since it began."""
        return round(time.monotonic() - self.started, 4)


def death(code: int | None) -> tuple[str, str]:
    """Status and reason of a process that is gone; the kernel kills with SIGKILL for memory."""
    if code is None:
        return "error", "the process closed its connection"
    if code == -signal.SIGKILL:
        return "oom", "the process was killed (SIGKILL), as the kernel does when memory is short"
    if code >= 0:
        return "error", f"the process exited with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return "error", f"the process died of {name}"


def unanswered(child: Child, error: Exception) -> Ended:
    """Why a process gave no answer: what it sent is none (Broken), or it is gone."""
    said = child.said()
    if isinstance(error, Broken):
        reason = f"the method's process sent no answer: {error}"
        return Ended("error", reason, reason + said)
    code, parent = None, child.parent
    with contextlib.suppress(Closed, Broken, Ended):
        if parent is not None and parent.pid != child.pid:
            code = parent.bury(child.pid)
    status, reason = death(code)
    return Ended(status, reason, f"{status}: {reason}{said}")
