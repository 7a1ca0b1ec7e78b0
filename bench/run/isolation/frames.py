"""Messages between the processes of a run: a checked length, a JSON header, numbers or text.

A frame is `MAGIC`, the lengths of header and body, the header as a JSON object, and the body: the
header's `shapes` of float64 arrays one after another, or UTF-8 text. Nothing is ever unpickled on
the way back from a method's process. Waiting calls `tick` at least every `POLL_S` seconds, which
ends it by raising; a frame that stops half-way is broken after `STALL_S`.
"""

import contextlib
import json
import math
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

MAGIC = b"SCM\x01"
PREFIX = struct.Struct("!4sIQ")
HEADER_MOST, BODY_MOST = 2**20, 2**28
POLL_S, STALL_S = 0.05, 20.0

Header = dict[str, Any]
Tick = Callable[[], None]


class Closed(Exception):
    """The process at the other end is gone."""


class Broken(Exception):
    """What came is no frame; the message says why."""


def nothing() -> None:
    """The tick of one who only waits."""


class Channel:
    """One end of a pair of sockets over which frames travel."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        end.setblocking(False)

    @staticmethod
    def pair() -> tuple["Channel", socket.socket]:
        """This end, and the other one to hand on."""
        ours, theirs = socket.socketpair()
        return Channel(ours), theirs

    def send(
        self,
        header: Header,
        body: "Sequence[np.ndarray] | str" = (),
        tick: Tick = nothing,
        handle: int | None = None,
    ) -> None:
        """Sends a frame, and an open file `handle` after it.

        Raises:
            Closed: the other end is gone. Whatever `tick` raises.
        """
        if isinstance(body, str):
            data = body.encode("utf-8", "replace")[:BODY_MOST]
        else:
            arrays = [np.ascontiguousarray(a, dtype="<f8") for a in body]
            header = {**header, "shapes": [a.shape for a in arrays]}
            data = b"".join(a.tobytes() for a in arrays)
        self._send(header, data, tick)
        if handle is not None:
            self._wait(select.POLLOUT, tick)
            socket.send_fds(self.end, [b"H"], [handle])

    def forward(self, header: Header, data: bytes, tick: Tick = nothing) -> None:
        """Sends a frame as `receive` gave it."""
        self._send(header, data, tick)

    def _send(self, header: Header, data: bytes, tick: Tick) -> None:
        head = json.dumps(header).encode()
        left = memoryview(PREFIX.pack(MAGIC, len(head), len(data)) + head + data)
        while left:
            self._wait(select.POLLOUT, tick)
            try:
                left = left[self.end.send(left) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise Closed(str(error)) from error

    def receive(self, tick: Tick = nothing) -> tuple[Header, bytes]:
        """Waits for the next frame and reads it.

        Raises:
            Closed: the other end is gone. Broken: what came is no frame. Whatever `tick` raises.
        """
        magic, head, body = PREFIX.unpack(self._read(PREFIX.size, tick, begun=False))
        if magic != MAGIC or head > HEADER_MOST or body > BODY_MOST:
            raise Broken("something else than an answer came")
        text, data = self._read(head, tick), self._read(body, tick)
        try:
            header = json.loads(text)
        except (ValueError, RecursionError):
            header = None
        if not isinstance(header, dict):
            raise Broken("an answer without a header came")
        return header, data

    def receive_handle(self) -> int:
        """The open file that follows a frame.

        Raises:
            Broken: none does.
        """
        self._wait(select.POLLIN, nothing)
        _, handles, _, _ = socket.recv_fds(self.end, 1, 1)
        if not handles:
            raise Broken("no handle came")
        return handles[0]

    def _read(self, size: int, tick: Tick, begun: bool = True) -> bytes:
        parts, left, last = [], size, time.monotonic()
        ticked = last
        while left:
            if time.monotonic() - ticked > POLL_S:  # what comes in drips never lets a poll time out
                tick()
                ticked = time.monotonic()
            if not self._wait(select.POLLIN, tick, once=True):
                if (begun or left < size) and time.monotonic() - last > STALL_S:
                    raise Broken("an answer ended half-way")
                continue
            part = self._some(left)
            if part is None:
                continue
            parts.append(part)
            left, last = left - len(part), time.monotonic()
        return b"".join(parts)

    def _some(self, most: int) -> bytes | None:
        try:
            part = self.end.recv(min(most, 2**20))
        except BlockingIOError:
            return None
        except OSError as error:
            raise Closed(str(error)) from error
        if not part:
            raise Closed("the connection ended")
        return part

    def _wait(self, event: int, tick: Tick, once: bool = False) -> bool:
        """Waits until the socket is ready; `once` for one turn only, which may end in False."""
        ready = select.poll()
        try:
            ready.register(self.end, event)
        except (OSError, ValueError) as error:
            raise Closed(str(error)) from error
        while True:
            if ready.poll(1000 * POLL_S):
                return True
            tick()
            if once:
                return False

    def close(self) -> None:
        """Closes this end; the other one then reads that it is closed."""
        with contextlib.suppress(OSError):
            self.end.close()


def arrays_of(header: Header, data: bytes) -> list[np.ndarray]:
    """The arrays of a frame, read-only.

    Raises:
        Broken: shapes and data do not agree.
    """
    shapes = header.get("shapes")
    if not isinstance(shapes, list):
        raise Broken("an answer of no size came")
    sizes = [_size(shape) for shape in shapes]
    if min(sizes, default=0) < 0 or 8 * sum(sizes) != len(data):
        raise Broken("an answer of another size than it says came")
    flat, found, start = np.frombuffer(data, dtype="<f8"), [], 0
    for shape, size in zip(shapes, sizes, strict=True):
        found.append(flat[start : start + size].reshape(shape))
        start += size
    return found


def _size(shape: Any) -> int:
    whole = isinstance(shape, list) and len(shape) <= 8
    whole = whole and all(isinstance(n, int) and 0 <= n <= BODY_MOST for n in shape)
    return math.prod(shape) if whole else -1


def text_of(data: bytes) -> str:
    """Reads a frame's bytes as text."""
    return data.decode("utf-8", "replace")
