"""Checks requests as strictly as the real service does: what it refuses is refused here, in its words. Pure.

This strictness is the proof that the translation is right. `wire` has names and types; this module has the rules on
what goes together (upstream.md 4, 8).
"""

from __future__ import annotations

from typing import Any

from antigravity_proxy.simulator import wire
from antigravity_proxy.simulator.conversation import check_conversation, check_thoughts_lead, check_turns
from antigravity_proxy.simulator.offered import OFFERED, Offered
from antigravity_proxy.simulator.schemas import JSON_KEYWORDS, RESPONSE_KEYWORDS, check_schema
from antigravity_proxy.simulator.tools import check_tools
from antigravity_proxy.simulator.wire import Refused

_CONFIG = "request.generation_config"
#: field → lowest and highest value (upstream.md 8.4)
_RANGES = {"temperature": (0, 2), "topP": (0, 1), "topK": (1, 2**31), "candidateCount": (1, 8)}
_MAX_STOP_SEQUENCES = 5


def check_generate(body: Any) -> None:
    """An envelope for ``generateContent`` or its stream; raises Refused."""
    wire.ENVELOPE(body, "")
    model = _model(body.get("model", ""))
    project = body.get("project")
    if project is not None and (not project or "/" in project):
        raise Refused(f"Invalid project resource name projects/{project}", "project")
    if model.image:
        _check_image(body)
    check_request(body.get("request", {}), model)


def check_request(request: dict[str, Any], model: Offered) -> None:
    """A generating request, whatever surrounds it; raises Refused."""
    check_conversation(request.get("contents", []), model)
    if "systemInstruction" in request:
        _check_system(request["systemInstruction"], model)
    calling = check_tools(request.get("tools", []), request.get("toolConfig"), model)
    config = request.get("generationConfig", {})
    _check_limits(config, model)
    _check_thinking(config, model, calling)
    if model.claude and "thinkingConfig" in config:
        check_thoughts_lead(request["contents"])
    functions = any("functionDeclarations" in tool for tool in request.get("tools", []))
    _check_output(config, model, functions=functions)


def check_count(body: Any) -> None:
    """The body of ``countTokens``; raises Refused."""
    wire.COUNT(body, "")
    request = body.get("request", {})
    name = request.get("model", "")
    if not name.startswith("models/"):
        raise Refused("Invalid value at 'request.model': a name begins with models/", "request.model")
    _model(name.removeprefix("models/"))
    check_turns(request.get("contents", []))
    for content in request["contents"]:
        if any(part.get("thought") for part in content["parts"]):
            raise Refused("Thoughts can't be counted.", "request.contents")


def check_onboard(body: Any) -> None:
    """The body of ``onboardUser``; raises Refused."""
    wire.ONBOARD(body, "")
    if body.get("tierId", "free-tier") == "free-tier" and "cloudaicompanionProject" in body:
        raise Refused("Precondition Failed", "cloudaicompanionProject")


def _model(name: str) -> Offered:
    if not name:
        raise Refused("model is not specified", "model")
    if name not in OFFERED:
        raise Refused("Requested entity was not found.", "model", 404)
    return OFFERED[name]


def _check_image(body: dict[str, Any]) -> None:
    """Image models take contents and an image's shape, nothing else (upstream.md 8.5)."""
    request = body.get("request", {})
    if body.get("requestType") != "image_gen":
        raise Refused("Image models are asked with request type image_gen.", "request_type")
    more = request.keys() - {"contents", "generationConfig", "sessionId", "labels"}
    more |= request.get("generationConfig", {}).keys() - {"candidateCount", "imageConfig"}
    if more:
        raise Refused(f"{min(more)} is not supported by this model.", "request")


def _check_system(system: dict[str, Any], model: Offered) -> None:
    place = "request.system_instruction"
    if system.get("role", "user") != "user":
        raise Refused(f"{place}: Please use a valid role: user.", place)
    parts = system.get("parts", [])
    if not parts or any(part.keys() != {"text"} or not part["text"] for part in parts):
        raise Refused(f"{place}: only parts with text are supported.", place)
    if model.claude and not all(part["text"].strip() for part in parts):
        raise Refused("system: text content blocks must contain non-whitespace text", place)


