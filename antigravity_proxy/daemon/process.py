"""What concerns the process as a whole: how it collects garbage, and where its ids come from."""

from __future__ import annotations

import gc
import random
import time
from typing import Any


def tune_garbage_collection() -> None:
    """What is loaded now stays: it is never looked at again, and young objects less often.

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


def new_uuid() -> str:
    """A random UUID (RFC 9562 5.4); the standard library's class takes four times as long."""
    digits = hex_digits(32)
    return (
        f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{'89ab'[int(digits[16], 16) & 3]}{digits[17:20]}-{digits[20:]}"
    )


def hex_digits(count: int) -> str:
    """Random hex digits for ids: they only have to differ, so no system call is made for them."""
    return f"{random.getrandbits(4 * count):0{count}x}"
