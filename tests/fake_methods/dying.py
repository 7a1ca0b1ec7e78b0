"""Rogues that raise, leave or die."""

import ctypes
import os
import signal
import sys
import time

from tests.fake_methods.registered import ancestors, ends, is_a_cell


@ends("error")
def Raises():
    raise RuntimeError("out of ideas")


@ends("error")
def RaisesLong():
    raise ValueError("x" * 200_000)


@ends("error")
def RaisesSurrogate():
    raise ValueError("half a \ud800 character")


@ends("error")
def RaisesEscapes():
    raise ValueError("\x1b[2J\x1b[31m\n| red | \0 \u202e")


@ends("error")
def RaisesUnprintable():
    class Unprintable(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    raise Unprintable


@ends("error")
def RaisesKeyboardInterrupt():
    raise KeyboardInterrupt


@ends("error")
def RaisesGeneratorExit():
    raise GeneratorExit


@ends("error")
def LeavesZero():
    sys.exit(0)


@ends("error")
def Exits():
    os._exit(3)


@ends("error")
def ExitsZero():
    os._exit(0)


@ends("error")
def Aborts():
    os.abort()


@ends("error")
def Segfaults():
    ctypes.string_at(0)


@ends("error")
def DiesOfRealTimeSignal():
    os.kill(os.getpid(), signal.SIGRTMIN + 3)


@ends("error")
def DiesOfAlarm():
    signal.alarm(1)
    time.sleep(5)


@ends("oom")
def Killed():
    os.kill(os.getpid(), signal.SIGKILL)


@ends("error")
def KillsItsParent():
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(5)


@ends("error")
def IsOverItsSeconds():
    os.kill(os.getpid(), signal.SIGXCPU)


@ends("ok")
def SuspendsItsBase():
    if is_a_cell():
        ancestors()[-1].suspend()
