"""Checks requests as strictly as the real service does: what it refuses is refused here, in its words. Pure.

This strictness is the proof that the translation is right (upstream.md 4).
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

_ENVELOPE = frozenset({"project", "requestId", "model", "userAgent", "requestType", "request", "enabledCreditTypes"})
_REQUEST = frozenset(
    {
        "contents",
        "systemInstruction",
        "generationConfig",
        "tools",
        "toolConfig",
        "safetySettings",
        "sessionId",
        "labels",
    }
)
_CONFIG = frozenset(
    {
        "temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "stopSequences", "seed", "presencePenalty",
        "frequencyPenalty", "responseLogprobs", "logprobs", "responseMimeType", "responseSchema", "responseJsonSchema",
        "responseModalities", "mediaResolution", "speechConfig", "audioTimestamp", "thinkingConfig", "imageConfig",
        "routingConfig", "modelSelectionConfig",
    }
)  # fmt: skip
_DATA = (
    "text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult",
)  # fmt: skip
_PART = frozenset({*_DATA, "thought", "thoughtSignature"})
_SCHEMA = frozenset({"type", "properties", "items", "required", "description", "enum", "nullable", "propertyOrdering"})
_SCHEMA_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object"})
_RESPONSE_SCHEMA = _SCHEMA | {"anyOf", "minItems", "maxItems", "minimum", "maximum", "format", "additionalProperties"}
_MODES = frozenset({"AUTO", "ANY", "NONE", "VALIDATED"})


class Refused(Exception):
    """The request is not as the service wants it; the message is the service's."""


def check_generate(body: Any) -> None:
    """An envelope for ``generateContent`` and its stream; raises Refused."""
    _object(body, "", _ENVELOPE)
    if not isinstance(body.get("model"), str) or body["model"].startswith("models/"):
        raise Refused("Invalid value at 'model'")
    project = body.get("project")
    if project is not None and (not isinstance(project, str) or not project or project.startswith("projects/")):
        raise Refused("Invalid project resource name projects/" + str(project))
    _check_request(body.get("request"), body["model"])


def check_count(body: Any) -> None:
    """The body of ``countTokens``; raises Refused."""
    _object(body, "", frozenset({"request"}))
    request = body.get("request")
    _object(request, "request", frozenset({"model", "contents", "tools", "systemInstruction"}))
    _check_contents(request.get("contents"), "gemini", count=True)


def _check_request(request: Any, model: str) -> None:
    _object(request, "request", _REQUEST)
    _check_contents(request.get("contents"), model)
    if "systemInstruction" in request:
        system = request["systemInstruction"]
        _object(system, "request.system_instruction", frozenset({"role", "parts"}))
        for part in system.get("parts") or [{}]:
            if not isinstance(part.get("text"), str) or not part["text"]:
                raise Refused("request.system_instruction: text parts only")
    config = request.get("generationConfig", {})
    _object(config, "request.generation_config", _CONFIG)
    _check_config(config)
    functions = _check_tools(request.get("tools", []))
    _check_tool_config(request.get("toolConfig"), functions)


def _check_config(config: Any) -> None:
    thinking = config.get("thinkingConfig", {})
    _object(
        thinking,
        "request.generation_config.thinking_config",
        frozenset({"includeThoughts", "thinkingBudget", "thinkingLevel"}),
    )
    if "thinkingBudget" in thinking and "thinkingLevel" in thinking:
        raise Refused("You can only set one of thinking_budget and thinking_level.")
    budget, limit = thinking.get("thinkingBudget"), config.get("maxOutputTokens")
    if isinstance(budget, int) and isinstance(limit, int) and limit <= budget:
        raise Refused("max_output_tokens must be greater than thinking_budget")
    for name, kind in (("temperature", (int, float)), ("maxOutputTokens", int), ("seed", int), ("topK", int)):
        if name in config and (not isinstance(config[name], kind) or isinstance(config[name], bool)):
            raise Refused(f"Invalid value at 'request.generation_config.{name}'")
    for name in ("responseSchema", "responseJsonSchema"):
        if name in config:
            if config.get("responseMimeType") != "application/json":
                raise Refused("response_schema needs response_mime_type application/json")
            _check_schema(config[name], name, _RESPONSE_SCHEMA)


def _check_tools(tools: Any) -> set[str]:
    if not isinstance(tools, list):
        raise Refused("Invalid value at 'request.tools'")
    names: set[str] = set()
    kinds: set[str] = set()
    for tool in tools:
        if not isinstance(tool, dict) or len(tool) != 1:
            raise Refused("Invalid value at 'request.tools'")
        kinds |= tool.keys()
        for declared in tool.get("functionDeclarations", []):
            _object(
                declared, "request.tools[0].function_declarations", frozenset({"name", "description", "parameters"})
            )
            names.add(declared["name"])
            if "parameters" in declared:
                if declared["parameters"].get("type") != "object":
                    raise Refused(f"functionDeclaration parameters schema should be of type OBJECT: {declared['name']}")
                _check_schema(declared["parameters"], declared["name"], _SCHEMA)
    if "functionDeclarations" in kinds and len(kinds) > 1:
        raise Refused("Multiple tools are supported only when they are all search tools.")
    return names


