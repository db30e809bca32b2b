"""The process as a whole: garbage collection, and the source of ids."""

from __future__ import annotations

import ctypes
import gc
import time
from contextlib import suppress
from random import getrandbits
from typing import Any

#: files, log, key and volume reads, and some to spare: what is not for connections
_OWN_DESCRIPTORS = 64
#: of prctl(2)
_PR_SET_DUMPABLE = 4
#: the first digit of a UUID's fourth group, whose upper bits are 10 (RFC 9562 4.1), of any digit
_VARIANT = {f"{digit:x}": f"{digit & 3 | 8:x}" for digit in range(16)}


def tune_garbage_collection() -> None:
    """Freezes the objects that are loaded now: they are never examined again, and young objects less often.

    Requests leave few cycles behind, but make many objects: the default of 700 costs some 5 % of the time. The second
    number keeps the middle generation small, which is looked through while every thread waits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 5, 100)


def keep_monotonic_time(reactor: Any) -> None:
    """Has the reactor count its seconds on the monotonic clock, for timers and all who ask it.

    Twisted takes the wall clock: set back by an hour it would hold up every deadline and refresh for that long. Must
    come before the reactor's first timer.
    """
    reactor.seconds = time.monotonic


def forbid_core_dumps() -> None:
    """Keeps tokens and keys off the disk, should the process crash, and other processes of its user out of its memory.

    Does nothing where the system knows no such thing.
    """
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def room_for_connections(wanted: int) -> int:
    """How many clients may be connected at a time, at most ``wanted``: each may need a descriptor upstream as well.

    Takes as many descriptors as the system gives; without limits, as on Windows, it is what is wanted.
    """
    try:
        import resource
    except ImportError:
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    aim = 2 * wanted + _OWN_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < aim:
        soft = aim if hard == resource.RLIM_INFINITY else min(aim, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, (soft - _OWN_DESCRIPTORS) // 2))


def hex_digits(count: int) -> str:
    """Random hex digits for ids, an even number: they only have to differ, so no system call is made for them."""
    return getrandbits(4 * count).to_bytes(count // 2, "big").hex()


def new_uuid() -> str:
    """A random UUID (RFC 9562 5.4), under the same condition."""
    digits = getrandbits(128).to_bytes(16, "big").hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:]}"
