"""What the simulated Gemini API and Vertex AI do alike: generateContent, bare (official-upstreams.md 4, 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from twisted.web.server import NOT_DONE_YET

from antigravity_proxy.simulator import answers, validate
from antigravity_proxy.simulator.emitter import Emitter, scripted
from antigravity_proxy.simulator.faults import Fault
from antigravity_proxy.simulator.offered import Offered
from antigravity_proxy.simulator.received import Received
from antigravity_proxy.simulator.state import State


class OfficialFace:
    """``reply`` and ``fail`` are the service's; ``traffic_type`` is what usage says beside the counts, if anything."""

    traffic_type = ""

    def __init__(self, state: State, reply: Callable[[Any, Any], Any], fail: Callable[[Any, Fault], Any]) -> None:
        self._state = state
        self._reply = reply
        self._fail = fail

    def _generated(self, request: Any, received: Received, model: Offered, method: str, fault: Fault) -> Any:
        """The answer to a body of the right form: whole, as an array, or as events. Raises Refused."""
        body = received.json
        if not model.speaks:
            validate.check_request(body, model)
        events = answers.official(body, model, self._number())
        for event in events if self.traffic_type else ():
            event["usageMetadata"]["trafficType"] = self.traffic_type
        last = events[-1]["candidates"][0]
        last["finishReason"] = fault.finish
        if fault.unfinished:
            del last["finishReason"]
        if method == "generateContent":
            return self._reply(request, answers.whole([{"response": event} for event in events])["response"])
        if request.args.get(b"alt") != [b"sse"]:
            return self._reply(request, events)
        payloads = [msgspec.json.encode(event) for event in events] if fault.events is None else list(fault.events)
        return self._stream(request, received, payloads, fault)

    def _stream(self, request: Any, received: Received, payloads: list[bytes], fault: Fault) -> Any:
        Emitter(self._state.reactor, request, scripted(payloads, fault, received), self._state.counts, fault.pause)
        return NOT_DONE_YET

    def _number(self) -> int:
        """Of the answer."""
        return len(self._state.requests)
