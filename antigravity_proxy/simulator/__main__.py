"""``python -m antigravity_proxy.simulator``: the simulated service in a process of its own, for benchmarks."""

from __future__ import annotations

import argparse
import sys

from antigravity_proxy.simulator.load import Knobs, Load
from antigravity_proxy.simulator.server import Simulator

_HELP = {
    "events": "events in a stream",
    "bytes": "bytes of text in an event",
    "delay_ms": "milliseconds between events",
    "first_ms": "milliseconds before the first event",
    "limit_every": "each so-many-th request is answered 429; 0: none",
    "stamp": "1: each text begins with the moment it was sent",
}


def main() -> None:
    """Serves until it is ended."""
    from twisted.internet import reactor

    parser = argparse.ArgumentParser(
        prog="python -m antigravity_proxy.simulator",
        description="A simulated Google with constant answers. /__control sets the knobs, /__stats counts.",
    )
    parser.add_argument("--port", type=int, default=9100)
    parser.add_argument("--host", default="127.0.0.1")
    for name, told in _HELP.items():
        default = getattr(Knobs(), name)
        parser.add_argument("--" + name.replace("_", "-"), type=int, default=default, help=f"{told} (%(default)s)")
    given = vars(parser.parse_args())
    simulator = Simulator(reactor, Load(Knobs(**{name: given[name] for name in _HELP})))
    simulator.start(given["port"], given["host"])
    sys.stdout.write(f"{simulator.url}\n")
    sys.stdout.flush()
    reactor.run()


if __name__ == "__main__":
    main()
