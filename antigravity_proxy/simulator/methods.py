"""The simulated service's pages: Code Assist's methods, token and user info endpoints, a benchmark's controls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import msgspec
from msgspec.structs import replace
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from antigravity_proxy.simulator import answers, faults, gemini_api, machine, vertex, wire
from antigravity_proxy.simulator.consent import CLIENT_ID, CLIENT_SECRET
from antigravity_proxy.simulator.emitter import Emitter, scripted
from antigravity_proxy.simulator.faults import Fault
from antigravity_proxy.simulator.load import Load, knobs
from antigravity_proxy.simulator.offered import everything
from antigravity_proxy.simulator.received import Received
from antigravity_proxy.simulator.state import State
from antigravity_proxy.simulator.validate import check_count, check_generate, check_onboard

_BASE = b"/v1internal:"
_NOTHING = Fault()


class Methods(Resource):
    """Everything that the service answers."""

    isLeaf = True

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state
        self._gemini = gemini_api.GeminiApi(state, _reply, _fail)
        self._vertex = vertex.Vertex(state, _reply, _fail)
        self._pages: dict[tuple[bytes, bytes], Callable[[Any], Any]] = {
            (b"POST", _BASE + b"streamGenerateContent"): self._stream,
            (b"POST", _BASE + b"generateContent"): self._generate,
            (b"POST", _BASE + b"countTokens"): self._count,
            (b"POST", _BASE + b"loadCodeAssist"): self._load,
            (b"POST", _BASE + b"onboardUser"): self._onboard,
            (b"POST", _BASE + b"fetchAvailableModels"): self._models,
            (b"POST", _BASE + b"retrieveUserQuotaSummary"): self._summary,
            (b"GET", b"/auth"): state.consent.page,
            (b"POST", b"/auth"): state.consent.decided,
            (b"POST", b"/token"): self._token,
            (b"GET", b"/userinfo"): self._userinfo,
            (b"GET", b"/__stats"): self._stats,
            (b"GET", b"/__control"): self._control,
        }

    def render(self, request: Any) -> Any:
        page = self._pages.get((request.method, request.path))
        if request.method == b"GET" and request.path.startswith(b"/v1internal/operations/"):
            page = self._operation
        if request.path.startswith(machine.PREFIX):
            return self._state.machine.render(request)
        if self._state.load is not None and request.path.endswith(b":streamGenerateContent") and page is None:
            return self._constant(request, self._state.load, bare=True)
        if vertex.is_path(request.path):
            return self._vertex.render(request, self._received(request))
        if request.path.startswith(gemini_api.PREFIX):
            return self._gemini.render(request, self._received(request))
        return _fail(request, faults.not_found()) if page is None else page(request)

    # Code Assist

    def _stream(self, request: Any) -> Any:
        if self._state.load is not None:
            return self._constant(request, self._state.load)
        received = self._received(request)
        fault = self._state.note(received)
        if (ended := self._ended(request, received, fault, check_generate)) is not None:
            return ended
        events = self._answer(received, fault)
        if request.args.get(b"alt") != [b"sse"]:
            return _reply(request, events)
        payloads = [msgspec.json.encode(event) for event in events] if fault.events is None else list(fault.events)
        steps = scripted(payloads, fault, received)
        Emitter(self._state.reactor, request, steps, self._state.counts, fault.pause)
        return NOT_DONE_YET

    def _generate(self, request: Any) -> Any:
        received = self._received(request)
        fault = self._state.note(received)
        if (ended := self._ended(request, received, fault, check_generate)) is not None:
            return ended
        return _reply(request, answers.whole(self._answer(received, fault)))

    def _count(self, request: Any) -> Any:
        received = self._received(request)
        fault = self._state.next_fault(received) or _NOTHING
        if (ended := self._ended(request, received, fault, check_count)) is not None:
            return ended
        return _reply(request, {"totalTokens": answers.prompt_tokens(received.json["request"])})

    def _load(self, request: Any) -> Any:
        received = self._received(request)
        self._state.loads.append(received)
        if (ended := self._ended(request, received, _NOTHING, lambda body: wire.LOAD(body, ""))) is not None:
            return ended
        tier = {"id": self._state.onboarding.tier, "name": "Free"}
        answer: dict[str, Any] = {"allowedTiers": [tier | {"isDefault": True}]}
        if self._state.project is not None:
            answer |= {"currentTier": tier, "cloudaicompanionProject": self._state.project}
        if self._state.paid_tier is not None:
            answer["paidTier"] = self._state.paid_tier
        return _reply(request, answer)

    def _onboard(self, request: Any) -> Any:
        received = self._received(request)
        if (ended := self._ended(request, received, _NOTHING, check_onboard)) is not None:
            return ended
        return self._onboarded(request, received)

    def _operation(self, request: Any) -> Any:
        received = self._received(request)
        if self._state.unknown(received.token):
            return _fail(request, faults.unauthenticated())
        return self._onboarded(request, received)

    def _onboarded(self, request: Any, received: Received) -> Any:
        project = self._state.project or "onboarded-project"
        answer, done = self._state.onboarding.answer(received, project)
        if done:
            self._state.project = project
        return _reply(request, answer)

    def _models(self, request: Any) -> Any:
        received = self._received(request)
        self._state.looks.append(received)
        fault = self._state.models_fault
        if fault is None and b'"project"' in received.raw and received.token in self._state.projectless:
            fault = faults.forbidden()
        if (ended := self._ended(request, received, fault or _NOTHING, lambda body: wire.MODELS(body, ""))) is not None:
            return ended
        return _reply(request, self._state.available.get(received.token) or everything())

    def _summary(self, request: Any) -> Any:
        received = self._received(request)
        if (ended := self._ended(request, received, _NOTHING, lambda body: wire.MODELS(body, ""))) is not None:
            return ended
        return _reply(request, {"groups": self._state.quota_groups})

    def _answer(self, received: Received, fault: Fault) -> list[answers.Event]:
        """The events of the answer, ended as the fault wants."""
        events = answers.events(received.json, len(self._state.requests))
        last = events[-1]["response"]["candidates"][0]
        last["finishReason"] = fault.finish
        if fault.unfinished:
            del last["finishReason"]
        return events

    def _ended(self, request: Any, received: Received, fault: Fault, check: Callable[[Any], None]) -> Any:
        """The answer to a request that fails before its answer begins; None for a valid one."""
        if fault.silent:
            return NOT_DONE_YET
        if fault.reset and fault.before:
            request.transport.abortConnection()
            return NOT_DONE_YET
        if fault.status:
            return _fail(request, fault)
        if not request.requestHeaders.hasHeader(b"content-length"):
            return _fail(request, replace(faults.refused("Content-Length is required."), status=411))
        if self._state.unknown(received.token):
            return _fail(request, faults.unauthenticated())
        try:
            check(received.json)
        except wire.Refused as e:
            return _fail(request, faults.not_found() if e.status == 404 else faults.refused(str(e), field=e.field))
        except msgspec.DecodeError as e:
            return _fail(request, faults.refused(f"Invalid JSON payload received. {e}"))
        return None

    # OAuth (upstream.md 7)

    def _token(self, request: Any) -> Any:
        form = {name: values[-1] for name, values in parse_qs(request.content.read().decode()).items()}
        self._state.refreshes.append(form)
        fault = self._state.token_fault
        if fault is not None and fault.pause:
            self._state.reactor.callLater(fault.pause, self._granted, request, form)
            return NOT_DONE_YET
        if fault is not None:
            return NOT_DONE_YET if fault.silent else _fail(request, fault)
        return self._grant(request, form)

    def _granted(self, request: Any, form: dict[str, str]) -> None:
        request.write(self._grant(request, form))
        request.finish()

    def _grant(self, request: Any, form: dict[str, str]) -> Any:
        if "assertion" in form:
            granted = self._state.service_accounts.grant(form)
            return _fail(request, faults.invalid_assertion()) if granted is None else _reply(request, granted)
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return _fail(request, faults.invalid_client())
        grant: dict[str, Any] = {
            "access_token": f"ya29.renewed-{len(self._state.refreshes)}",
            "expires_in": 3599,
            "token_type": "Bearer",
        }
        if form.get("grant_type") == "authorization_code":
            consent = self._state.consent.redeem(form)
            known = consent is not None
            if consent is not None:
                self._state.people[grant["access_token"]] = consent.person
                grant["scope"] = consent.scope
                if consent.offline:
                    grant["refresh_token"] = f"1//signed-in-{len(self._state.refreshes)}"
        else:
            known = form.get("grant_type") == "refresh_token" and form.get("refresh_token", "").startswith("1//")
        return _reply(request, grant) if known else _fail(request, faults.invalid_grant())

    def _userinfo(self, request: Any) -> Any:
        fault = self._state.userinfo_fault
        if fault is not None:
            return NOT_DONE_YET if fault.silent else _fail(request, fault)
        token = self._received(request).token
        if self._state.unknown(token):
            return _fail(request, faults.unauthenticated())
        return _reply(request, self._state.people.get(token, self._state.person))

    # benchmarks

    def _constant(self, request: Any, load: Load, *, bare: bool = False) -> Any:
        counts = self._state.counts
        counts["requests"] += 1
        if load.knobs.limit_every and counts["requests"] % load.knobs.limit_every == 0:
            return _fail(request, faults.rate_limited(1))
        Emitter(self._state.reactor, request, load.steps(bare=bare), counts)
        return NOT_DONE_YET

    def _stats(self, request: Any) -> Any:
        return _reply(request, {"requests": 0, "events": 0, "aborted": 0} | self._state.counts)

    def _control(self, request: Any) -> Any:
        """Sets the knobs of constant answers; those that aren't given go back to their defaults."""
        try:
            given = knobs((name.decode(), values[-1].decode()) for name, values in request.args.items())
        except ValueError as e:
            return _fail(request, faults.refused(str(e)))
        self._state.load = Load(given)
        return _reply(request, given)

    def _received(self, request: Any) -> Received:
        body = request.content.read()
        received = Received(request.method.decode(), request.path.decode(), request.requestHeaders, body)
        request.notifyFinish().addCallbacks(received.answered, received.left)
        return received


def _reply(request: Any, answer: Any) -> bytes:
    request.setHeader(b"content-type", b"application/json; charset=UTF-8")
    return msgspec.json.encode(answer)


def _fail(request: Any, fault: Fault) -> bytes:
    request.setResponseCode(fault.status)
    request.setHeader(b"content-type", b"application/json; charset=UTF-8")
    for name, value in fault.headers:
        request.setHeader(name.encode(), value.encode())
    return fault.body
