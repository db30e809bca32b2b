"""``python -m antigravity_proxy.simulator``: the simulated service in a process of its own, for benchmarks."""

from __future__ import annotations

import argparse
import sys

from antigravity_proxy.simulator.server import Load, Simulator


def main() -> None:
    """Serves until it is ended."""
    from twisted.internet import reactor

    arguments = argparse.ArgumentParser(description="A simulated Google, with constant answers.")
    arguments.add_argument("--port", type=int, default=9100)
    arguments.add_argument("--events", type=int, default=20, help="events in a stream")
    arguments.add_argument("--bytes", type=int, default=200, help="bytes of text in an event")
    arguments.add_argument("--delay-ms", type=int, default=0, help="milliseconds between events")
    arguments.add_argument("--first-ms", type=int, default=0, help="milliseconds before the first event")
    given = arguments.parse_args()
    load = Load(events=given.events, size=given.bytes, delay_ms=given.delay_ms, first_ms=given.first_ms)
    simulator = Simulator(reactor, load)
    simulator.start(given.port)
    sys.stdout.write(f"{simulator.url}\n")
    sys.stdout.flush()
    reactor.run()


if __name__ == "__main__":
    main()
