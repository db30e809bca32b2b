"""The simulated Gemini API: strict as Google with keys and bodies (official-upstreams.md 3.1, 4)."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import msgspec
from twisted.web.server import NOT_DONE_YET

from antigravity_proxy.simulator import answers, faults, wire
from antigravity_proxy.simulator.faults import Fault
from antigravity_proxy.simulator.offered import OFFICIAL, Offered
from antigravity_proxy.simulator.official_face import OfficialFace
from antigravity_proxy.simulator.received import Received

PREFIX = b"/v1beta/models"
_PAGE = 4


class GeminiApi(OfficialFace):
    """Answers everything below ``/v1beta/models``."""

    def render(self, request: Any, received: Received) -> Any:
        """One request."""
        name, _, method = unquote(received.path).removeprefix("/v1beta/models").lstrip("/").partition(":")
        if request.method == b"GET":
            refused = self._refused(received)
            return self._fail(request, refused) if refused else self._list(request, name)
        fault = self._state.note(received)
        if fault.silent:
            return NOT_DONE_YET
        if fault.status:
            return self._fail(request, fault)
        if refused := self._refused(received):
            return self._fail(request, refused)
        model = OFFICIAL.get(name)
        if model is None or method not in model.methods:
            return self._fail(request, no_such_model(name, method))
        try:
            return self._answer(request, received, model, method, fault)
        except wire.Refused as e:
            return self._fail(request, faults.refused(str(e), field=e.field))
        except msgspec.DecodeError as e:
            return self._fail(request, faults.refused(f"Invalid JSON payload received. {e}"))

    def _refused(self, received: Received) -> Fault | None:
        """The fault in a request's authentication; None: none."""
        keys = received.headers.getRawHeaders("x-goog-api-key") or []
        if len(keys) + received.headers.hasHeader("authorization") > 1:
            return faults.refused("Multiple authentication credentials received. Please pass only one.")
        if not keys and received.headers.hasHeader("authorization"):
            words = "Request had invalid authentication credentials."
            return _key_fault(401, "UNAUTHENTICATED", "ACCESS_TOKEN_TYPE_UNSUPPORTED", words)
        if not keys:
            return Fault(403, faults.error(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers."))
        if not keys[0].startswith(("AIza", "AQ.")) or keys[0] in self._state.revoked:
            words = "API key not valid. Please pass a valid API key."
            return _key_fault(400, "INVALID_ARGUMENT", "API_KEY_INVALID", words)
        return None

    def _list(self, request: Any, page: str) -> Any:
        models = [_listed(model) for model in OFFICIAL.values()]
        start = int((request.args.get(b"pageToken") or [b"0"])[-1])
        answer: dict[str, Any] = {"models": models[start : start + _PAGE]}
        if start + _PAGE < len(models):
            answer["nextPageToken"] = str(start + _PAGE)
        return self._reply(request, answer)

    def _answer(self, request: Any, received: Received, model: Offered, method: str, fault: Fault) -> Any:
        body = received.json
        match method:
            case "countTokens":
                wire.OFFICIAL_COUNT(body, "")
                inner = body.get("generateContentRequest", body)
                return self._reply(request, {"totalTokens": answers.prompt_tokens(inner)})
            case "embedContent":
                wire.EMBED(body, "")
                return self._reply(request, {"embedding": answers.vector(body)})
            case "batchEmbedContents":
                wire.EMBED_BATCH(body, "")
                return self._reply(request, {"embeddings": [answers.vector(each) for each in body["requests"]]})
        wire.OFFICIAL(body, "")
        return self._generated(request, received, model, method, fault)


def no_such_model(name: str, method: str) -> Fault:
    """The model is not there, or not for that."""
    words = f"models/{name} is not found for API version v1beta, or is not supported for {method}."
    return Fault(404, faults.error(404, "NOT_FOUND", words))


def _key_fault(code: int, status: str, reason: str, message: str) -> Fault:
    detail = faults.info(reason, service="generativelanguage.googleapis.com") | {"domain": "googleapis.com"}
    return Fault(code, faults.error(code, status, message, detail))


def _listed(model: Offered) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": f"models/{model.id}",
        "version": "001",
        "displayName": model.name,
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": model.output,
        "supportedGenerationMethods": [each for each in model.methods if each != "streamGenerateContent"],
    }
    return found | ({"thinking": True} if model.thinking else {})
