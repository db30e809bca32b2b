"""The simulated model's text: deterministic, made from the request. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
import zlib
from typing import Any

import msgspec

from antigravity_proxy.simulator.offered import Offered, find

Event = dict[str, Any]

SIGNATURE = base64.b64encode(b"simulated signature").decode()
#: what a made picture counts, and a second of sound (here, 16,000 bytes)
TOKENS_PER_PICTURE = 1290
TOKENS_PER_SECOND = 32
#: half of a second of silence, as 16-bit PCM at 24 kHz
_SOUND = bytes(24_000)
#: pieces of it in a stream
_SOUNDS = 3
_CUE = re.compile(r"\bcall ((?:[\w.:-]+)(?: and [\w.:-]+)*)(?: with (?=\{))?")
_JSON = json.JSONDecoder()
_WORDS = re.compile(r"\S+\s*")


def events(body: dict[str, Any], number: int) -> list[Event]:
    """The events of a streamed answer to a checked envelope; ``number`` makes the response's id."""
    request, model = body["request"], body["model"]
    thinks = bool(request.get("generationConfig", {}).get("thinkingConfig", {}).get("includeThoughts"))
    pieces = _thoughts(model) if thinks else []
    calls = _calls(request)
    schema = _schema(request)
    if find(model).image:
        pieces.append([{"text": _reply(request)}, {"inlineData": {"mimeType": "image/png", "data": _picture(request)}}])
    elif calls:
        pieces.append(_call_parts(calls, body))
    elif schema is not None:
        pieces.append([{"text": msgspec.json.encode(example(schema)).decode()}])
    else:
        pieces += [[{"text": piece}] for piece in _pieces(_reply(request))]
    prompt, told, thought = prompt_tokens(request), 2 * len(pieces), 5 if thinks else 0
    found = [_event(model, number, piece, prompt) for piece in pieces]
    last = _event(model, number, [{"text": ""}], prompt)
    last["response"]["candidates"][0]["finishReason"] = "STOP"
    if find(model).image:
        told = TOKENS_PER_PICTURE
    usage: Event = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": told,
        "totalTokenCount": prompt + told + thought,
    }
    usage["promptTokensDetails"] = [{"modality": kind, "tokenCount": n} for kind, n in _modalities(request).items()]
    last["response"]["usageMetadata"] = usage | ({"thoughtsTokenCount": thought} if thinks else {})
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
    if schema.get("anyOf"):
        return example(schema["anyOf"][0])
    if schema.get("enum"):
        return schema["enum"][0]
    kind = str(schema.get("type", "object" if "properties" in schema else "string")).lower()
    if kind == "object":
        return {name: example(inner) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [example(schema.get("items"))] * max(1, schema.get("minItems", 1))
    if kind in ("integer", "number"):
        return schema.get("minimum", schema.get("maximum", 1 if kind == "integer" else 1.5))
    return {"boolean": True}.get(kind, "value")


def prompt_tokens(request: dict[str, Any]) -> int:
    """How many tokens the input has, roughly."""
    return sum(_modalities(request).values())


def _modalities(request: dict[str, Any]) -> dict[str, int]:
    """The input's tokens by their kind."""
    parts = [part for content in request["contents"] for part in content["parts"]]
    found = {"TEXT": sum(len(part.get("text", "")) for part in parts) // 4 + 1}
    for blob in (part["inlineData"] for part in parts if "inlineData" in part):
        kind, size = blob["mimeType"].partition("/")[0], len(base64.b64decode(blob["data"]))
        name, count = ("AUDIO", TOKENS_PER_SECOND * (1 + size // 16_000)) if kind == "audio" else ("IMAGE", 258)
        found[name] = found.get(name, 0) + count
    return found


def _picture(request: dict[str, Any]) -> str:
    """A PNG in one colour, of the ratio and (in hundredths) of the size that was asked for."""
    form = request.get("generationConfig", {}).get("imageConfig", {})
    across, down = map(int, form.get("aspectRatio", "1:1").split(":"))
    side = {"1K": 10, "2K": 20, "4K": 40}[form.get("imageSize", "1K")]
    width, height = max(1, side * across // max(across, down)), max(1, side * down // max(across, down))
    row = b"\0" + b"\x40\x80\xc0" * width
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pieces = ((b"IHDR", head), (b"IDAT", zlib.compress(row * height)), (b"IEND", b""))
    png = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in pieces)
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + png).decode()


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


def _thoughts(model: str) -> list[list[dict[str, Any]]]:
    """A thought; Claude signs it in an event of its own."""
    thoughts = [[{"thought": True, "text": "Considering the request."}]]
    if model.startswith("claude"):
        thoughts.append([{"thought": True, "text": "", "thoughtSignature": SIGNATURE}])
    return thoughts


def _last_user(request: dict[str, Any]) -> list[dict[str, Any]]:
    last = request["contents"][-1]
    parts: list[dict[str, Any]] = last["parts"] if last["role"] == "user" else []
    return parts


def _calls(request: dict[str, Any]) -> list[tuple[str, Any]]:
    """The calls to make: those that the text asks for, or the first if one must be called.

    It asks with "call a and b", or with "call a with {…}" for these arguments, as JSON, instead of made-up ones.
    """
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
    given = _given(text, cue)
    return [
        (name, example(declared[name].get("parameters", {"type": "object"})) if given is None else given)
        for name in names
        if name in allowed
    ]


def _given(text: str, cue: re.Match[str] | None) -> Any:
    """The arguments that follow a cue; None for none, and for what is not JSON."""
    if cue is None or not text.startswith("{", cue.end()):
        return None
    try:
        return _JSON.raw_decode(text, cue.end())[0]
    except ValueError:
        return None


def _call_parts(calls: list[tuple[str, Any]], body: dict[str, Any]) -> list[dict[str, Any]]:
    """Parallel calls: Claude's have ids, unique in the conversation; of Gemini's the first is signed."""
    found: list[dict[str, Any]] = [{"name": name, "args": args} for name, args in calls]
    if body["model"].startswith("claude"):
        earlier = sum("functionCall" in part for content in body["request"]["contents"] for part in content["parts"])
        return [{"functionCall": {"id": f"toolu_vrtx_{i:02}"} | call} for i, call in enumerate(found, earlier)]
    parts: list[dict[str, Any]] = [{"functionCall": call} for call in found]
    parts[0]["thoughtSignature"] = SIGNATURE
    return parts


def _schema(request: dict[str, Any]) -> Any:
    config = request.get("generationConfig", {})
    if config.get("responseMimeType") != "application/json":
        return None
    return config.get("responseJsonSchema") or config.get("responseSchema") or {"type": "object"}


def _reply(request: dict[str, Any]) -> str:
    parts = _last_user(request)
    results = [part["functionResponse"] for part in parts if "functionResponse" in part]
    media = [inner for result in results for inner in result.get("parts", [])] + parts
    seen = "".join(
        f" I see a file of type {blob['mimeType']} with {len(base64.b64decode(blob['data']))} bytes."
        for part in media
        if (blob := part.get("inlineData"))
    )
    if results:
        told = "; ".join(f"{r['name']} says {msgspec.json.encode(r['response']).decode()}" for r in results)
        return f"The tools answered: {told}.{seen}"
    text = " ".join(part["text"] for part in parts if part.get("text"))
    system = " ".join(part["text"] for part in request.get("systemInstruction", {}).get("parts", []))
    told = f" (told to: {system})" if system else ""
    return f"Hello from the simulated model. You said: {text}{told}{seen}"


def _pieces(text: str) -> list[str]:
    """The text in pieces of some words each, in at most 200 of them."""
    words = _WORDS.findall(text)
    size = max(4, -(-len(words) // 200))
    return ["".join(words[i : i + size]) for i in range(0, len(words), size)]


def vector(body: dict[str, Any]) -> dict[str, Any]:
    """A vector of the size that is asked for, the same for the same text."""
    text = "".join(part.get("text", "") for part in body["content"]["parts"])
    digest = hashlib.sha256(text.encode()).digest()
    size = body.get("outputDimensionality", 8)
    return {"values": [(digest[i % 32] - 128) / 128 for i in range(size)]}


def official(body: dict[str, Any], model: Offered, number: int) -> list[dict[str, Any]]:
    """The events of an official upstream's answer to a checked body: bare, and of models that speak, sound."""
    if not model.speaks:
        return [event["response"] for event in events({"request": body, "model": model.id}, number)]
    size = len(_SOUND) // _SOUNDS
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 9, "totalTokenCount": 14}
    found = []
    for at in range(0, len(_SOUND), size):
        data = base64.b64encode(_SOUND[at : at + size]).decode()
        blob = {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": data}
        candidate = {"content": {"role": "model", "parts": [{"inlineData": blob}]}}
        found.append({"candidates": [candidate], "usageMetadata": dict(usage), "modelVersion": model.id})
    return found
