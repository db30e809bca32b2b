"""What concerns the process as a whole."""

from __future__ import annotations

import subprocess
import sys
import time
from uuid import RFC_4122, UUID

import pytest
from twisted.internet import reactor
from twisted.internet.task import Clock

from antigravity_proxy.daemon.process import hex_digits, keep_monotonic_time, new_uuid, room_for_connections


@pytest.mark.row("clock jumps")
def test_a_jump_of_the_wall_clock_moves_no_timer() -> None:
    """The reactor's own seconds are the monotonic clock's."""
    assert abs(reactor.seconds() - time.monotonic()) < 1
    call = reactor.callLater(3600, lambda: None)
    assert abs(call.getTime() - time.monotonic() - 3600) < 1
    call.cancel()
    clock = Clock()
    keep_monotonic_time(clock)
    assert clock.seconds is time.monotonic


def test_ids_are_random_and_well_formed() -> None:
    assert len({hex_digits(24) for _ in range(100)}) == 100
    assert {len(hex_digits(count)) for count in (16, 24, 32) for _ in range(300)} == {16, 24, 32}  # with zeros in front
    made = [new_uuid() for _ in range(300)]
    assert [str(UUID(each)) for each in made] == made
    assert {(UUID(each).version, UUID(each).variant) for each in made} == {(4, RFC_4122)}
    assert len({each[19] for each in made}) == 4
    assert len(set(made)) == 300


@pytest.mark.parametrize(
    ("soft", "hard", "may", "room", "left"),
    [
        (1024, 65_536, True, 10_000, 20_064),
        (1024, -1, True, 10_000, 20_064),
        (1024, 4096, True, 2016, 4096),
        (1024, 65_536, False, 480, 1024),
        (65_536, 65_536, True, 10_000, 65_536),
        (-1, -1, True, 10_000, -1),
        (64, 64, True, 1, 64),
    ],
)
def test_as_many_clients_as_there_are_descriptors_for(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, may: bool, room: int, left: int
) -> None:
    """Two for each client, one of them upstream, and some for the daemon itself; more are taken where there are any."""
    resource = pytest.importorskip("resource")
    infinity = resource.RLIM_INFINITY
    limits = [infinity if soft < 0 else soft, infinity if hard < 0 else hard]

    def change(_: int, wanted: tuple[int, int]) -> None:
        if not may:
            raise ValueError("not permitted")
        limits[:] = wanted

    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", change)
    assert room_for_connections(10_000) == room
    assert limits[0] == (infinity if left < 0 else left)


def test_a_crash_leaves_no_core_file() -> None:
    program = (
        "import ctypes, resource; from antigravity_proxy.daemon.process import forbid_core_dumps; forbid_core_dumps();"
        "print(resource.getrlimit(resource.RLIMIT_CORE)[0], ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).split() == ["0", "0"]
