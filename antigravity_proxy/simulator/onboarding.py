"""How the simulated service makes a project for a user who is new to it (upstream.md 3.3)."""

from __future__ import annotations

from typing import Any

from antigravity_proxy.simulator.received import Received


class Onboarding:
    """``looks``: answers that say "not yet" before the one that says "done"; ``operation``: the name to ask again by,
    empty: none is given. ``tier`` is the default one. ``received`` holds what arrived for it, looks included.
    """

    def __init__(self) -> None:
        self.looks = 0
        self.operation = "operations/simulated-1"
        self.tier = "free-tier"
        self.received: list[Received] = []

    def answer(self, received: Received, project: str) -> tuple[dict[str, Any], bool]:
        """The answer to ``onboardUser`` or to a look at its operation, and whether it is done."""
        self.received.append(received)
        done = len(self.received) > self.looks
        answer: dict[str, Any] = {"name": self.operation} if self.operation else {}
        if done:
            answer |= {"done": True, "response": {"cloudaicompanionProject": {"id": project}}}
        return answer, done
