"""What the simulated model says: deterministic, made from the request. Pure."""

from __future__ import annotations

import base64
import re
from typing import Any

import msgspec

Event = dict[str, Any]

SIGNATURE = base64.b64encode(b"simulated signature").decode()
_CUE = re.compile(r"\bcall ((?:[\w.:-]+)(?: and [\w.:-]+)*)")
_WORDS = re.compile(r"\S+\s*")


def events(body: dict[str, Any], number: int) -> list[Event]:
    """The events of a streamed answer to an envelope; ``number`` makes the response's id."""
    request, model = body["request"], body["model"]
    parts: list[list[dict[str, Any]]] = []
    if _wants_thoughts(request):
        parts.append([{"thought": True, "text": "Considering the request."}])
    calls = _calls(request)
    schema = _schema(request)
    if calls:
        parts.append(_call_parts(calls, model))
    elif schema is not None:
        parts.append([{"text": msgspec.json.encode(example(schema)).decode()}])
    else:
        parts += [[{"text": piece}] for piece in _pieces(_reply(request))]
    count = _size(request) // 4 + 1
    found = [_event(model, number, piece, count) for piece in parts]
    last = _event(model, number, [{"text": ""}], count)
    last["response"]["candidates"][0]["finishReason"] = "STOP"
    last["response"]["usageMetadata"] = {
        "promptTokenCount": count,
        "candidatesTokenCount": 2 * len(parts),
        "thoughtsTokenCount": 5 if _wants_thoughts(request) else 0,
        "totalTokenCount": count + 2 * len(parts) + (5 if _wants_thoughts(request) else 0),
    }
    return [*found, last]


def whole(streamed: list[Event]) -> Event:
    """The same answer as one JSON document."""
    parts = [part for event in streamed for part in event["response"]["candidates"][0]["content"]["parts"]]
    out: Event = msgspec.json.decode(msgspec.json.encode(streamed[-1]))
    out["response"]["candidates"][0]["content"]["parts"] = [part for part in parts if part.get("text") != ""]
    return out


def example(schema: Any) -> Any:
    """A value that fits a JSON schema (of the subset that upstream knows)."""
    if not isinstance(schema, dict):
        return "value"
    if isinstance(schema.get("anyOf"), list):
        return example(schema["anyOf"][0])
    if schema.get("enum"):
        return schema["enum"][0]
    kind = str(schema.get("type", "object" if "properties" in schema else "string")).lower()
    if kind == "object":
        return {name: example(inner) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [example(schema.get("items"))] * max(1, int(schema.get("minItems", 1)))
    return {"integer": 1, "number": 1.5, "boolean": True}.get(kind, "value")


def _event(model: str, number: int, parts: list[dict[str, Any]], count: int) -> Event:
    return {
        "response": {
            "candidates": [{"content": {"role": "model", "parts": parts}}],
            "usageMetadata": {"promptTokenCount": count, "totalTokenCount": count},
            "modelVersion": model,
            "responseId": f"resp-{number}",
        },
        "traceId": f"trace-{number}",
    }


def _wants_thoughts(request: dict[str, Any]) -> bool:
    return bool(request.get("generationConfig", {}).get("thinkingConfig", {}).get("includeThoughts"))


def _last_user(request: dict[str, Any]) -> list[dict[str, Any]]:
    last = request["contents"][-1]
    parts: list[dict[str, Any]] = last["parts"] if last["role"] == "user" else []
    return parts


def _calls(request: dict[str, Any]) -> list[tuple[str, Any]]:
    """The calls to make: those that the text asks for ("call a and b"), or the first if one must be called."""
    declared = {f["name"]: f for tool in request.get("tools", []) for f in tool.get("functionDeclarations", [])}
    parts = _last_user(request)
    if not declared or any("functionResponse" in part for part in parts):
        return []
    config = request.get("toolConfig", {}).get("functionCallingConfig", {})
    if config.get("mode") == "NONE":
        return []
    allowed = config.get("allowedFunctionNames") or list(declared)
    text = " ".join(part.get("text", "") for part in parts)
    cue = _CUE.search(text)
    names = [name for name in cue[1].split(" and ") if name in declared] if cue else []
    if not names and config.get("mode") == "ANY":
        names = allowed[:1]
    return [(name, example(declared[name].get("parameters", {"type": "object"}))) for name in names if name in allowed]


def _call_parts(calls: list[tuple[str, Any]], model: str) -> list[dict[str, Any]]:
    claude = model.startswith("claude")
    parts: list[dict[str, Any]] = []
    if claude:
        parts.append({"thought": True, "text": "A tool is needed.", "thoughtSignature": SIGNATURE})
    for i, (name, args) in enumerate(calls):
        call: dict[str, Any] = {"name": name, "args": args}
        if claude:
            call["id"] = f"toolu_vrtx_{i:02}"
        part: dict[str, Any] = {"functionCall": call}
        if i == 0 and not claude:
            part["thoughtSignature"] = SIGNATURE
        parts.append(part)
    return parts


def _schema(request: dict[str, Any]) -> Any:
    config = request.get("generationConfig", {})
    if config.get("responseMimeType") != "application/json":
        return None
    return config.get("responseJsonSchema") or config.get("responseSchema") or {"type": "object"}


def _reply(request: dict[str, Any]) -> str:
    parts = _last_user(request)
    results = [part["functionResponse"] for part in parts if "functionResponse" in part]
    if results:
        told = "; ".join(f"{r['name']} says {msgspec.json.encode(r.get('response')).decode()}" for r in results)
        return f"The tools answered: {told}."
    seen = [
        f"a file of type {blob['mimeType']} with {len(base64.b64decode(blob['data']))} bytes"
        for part in parts
        if (blob := part.get("inlineData"))
    ]
    text = " ".join(part["text"] for part in parts if part.get("text"))
    system = " ".join(part["text"] for part in request.get("systemInstruction", {}).get("parts", []))
    reply = f"Hello from the simulated model. You said: {text}"
    if system:
        reply += f" (told to: {system})"
    return reply + "".join(f" I see {what}." for what in seen)


def _pieces(text: str) -> list[str]:
    words = _WORDS.findall(text) or [text]
    return ["".join(words[i : i + 4]) for i in range(0, len(words), 4)][:200]


def _size(request: dict[str, Any]) -> int:
    return sum(len(part.get("text", "")) for content in request["contents"] for part in content["parts"])
