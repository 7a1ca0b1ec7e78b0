"""Base processes forked from one that has imported already: python -m tests.run.warm FD MARK.

A run starts its base by `python -m bench.run.isolation.child`, whose imports cost more than most
runs of the tests. Here one process imports once and forks a base whenever one is asked for. Tests
that start a run as a command of its own still see the real start.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

from bench.run.isolation import child, processes

PLACES = ("PYTHONPATH", "PYTHONHOME")


class Bases:
    """Stands in for `subprocess` where bases are started.

    `python -m bench.run.isolation.child` is forked, every other command starts as it is.
    """

    DEVNULL, TimeoutExpired = subprocess.DEVNULL, subprocess.TimeoutExpired

    def __init__(self):
        self.server, self.places = None, {}

    def Popen(self, command, *, env, **more):  # noqa: N802  its name in `subprocess`
        """A process that the server forks, or a process of its own."""
        places = {name: env.get(name) for name in PLACES}
        if command[1:3] != ["-m", processes.CHILD]:
            return subprocess.Popen(command, env=env, **more)
        if self.server is None:
            self._serve(env, places)
        if places != self.places:
            return subprocess.Popen(command, env=env, **more)
        asked = {"folder": command[4], "cwd": more["cwd"] or os.getcwd(), "env": dict(env)}
        handles = [int(command[3]), more["stdout"].fileno()]
        socket.send_fds(self.server, [json.dumps(asked).encode()], handles)
        return Base(json.loads(self.server.recv(64)))

    def _serve(self, env, places):
        self.server, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.places = places
        command = [sys.executable, "-m", "tests.run.warm", str(theirs.fileno()), processes.PREFIX]
        with theirs:
            subprocess.Popen(command, env=env, pass_fds=[theirs.fileno()], start_new_session=True)

    def end(self):
        """Ends the server."""
        if self.server is not None:
            self.server.close()


class Base:
    """A forked base, which this process has adopted."""

    def __init__(self, pid):
        self.pid, self.returncode = pid, None

    def poll(self):
        """Its exit status, None while it lives."""
        if self.returncode is None:
            with contextlib.suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self, timeout):
        """Its exit status.

        Raises:
            TimeoutExpired: it lives on.
        """
        end = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("a base", timeout)
            time.sleep(0.001)
        return self.returncode

    def kill(self):
        """Kills it."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def serve(end):
    """Forks a base for whoever asks, which is then a child of the process above this one."""
    while True:
        data, handles, *_ = socket.recv_fds(end, 2**20, 2)
        if not data:
            return
        between = os.fork()
        if between:
            os.waitpid(between, 0)
            for handle in handles:
                os.close(handle)
            continue
        if pid := os.fork():
            end.send(json.dumps(pid).encode())
            os._exit(0)
        end.close()
        become(json.loads(data), *handles)


def become(asked, handle, output):
    """Is from here on what `python -m bench.run.isolation.child` would be."""
    os.setsid()
    for place, wanted in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
        os.dup2(place, wanted)
    os.close(output)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    sys.path[0] = asked["cwd"]
    sys.argv[1:], tempfile.tempdir = [str(handle), asked["folder"]], None
    child.main()


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
