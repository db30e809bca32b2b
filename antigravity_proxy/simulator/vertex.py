"""The simulated Vertex AI: strict as Google with places, tokens and bodies (official-upstreams.md 3.2, 4)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import msgspec
from twisted.web.server import NOT_DONE_YET

from antigravity_proxy.simulator import answers, claude, faults, offered, wire
from antigravity_proxy.simulator.faults import Fault
from antigravity_proxy.simulator.offered import Offered
from antigravity_proxy.simulator.official_face import OfficialFace
from antigravity_proxy.simulator.received import Received

_PATH = re.compile(
    r"/(?P<version>v1|v1beta1)(?:/projects/(?P<project>[a-z0-9.:-]+)/locations/(?P<location>[a-z0-9-]+))?"
    r"/publishers/(?P<publisher>google|anthropic)/models/(?P<model>[\w.@-]+):(?P<method>\w+)"
)


def is_path(path: bytes) -> bool:
    """Whether a path is Vertex AI's."""
    return b"/publishers/" in path and path.startswith((b"/v1/", b"/v1beta1/"))


def _is_elsewhere(received: Received, location: str) -> bool:
    """Whether one of Google's hosts is asked for a location that it doesn't serve."""
    host = (received.headers.getRawHeaders("host") or [""])[0]
    place = {"global": "", "us": "aiplatform.us.rep.", "eu": "aiplatform.eu.rep."}.get(location, f"{location}-")
    serves = place if ".rep." in place else place + "aiplatform."
    return host.endswith(".googleapis.com") and host != serves + "googleapis.com"


class Vertex(OfficialFace):
    """Answers the methods of both publishers' models."""

    traffic_type = "ON_DEMAND"

    def render(self, request: Any, received: Received) -> Any:
        """One request."""
        fault = self._state.note(received)
        if fault.silent:
            return NOT_DONE_YET
        if fault.reset and fault.before:
            request.transport.abortConnection()
            return NOT_DONE_YET
        if fault.status:
            return self._fail(request, fault)
        asked = _PATH.fullmatch(unquote(received.path))
        if asked is None or request.method != b"POST" or _is_elsewhere(received, asked["location"] or "global"):
            return self._fail(request, faults.not_found())
        if refused := self._refused(received, asked["project"]):
            return self._fail(request, refused)
        try:
            answer = self._of_claude if asked["publisher"] == "anthropic" else self._of_gemini
            return answer(request, received, asked, fault)
        except wire.Refused as e:
            if asked["publisher"] == "anthropic":
                return self._fail(request, Fault(400, claude.error("invalid_request_error", str(e))))
            return self._fail(request, faults.refused(str(e), field=e.field))
        except msgspec.DecodeError as e:
            return self._fail(request, faults.refused(f"Invalid JSON payload received. {e}"))

    def _refused(self, received: Received, project: str | None) -> Fault | None:
        """The fault in a request's authentication and location; None: none."""
        keys = received.headers.getRawHeaders("x-goog-api-key") or []
        bearers = received.headers.getRawHeaders("authorization") or []
        if len(keys) + len(bearers) != 1:
            return faults.refused("Multiple authentication credentials received. Please pass only one.")
        if bool(keys) is (project is not None):
            return faults.unauthenticated()
        if keys and (not keys[0].startswith(("AIza", "AQ.")) or keys[0] in self._state.revoked):
            detail = faults.info("API_KEY_INVALID", service="aiplatform.googleapis.com") | {"domain": "googleapis.com"}
            words = "API key not valid. Please pass a valid API key."
            return Fault(400, faults.error(400, "INVALID_ARGUMENT", words, detail))
        if bearers and self._state.unknown(received.token):
            return faults.unauthenticated()
        return None

    def _model(self, known: dict[str, Offered], asked: re.Match[str]) -> Offered | Fault:
        """The model, if the place that is asked has it."""
        location = asked["location"] or "global"
        model = known.get(asked["model"])
        if model is None or location not in offered.locations(model.id):
            name = asked.string.partition("/projects/")[2].partition(":")[0]
            words = f"Publisher Model `projects/{name}` was not found or your project does not have access to it."
            return Fault(404, faults.error(404, "NOT_FOUND", words))
        return model

    def _of_gemini(self, request: Any, received: Received, asked: re.Match[str], fault: Fault) -> Any:
        model, method, body = self._model(offered.OFFICIAL, asked), asked["method"], received.json
        if isinstance(model, Fault):
            return self._fail(request, model)
        if method == "countTokens":
            wire.VERTEX_COUNT(body, "")
            return self._reply(request, {"totalTokens": answers.prompt_tokens(body)})
        if method in ("predict", "batchEmbedContents"):
            return self._vectors(request, model, method, body)
        if method not in model.methods:
            return self._fail(request, faults.not_found())
        wire.VERTEX(body, "")
        return self._generated(request, received, model, method, fault)

    def _vectors(self, request: Any, model: Offered, method: str, body: dict[str, Any]) -> Any:
        """Vectors: of the older models one by one, of the newer ones many at once (official-upstreams.md 8.2)."""
        if not model.embeds or (method == "predict") is not (model.id == "gemini-embedding-001"):
            return self._fail(request, faults.not_found())
        if method == "batchEmbedContents":
            wire.VERTEX_EMBED_BATCH(body, "")
            asked = [{"content": each["content"], **each.get("embedContentConfig", {})} for each in body["requests"]]
            return self._reply(request, {"embeddings": list(map(answers.vector, asked))})
        wire.PREDICT(body, "")
        if len(body["instances"]) != 1:
            raise wire.Refused("Model supports only one instance per request.", "instances")
        content = {"parts": [{"text": body["instances"][0]["content"]}]}
        found = answers.vector({"content": content, **body.get("parameters", {})})
        counted = found | {"statistics": {"token_count": 3, "truncated": False}}
        return self._reply(request, {"predictions": [{"embeddings": counted}]})

    def _of_claude(self, request: Any, received: Received, asked: re.Match[str], fault: Fault) -> Any:
        body = received.json
        if asked["project"] is None:
            return self._fail(request, faults.not_found())
        if (asked["model"], asked["method"]) == ("count-tokens", "rawPredict"):
            claude.check_count(body)
            return self._reply(request, {"input_tokens": claude.tokens(body)})
        model = self._model(offered.CLAUDE, asked)
        if isinstance(model, Fault):
            return self._fail(request, model)
        betas = (received.headers.getRawHeaders("anthropic-beta") or [""])[-1].split(",")
        claude.check(body, model, betas)
        if asked["method"] != "streamRawPredict" or body.get("stream") is not True:
            return self._fail(request, faults.not_found())
        events = claude.events(body, model.id, self._number())
        if fault.unfinished:
            events.pop()
        payloads = [claude.sse(event) for event in events] if fault.events is None else list(fault.events)
        framing = msgspec.structs.replace(fault, framing=(b"", b""))
        if fault.error:
            error = b"event: error\ndata: " + claude.error("overloaded_error", "Overloaded") + b"\n\n"
            framing = msgspec.structs.replace(framing, error=error)
        return self._stream(request, received, payloads, framing)
