"""The simulated service over HTTP: token and user info endpoints, and Code Assist's methods."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from zope.interface import implementer

from antigravity_proxy.simulator import answers, faults
from antigravity_proxy.simulator.faults import Fault
from antigravity_proxy.simulator.validate import Refused, check_count, check_generate

#: what the simulated accounts are offered
MODELS = ("gemini-3-flash", "gemini-pro-agent", "claude-sonnet-4-6", "claude-opus-4-6-thinking")


class Received:
    """One request that arrived: what it was, and what became of it."""

    def __init__(self, method: str, path: str, headers: Any, body: bytes) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.raw = body
        self.events_sent = 0
        self.closed_by_peer = False
        self.finished: Deferred[Received] = Deferred()

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return msgspec.json.decode(self.raw)

    @property
    def token(self) -> str:
        """The bearer token it came with."""
        value = self.headers.getRawHeaders("authorization", [""])[0]
        return str(value).removeprefix("Bearer ")

    def over(self) -> None:
        """It is answered, or nobody waits for it any more."""
        if not self.finished.called:
            self.finished.callback(self)


class Load:
    """Constant answers for benchmarks: prebuilt bytes. Times in ms; ``first`` before the first event."""

    def __init__(self, *, events: int, size: int, delay_ms: int, first_ms: int) -> None:
        self.events = events
        self.delay = delay_ms / 1000
        self.first = first_ms / 1000
        text = ("lorem ipsum " * (size // 12 + 1))[:size]
        self.event = self._event(text, "")
        self.last = self._event(text, "STOP")

    def _event(self, text: str, finish: str) -> bytes:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}}
        if finish:
            candidate["finishReason"] = finish
        usage = {"promptTokenCount": 12, "candidatesTokenCount": 40, "totalTokenCount": 52}
        response = {
            "candidates": [candidate],
            "usageMetadata": usage,
            "modelVersion": "gemini-3-flash",
            "createTime": "2026-01-01T00:00:00.000000Z",
            "responseId": "abcdefghijklmnopqrst",
        }
        return b"data: " + msgspec.json.encode({"response": response, "traceId": "0123456789abcdef"}) + b"\r\n\r\n"


class Simulator:
    """A simulated Google on a port of its own.

    ``script`` queues faults: each is used up by the next request that it fits. ``requests`` holds what arrived at the
    generating methods, ``refreshes`` what arrived at the token endpoint.
    """

    def __init__(self, reactor: Any, load: Load | None = None) -> None:
        self.reactor = reactor
        self.load = load
        self.requests: list[Received] = []
        self.refreshes: list[dict[str, str]] = []
        self.loads: list[Received] = []
        self.revoked: set[str] = set()
        self.token_fault: Fault | None = None
        self.project: str | None = "simulated-project"
        self._script: list[tuple[Fault, str | None]] = []
        self._waiting: list[tuple[int, Deferred[Received]]] = []
        self._port: Any = None

    def start(self, port: int = 0, interface: str = "127.0.0.1") -> None:
        """Listens; port 0 takes a free one."""
        site = _QuietSite(_Root(self), reactor=self.reactor, timeout=None, parsePOSTFormSubmission=False)
        self._port = self.reactor.listenTCP(port, site, interface=interface, backlog=4096)

    def stop(self) -> Deferred[None]:
        """Listens no more."""
        stopped: Deferred[None] = self._port.stopListening()
        return stopped

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port.getHost().port}"

    @property
    def environment(self) -> dict[str, str]:
        """The settings that send a daemon here."""
        return {
            "PROXY_INTERNAL_BASE_URLS": self.url,
            "GOOGLE_TOKEN_URL": f"{self.url}/token",
            "GOOGLE_USERINFO_URL": f"{self.url}/userinfo",
            "GOOGLE_CLIENT_ID": "simulated-client",
            "GOOGLE_CLIENT_SECRET": "simulated-secret",
        }

    def script(self, *queued: Fault, token: str | None = None, times: int = 1) -> None:
        """Queues faults, for any request or for those with one access token; each ``times`` times."""
        self._script += [(fault, token) for fault in queued for _ in range(times)]

    def arrived(self, count: int) -> Deferred[Received]:
        """Fires with the ``count``-th request to a generating method, when it is there."""
        waiting: Deferred[Received] = Deferred()
        if len(self.requests) >= count:
            waiting.callback(self.requests[count - 1])
        else:
            self._waiting.append((count, waiting))
        return waiting

    def next_fault(self, token: str) -> Fault | None:
        """Takes the next fault that fits."""
        for i, (fault, wanted) in enumerate(self._script):
            if wanted is None or wanted == token:
                del self._script[i]
                return fault
        return None

    def note(self, received: Received) -> None:
        """A generating request arrived."""
        self.requests.append(received)
        due = [d for count, d in self._waiting if count <= len(self.requests)]
        self._waiting = [(count, d) for count, d in self._waiting if count > len(self.requests)]
        for waiting in due:
            waiting.callback(received)


class _QuietSite(Site):
    noisy = False

    def log(self, request: Any) -> None:
        """Nothing."""


class _Root(Resource):
    isLeaf = True

    def __init__(self, simulator: Simulator) -> None:
        super().__init__()
        self._simulator = simulator
        self._number = 0
        self._counts = {"requests": 0, "events": 0, "aborted": 0}

    def render(self, request: Any) -> Any:
        path = request.path.decode()
        method = path.rpartition(":")[2] if ":" in path else path
        handler: Callable[[Any], Any] | None = {
            "streamGenerateContent": self._stream,
            "generateContent": self._generate,
            "countTokens": self._count,
            "loadCodeAssist": self._load,
            "onboardUser": self._onboard,
            "fetchAvailableModels": self._models,
            "/token": self._token,
            "/userinfo": self._userinfo,
            "/__stats": self._stats,
            "/__control": self._control,
        }.get(method)
        if handler is None:
            return _reply(request, 404, faults.error(404, "NOT_FOUND", "Requested entity was not found."))
        return handler(request)

    # generating

    def _stream(self, request: Any) -> Any:
        if self._simulator.load is not None:
            self._counts["requests"] += 1
            request.content.read()
            _Emitter(self._simulator.reactor, request, self._counts).load(self._simulator.load)
            return NOT_DONE_YET
        return self._answer(request, streamed=True)

    def _generate(self, request: Any) -> Any:
        return self._answer(request, streamed=False)

    def _answer(self, request: Any, *, streamed: bool) -> Any:
        received = self._received(request)
        self._simulator.note(received)
        fault = self._simulator.next_fault(received.token) or Fault()
        request.notifyFinish().addCallbacks(lambda _: received.over(), lambda _: _gone(received))
        if fault.silent:
            return NOT_DONE_YET
        if fault.reset and fault.before:
            request.transport.abortConnection()
            return NOT_DONE_YET
        if fault.status:
            for name, value in fault.headers:
                request.setHeader(name.encode(), value.encode())
            return _reply(request, fault.status, fault.body)
        if (refusal := self._refusal(received, request, check_generate)) is not None:
            return refusal
        self._number += 1
        events = answers.events(received.json, self._number)
        if not streamed:
            return _reply(request, 200, msgspec.json.encode(answers.whole(events)))
        if fault.unfinished:
            del events[-1]["response"]["candidates"][0]["finishReason"]
        payloads = [msgspec.json.encode(event) for event in events] if fault.events is None else list(fault.events)
        _Emitter(self._simulator.reactor, request, self._counts).play(payloads, fault, received)
        return NOT_DONE_YET

    def _count(self, request: Any) -> Any:
        received = self._received(request)
        fault = self._simulator.next_fault(received.token)
        if fault is not None and fault.status:
            return _reply(request, fault.status, fault.body)
        if (refusal := self._refusal(received, request, check_count)) is not None:
            return refusal
        texts = [p.get("text", "") for c in received.json["request"]["contents"] for p in c["parts"]]
        return _reply(request, 200, msgspec.json.encode({"totalTokens": sum(map(len, texts)) // 4 + 1}))

    def _refusal(self, received: Received, request: Any, check: Callable[[Any], None]) -> Any:
        """The answer to a request that is not as it should be; None for one that is."""
        if request.requestHeaders.hasHeader(b"transfer-encoding"):
            return _reply(request, 400, faults.error(400, "INVALID_ARGUMENT", "Content-Length is missing."))
        if not received.token.startswith("ya29.") or received.token in self._simulator.revoked:
            fault = faults.unauthenticated()
            return _reply(request, fault.status, fault.body)
        try:
            check(received.json)
        except Refused as e:
            return _reply(request, 400, faults.error(400, "INVALID_ARGUMENT", str(e)))
        except msgspec.DecodeError:
            return _reply(request, 400, faults.error(400, "INVALID_ARGUMENT", "Invalid JSON payload received."))
        return None

    # account methods

    def _load(self, request: Any) -> Any:
        received = self._received(request)
        self._simulator.loads.append(received)
        answer: dict[str, Any] = {
            "currentTier": {"id": "free-tier", "name": "Free"},
            "allowedTiers": [{"id": "free-tier", "isDefault": True}],
        }
        if self._simulator.project is not None:
            answer["cloudaicompanionProject"] = self._simulator.project
        return _reply(request, 200, msgspec.json.encode(answer))

    def _onboard(self, request: Any) -> Any:
        project = {"id": self._simulator.project or "simulated-project"}
        answer = {"name": "operations/1", "done": True, "response": {"cloudaicompanionProject": project}}
        return _reply(request, 200, msgspec.json.encode(answer))

    def _models(self, request: Any) -> Any:
        quota = {"remainingFraction": 0.9, "resetTime": "2030-01-01T00:00:00Z"}
        return _reply(request, 200, msgspec.json.encode({"models": {name: {"quotaInfo": quota} for name in MODELS}}))

    def _token(self, request: Any) -> Any:
        form = {name: values[-1] for name, values in parse_qs(request.content.read().decode()).items()}
        self._simulator.refreshes.append(form)
        fault = self._simulator.token_fault
        if fault is not None:
            return NOT_DONE_YET if fault.silent else _reply(request, fault.status, fault.body)
        known = form.get("refresh_token", "").startswith("1//") or "code" in form
        if form.get("client_id") != "simulated-client" or form.get("client_secret") != "simulated-secret":
            return _reply(request, 401, b'{"error":"invalid_client","error_description":"Unauthorized"}')
        if form.get("grant_type") not in ("refresh_token", "authorization_code") or not known:
            return _reply(request, 400, b'{"error":"invalid_grant","error_description":"Bad Request"}')
        grant: dict[str, Any] = {
            "access_token": f"ya29.renewed-{len(self._simulator.refreshes)}",
            "expires_in": 3599,
            "token_type": "Bearer",
        }
        if form["grant_type"] == "authorization_code":
            grant["refresh_token"] = "1//signed-in"  # noqa: S105 - made up
        return _reply(request, 200, msgspec.json.encode(grant))

    def _userinfo(self, request: Any) -> Any:
        answer = {"id": "1", "email": "someone@example.com", "verified_email": True, "name": "Someone"}
        return _reply(request, 200, msgspec.json.encode(answer))

    # benchmarks

    def _stats(self, request: Any) -> Any:
        return _reply(request, 200, msgspec.json.encode(self._counts))

    def _control(self, request: Any) -> Any:
        """Sets the knobs of constant answers: ``events``, ``bytes``, ``delay_ms``, ``first_ms``."""
        given = {name.decode(): int(values[-1]) for name, values in request.args.items()}
        knobs = {"events": 20, "bytes": 200, "delay_ms": 0, "first_ms": 0} | given
        self._simulator.load = Load(
            events=knobs["events"], size=knobs["bytes"], delay_ms=knobs["delay_ms"], first_ms=knobs["first_ms"]
        )
        return _reply(request, 200, b"{}")

    def _received(self, request: Any) -> Received:
        return Received(request.method.decode(), request.path.decode(), request.requestHeaders, request.content.read())


@implementer(IPushProducer)
class _Emitter:
    """Sends a stream's events, one after the other, no faster than they are read, until the end or a hang-up."""

    def __init__(self, reactor: Any, request: Any, counts: dict[str, int]) -> None:
        self._reactor = reactor
        self._request = request
        self._counts = counts
        self._paused = False
        self._step: Callable[[], None] = lambda: None
        self._call: Any = None
        request.setHeader(b"content-type", b"text/event-stream")
        request.notifyFinish().addErrback(self._lost)
        request.registerProducer(self, True)

    def load(self, load: Load) -> None:
        """Plays a constant answer."""
        left = load.events

        def step() -> None:
            nonlocal left
            left -= 1
            self._counts["events"] += 1
            self._request.write(load.event if left else load.last)
            if left:
                self._later(load.delay)
            else:
                self._finish()

        self._step = step
        self._later(load.first) if load.first else step()

    def play(self, payloads: list[bytes], fault: Fault, received: Received) -> None:
        """Plays scripted events; the next comes in another turn of the reactor, or ``fault.delay`` seconds later."""

        def step() -> None:
            sent = received.events_sent
            if fault.raw is not None:
                self._request.write(fault.raw)
                self._finish()
            elif fault.reset and sent == fault.after:
                self._request.transport.abortConnection()
            elif fault.error and sent == fault.after:
                self._request.write(b"data: " + fault.error + b"\r\n\r\n")
                self._finish()
            elif sent == len(payloads):
                self._request.write(b"")
                self._finish()
            else:
                self._request.write(b"data: " + payloads[sent] + b"\r\n\r\n")
                received.events_sent += 1
                self._later(fault.delay)

        self._step = step
        step()

    def pauseProducing(self) -> None:
        """Nobody reads at the moment."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Somebody reads again."""
        self._paused = False
        if self._call is None:
            self._later(0)

    def stopProducing(self) -> None:
        """The connection is gone."""

    def _later(self, seconds: float) -> None:
        self._call = self._reactor.callLater(seconds, self._next)

    def _next(self) -> None:
        self._call = None
        if not self._paused:
            self._step()

    def _finish(self) -> None:
        self._request.unregisterProducer()
        self._request.finish()

    def _lost(self, _: object) -> None:
        self._step = lambda: None
        self._counts["aborted"] += 1
        if self._call is not None:
            self._call.cancel()
            self._call = None


def _gone(received: Received) -> None:
    received.closed_by_peer = True
    received.over()


def _reply(request: Any, status: int, body: bytes) -> bytes:
    request.setResponseCode(status)
    request.setHeader(b"content-type", b"application/json; charset=UTF-8")
    return body


def now() -> float:
    """Epoch seconds, for faults that name a moment."""
    return time.time()  # noqa: TID251