def _check_limits(config: dict[str, Any], model: Offered) -> None:
    for name, (low, high) in _RANGES.items():
        if not low <= config.get(name, low) <= high:
            raise Refused(f"Unable to submit request because {name} is out of range: {low} to {high}", _CONFIG)
    output = config.get("maxOutputTokens", 1)
    if not 1 <= output <= model.output:
        raise Refused(f"Unable to submit request because maxOutputTokens must be from 1 to {model.output}.", _CONFIG)
    stops = config.get("stopSequences", [])
    if len(stops) > _MAX_STOP_SEQUENCES or not all(stops):
        raise Refused("stop_sequences: at most 5, none of them empty", f"{_CONFIG}.stop_sequences")
    if "logprobs" in config and not config.get("responseLogprobs"):
        raise Refused("logprobs needs response_logprobs", f"{_CONFIG}.logprobs")
    if model.claude and "temperature" in config and "topP" in config:
        raise Refused("`temperature` and `top_p` cannot both be specified for this model.", _CONFIG)
    if model.claude and not all(stop.strip() for stop in stops):
        raise Refused("stop_sequences: each stop sequence must contain non-whitespace", f"{_CONFIG}.stop_sequences")
    if config.get("candidateCount", 1) > 1 and not model.gemini:
        raise Refused("Multiple candidates is not enabled for this model", f"{_CONFIG}.candidate_count")


def _check_thinking(config: dict[str, Any], model: Offered, calling: str) -> None:
    thinking = config.get("thinkingConfig")
    if thinking is None:
        return
    place = f"{_CONFIG}.thinking_config"
    if model.thinking is None:
        raise Refused("Thinking is not supported by this model.", place)
    if "thinkingBudget" in thinking and "thinkingLevel" in thinking:
        raise Refused("You can only set one of thinking_budget and thinking_level.", place)
    if model.levels and "thinkingBudget" in thinking:
        raise Refused("thinking_budget is not supported by this model: set thinking_level.", place)
    if "thinkingLevel" in thinking and thinking["thinkingLevel"].upper() not in (model.levels or ("LOW", "HIGH")):
        raise Refused(f"Thinking level {thinking['thinkingLevel']} is not supported for this model.", place)
    budget = thinking.get("thinkingBudget")
    low, high = model.thinking
    dynamic = budget == -1 and model.gemini
    if budget is not None and not dynamic and not low <= budget <= high:
        raise Refused(f"The thinking budget {budget} is invalid. Please choose a value from {low} to {high}.", place)
    if budget is not None and "maxOutputTokens" in config and config["maxOutputTokens"] <= budget:
        raise Refused("max_tokens must be greater than thinking.budget_tokens", place)
    if model.claude:
        _check_claude_thinking(config, calling)


def _check_claude_thinking(config: dict[str, Any], calling: str) -> None:
    """Anthropic's own rules (upstream.md 4.3, translation.md 2.3)."""
    if calling == "ANY":
        raise Refused("Thinking may not be enabled when tool_choice forces tool use.", _CONFIG)
    if config.get("temperature", 1) != 1 or "topK" in config:
        raise Refused("`temperature` may only be set to 1 when thinking is enabled.", _CONFIG)
    if config.get("topP", 1) < 0.95:
        raise Refused("`top_p` must be greater than or equal to 0.95 when thinking is enabled.", _CONFIG)


def _check_output(config: dict[str, Any], model: Offered, *, functions: bool) -> None:
    if "responseSchema" in config and "responseJsonSchema" in config:
        raise Refused("Only one of response_schema and response_json_schema may be set.", _CONFIG)
    json = config.get("responseMimeType") in ("application/json", "text/x.enum")
    if config.get("responseMimeType") == "text/x.enum" and "enum" not in config.get("responseSchema", {}):
        raise Refused("text/x.enum needs a response schema with an enum", _CONFIG)
    for name, keywords in (("responseSchema", RESPONSE_KEYWORDS), ("responseJsonSchema", JSON_KEYWORDS)):
        if name in config:
            if not json:
                raise Refused(f"{name} needs the response mime type application/json", _CONFIG)
            check_schema(config[name], f"{_CONFIG}.{name}", keywords)
    if json and functions and model.generation < 3:
        raise Refused("Function calling with a response mime type: 'application/json' is unsupported", _CONFIG)
