"""Processes and what they started: found, measured, killed."""

import contextlib
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

TAG = "CONDFIP_BENCH_RUN"
OWN = (b"Pss_Anon:", b"Pss_Shmem:")
GONE_S, CLOCK_S = 5.0, 0.1
# what Python's multiprocessing, loky and torch name; files that someone keeps there are theirs
SHARED = re.compile(r" (/dev/shm/(?:psm_|sem\.|torch_)[^/\s]+)$", re.MULTILINE)


def descendants(pid: int) -> list[psutil.Process]:
    """All that a process started and that lives, however deep."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).children(recursive=True)
    return []


def kill(processes: Iterable[psutil.Process]) -> None:
    """Kills each, unless its number belongs to another process by now.

    Semaphores and shared memory that these made, and no other process has mapped, go with them.
    """
    doomed = list(processes)
    made = {path for process in doomed for path in _made(process)}
    for process in doomed:
        with contextlib.suppress(psutil.Error):
            process.kill()
    if made:
        dead = {process.pid for process in doomed}
        kept = {path for pid in psutil.pids() if pid not in dead for path in _shared(pid)}
        for path in made - kept:
            with contextlib.suppress(OSError):
                os.unlink(path)


def _made(process: psutil.Process) -> set[str]:
    """What a process has mapped of `SHARED` that is younger than itself."""
    with contextlib.suppress(psutil.Error, OSError):
        born = process.create_time() - CLOCK_S
        return {path for path in _shared(process.pid) if os.lstat(path).st_ctime >= born}
    return set()


def _shared(pid: int) -> set[str]:
    """What of `SHARED` a process has mapped (Linux)."""
    with contextlib.suppress(OSError):
        return set(SHARED.findall(Path(f"/proc/{pid}/maps").read_text(errors="replace")))
    return set()


def kill_descendants(pid: int, spared: Iterable[int] = ()) -> bool:
    """Kills all that a process started, again until nothing is left; returns whether it is so.

    All are found before any is killed: what loses its parent may be found no more. Each is stopped
    first, so that none starts another meanwhile. `spared` and what they started live on.
    """
    end = time.monotonic() + GONE_S
    while time.monotonic() < end:
        kept = {p.pid for mine in spared for p in (psutil_of(mine), *descendants(mine)) if p}
        found = [p for p in descendants(pid) if p.pid not in kept]
        alive = [p for p in found if _status(p) != psutil.STATUS_ZOMBIE]
        if not alive:
            return True
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.suspend()
        kill(alive)
        psutil.wait_procs(alive, timeout=0.2)
    return False


def adopted(since: float, mark: str) -> list[psutil.Process]:
    """Children that this process did not start but adopted, started since then.

    They are in sessions of their own; those with `mark` in their command line are known.
    """
    found = []
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.Error, OSError):
            stranger = process.create_time() >= since and os.getsid(process.pid) != os.getsid(0)
            if stranger and mark not in " ".join(process.cmdline()):
                found.append(process)
    return found


def psutil_of(pid: int) -> psutil.Process | None:
    """A process by its number, None where there is none."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid)
    return None


def _status(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return process.status()
    return psutil.STATUS_ZOMBIE


def tagged(tag: str) -> list[psutil.Process]:
    """Every process that carries a run's tag in its environment."""
    found = psutil.process_iter(["environ"])
    return [p for p in found if (p.info["environ"] or {}).get(TAG) == tag]


def resident(processes: Iterable[psutil.Process]) -> int:
    """Bytes of memory that processes have in use, shared ones counted in each; quickly told."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return total


def own_memory(processes: Iterable[psutil.Process]) -> int:
    """Bytes of private memory of processes; pages that several share are divided among them.

    Files mapped into memory do not count: the system drops them when it needs to.
    """
    return sum(_own(process) for process in processes)


def _own(process: psutil.Process) -> int:
    with contextlib.suppress(OSError, ValueError):
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_bytes().splitlines()
        sizes = [int(line.split()[1]) for line in lines if line.startswith(OWN)]
        if sizes:
            return 1024 * sum(sizes)
    with contextlib.suppress(psutil.Error):
        return process.memory_full_info().uss
    return 0


def started(pid: int) -> float:
    """When a process started, 0 where there is none: a number alone may name another by now."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).create_time()
    return 0.0


def threads() -> int:
    """How many threads this process has."""
    with contextlib.suppress(OSError):
        return len(os.listdir("/proc/self/task"))
    return psutil.Process().num_threads()
