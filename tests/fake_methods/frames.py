"""Rogues that write to the sockets of their process, or close what is open."""

import json
import os
import stat
import struct
import sys
import time

from baselines.linear import Linear
from tests.fake_methods.registered import ends, is_a_cell


def connections():
    """The sockets that this process has open."""
    for handle in range(3, 256):
        try:
            if stat.S_ISSOCK(os.fstat(handle).st_mode):
                yield handle
        except OSError:
            continue


def write_everywhere(data):
    for handle in connections():
        os.write(handle, data)


@ends("ok")
def Prints():
    for _ in range(50):
        print("spam and eggs " * 10_000)
    sys.stderr.write("e" * 1_000_000)


@ends("ok")
def ClosesOutput():
    for handle in (0, 1, 2):
        os.close(handle)
    sys.stdout.close()
    sys.stderr = None


@ends("error")
def ClosesEverything():
    os.closerange(3, 4096)


@ends("error")
def WritesRubbish():
    write_everywhere(b"rubbish" * 1000)


@ends("error")
def WritesAFrameOfItsOwn():
    header = json.dumps({"kind": "fitted", "key": "x", "nonce": "y", "can": [], "seconds": 0})
    write_everywhere(struct.pack("!4sIQ", b"SCM\x01", len(header), 0) + header.encode())


@ends("error")
def WritesAHugeFrame():
    write_everywhere(struct.pack("!4sIQ", b"SCM\x01", 2**31, 2**62))


@ends("timeout")
def WritesHalfAFrame():
    write_everywhere(struct.pack("!4sIQ", b"SCM\x01", 100, 100) + b"{")
    time.sleep(3600)


@ends("error")
def WritesAListAsHeader():
    write_everywhere(struct.pack("!4sIQ", b"SCM\x01", 2, 0) + b"[]")


@ends("error")
def ForksAndAnswers():
    if not os.fork():
        WritesAFrameOfItsOwn.fit(Linear(), None, None)
    time.sleep(0.2)


@ends("error")
def AnswersUnderAnotherName():
    from bench.run.isolation.fitting import Fitting

    real = Fitting._answer

    def renamed(self, header, arrays):
        header["nonce"] = "of the cell before"
        return real(self, header, arrays)

    Fitting._answer = renamed


@ends("timeout")
def Drips():
    if is_a_cell():
        write_everywhere(struct.pack("!4sIQ", b"SCM\x01", 100, 2**28))
        while True:
            write_everywhere(b" ")
            time.sleep(0.01)


def says_a_huge_number():
    """As a method's process does that was imported."""
    said = {"kind": "imported", "version": "1", "role": "baseline", "noise_space": "additive"}
    said |= {"settings": {"a": 10**400}, "checkpoint": "", "pretrain_s": None}
    header = json.dumps({**said, "sees_problem": False}).encode()
    write_everywhere(struct.pack("!4sIQ", b"SCM\x01", len(header), 0) + header)