def _check_tool_config(config: Any, functions: set[str]) -> None:
    if config is None:
        return
    _object(config, "request.tool_config", frozenset({"functionCallingConfig"}))
    calling = config["functionCallingConfig"]
    allowed = frozenset({"mode", "allowedFunctionNames"})
    _object(calling, "request.tool_config.function_calling_config", allowed)
    if calling.get("mode") not in _MODES:
        raise Refused("Invalid value at 'request.tool_config.function_calling_config.mode'")
    if not functions:
        raise Refused("Function calling config is set without function_declarations.")
    names = set(calling.get("allowedFunctionNames", ()))
    if names and (calling["mode"] not in ("ANY", "VALIDATED") or not names <= functions):
        raise Refused("allowed_function_names are set wrongly")


def _check_schema(schema: Any, where: str, keywords: frozenset[str], depth: int = 0) -> None:
    if depth > 40:
        raise Refused("schema is too deep")
    _object(schema, f"{where} schema", keywords)
    if "anyOf" in schema and "type" not in schema:
        for branch in schema["anyOf"]:
            _check_schema(branch, where, keywords, depth + 1)
        return
    kind = schema.get("type")
    if not isinstance(kind, str) or kind.lower() not in _SCHEMA_TYPES:
        raise Refused(f"Invalid schema type at {where}: {kind!r}")
    if "enum" in schema and (kind != "string" or not all(isinstance(v, str) and v for v in schema["enum"])):
        raise Refused(f"enum values must be non-empty strings at {where}")
    properties = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in properties:
            raise Refused(f"required[0]: property is not defined at {where}: {name}")
    for inner in properties.values():
        _check_schema(inner, where, keywords, depth + 1)
    if kind == "array":
        if "items" not in schema:
            raise Refused(f"items: missing field at {where}")
        _check_schema(schema["items"], where, keywords, depth + 1)


def _check_contents(contents: Any, model: str, *, count: bool = False) -> None:
    if not isinstance(contents, list) or not contents:
        raise Refused("contents is not specified")
    awaited: list[Any] = []
    role = ""
    for i, content in enumerate(contents):
        where = f"request.contents[{i}]"
        _object(content, where, frozenset({"role", "parts"}))
        if content.get("role") not in ("user", "model"):
            raise Refused(f"Please use a valid role: user, model. ({where})")
        if content["role"] == role:
            raise Refused(f"{where}: roles must alternate")
        role = content["role"]
        parts = content.get("parts")
        if not isinstance(parts, list) or not parts:
            raise Refused(f"{where}: must include at least one parts field")
        calls = [_check_part(part, f"{where}.parts[{j}]", count) for j, part in enumerate(parts)]
        answered = [part["functionResponse"] for part in parts if "functionResponse" in part]
        if role == "user":
            _check_answers(awaited, answered)
            awaited = []
        else:
            awaited = [call for call in calls if call is not None]
            _check_signature(parts, model)
    if contents[0]["role"] != "user" or awaited:
        raise Refused("Please ensure that function call turn comes immediately after a user turn")
    if role != "user" and model.startswith("claude"):
        raise Refused("This model does not support assistant message prefill.")


def _check_answers(calls: list[Any], answers: list[Any]) -> None:
    if [(c["name"], c.get("id")) for c in calls] != [(a["name"], a.get("id")) for a in answers]:
        raise Refused(
            "Please ensure that the number of function response parts is equal to the number of function call parts "
            "of the function call turn."
        )


def _check_signature(parts: list[Any], model: str) -> None:
    first = next((part for part in parts if "functionCall" in part), None)
    if first is None:
        return
    if model.startswith("gemini-3") and not first.get("thoughtSignature"):
        raise Refused("Function call is missing a thought_signature in functionCall parts.")
    if model.startswith("claude"):
        if not first["functionCall"].get("id"):
            raise Refused("messages: tool_use.id: Field required")
        if any(part.get("thoughtSignature") == "skip_thought_signature_validator" for part in parts):
            raise Refused("Invalid `signature` in `thinking` block")


def _check_part(part: Any, where: str, count: bool) -> Any:
    """Checks a part; returns its call, if it is one."""
    _object(part, where, _PART)
    data = [name for name in _DATA if name in part]
    if len(data) != 1 or part[data[0]] == "":
        raise Refused(f"{where}.data: required oneof field 'data' must have one initialized field")
    if count and part.get("thought"):
        raise Refused(f"{where}: thought parts can't be counted")
    for name, field in (("functionCall", "args"), ("functionResponse", "response")):
        if name in part:
            allowed = frozenset({"name", "id", field} | ({"parts"} if name == "functionResponse" else set()))
            _object(part[name], f"{where}.{name}", allowed)
            if not isinstance(part[name].get("name"), str) or not isinstance(part[name].get(field, {}), dict):
                raise Refused(f"Invalid value at '{where}.{name}'")
    if "inlineData" in part:
        _check_blob(part["inlineData"], where)
    signature = part.get("thoughtSignature", "")
    if signature and signature != "skip_thought_signature_validator":
        _check_base64(signature, where)
    return part.get("functionCall")


def _check_blob(blob: Any, where: str) -> None:
    _object(blob, f"{where}.inline_data", frozenset({"mimeType", "data"}))
    if "/" not in blob.get("mimeType", ""):
        raise Refused(f"{where}.inline_data: mime_type is not set")
    _check_base64(blob.get("data", ""), where)


def _check_base64(text: str, where: str) -> None:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(f"Invalid value at '{where}': Base64 decoding failed") from None


def _object(value: Any, where: str, allowed: frozenset[str]) -> None:
    if not isinstance(value, dict):
        raise Refused(f"Invalid value at '{where}'")
    if unknown := sorted(value.keys() - allowed):
        place = f" at '{where}'" if where else ""
        raise Refused(f'Invalid JSON payload received. Unknown name "{unknown[0]}"{place}: Cannot find field.')
