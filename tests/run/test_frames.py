"""Frames: what is whole arrives, what is not never hangs, never is believed."""

import contextlib
import json
import socket
import struct
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.run.isolation import frames
from bench.run.isolation.frames import MAGIC, PREFIX, Broken, Channel, Closed, arrays_of, text_of


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Channel(ours), theirs


def test_numbers_and_text_arrive_as_they_were_sent(ends):
    here, other = ends
    there = Channel(other)
    rows = np.array([[1.5, np.nan], [np.inf, -0.0]])
    here.send({"kind": "ask"}, (rows, np.eye(2, dtype=bool)))
    header, data = there.receive()
    first, second = arrays_of(header, data)
    assert header["kind"] == "ask" and first.tobytes() == rows.tobytes()
    assert second.tolist() == [[1, 0], [0, 1]] and not first.flags.writeable
    there.send({"kind": "failed"}, "half a \ud800 character")
    assert text_of(here.receive()[1]) == "half a ? character"


def frame(header, body=b""):
    return PREFIX.pack(MAGIC, len(header), len(body)) + header + body


@pytest.mark.parametrize(
    "data",
    [
        b"rubbish that is longer than any prefix",
        PREFIX.pack(b"SCM\x00", 2, 0) + b"{}",
        PREFIX.pack(MAGIC, 2**31, 0),
        PREFIX.pack(MAGIC, 2, 2**62),
        frame(b"[]"),
        frame(b"{"),
        frame(b"\xff\xfe"),
        frame(b"[" * 100_000),
    ],
)
def test_what_is_no_frame_is_refused(ends, data):
    here, other = ends
    other.sendall(data)
    with pytest.raises(Broken):
        here.receive()


def test_half_a_frame_ends_after_a_while_and_an_end_at_once(ends, monkeypatch):
    here, other = ends
    monkeypatch.setattr(frames, "STALL_S", 0.2)
    other.sendall(frame(b'{"kind": "fitted"}')[:20])
    with pytest.raises(Broken, match="half-way"):
        here.receive()
    other.close()
    with pytest.raises(Closed):
        here.receive()


def test_a_frame_that_comes_in_drips_is_ticked_too(ends):
    here, other = ends
    ticks = iter(range(2))
    other.sendall(PREFIX.pack(MAGIC, 2**19, 0))

    def drip():
        with contextlib.suppress(OSError):
            for _ in range(600):
                other.sendall(b" ")
                time.sleep(0.005)
        other.close()

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        with pytest.raises(StopIteration):
            here.receive(lambda: next(ticks))
    finally:
        here.close()
        dripping.join()


def test_whatever_a_tick_raises_ends_the_waiting(ends):
    def tick():
        raise TimeoutError

    with pytest.raises(TimeoutError):
        ends[0].receive(tick)


@settings(max_examples=40, deadline=None)
@given(st.one_of(st.none(), st.text(), st.lists(st.one_of(st.integers(), st.none(), st.text()))))
def test_shapes_that_do_not_fit_the_numbers_are_refused(shapes):
    header = json.loads(json.dumps({"shapes": [shapes]}))
    try:
        arrays = arrays_of(header, struct.pack("<6d", *range(6)))
    except Broken:
        return
    assert arrays[0].size == 6
