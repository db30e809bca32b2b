"""The allowed declarations, and tool choices. Pure (upstream.md 4.1, 4.4; translation.md 2.3)."""

from __future__ import annotations

import re
from typing import Any

from antigravity_proxy.simulator.offered import Offered
from antigravity_proxy.simulator.schemas import CLAUDE_KEYWORDS, KEYWORDS, check_schema
from antigravity_proxy.simulator.wire import Refused

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
_CLAUDE_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MAX_DECLARATIONS = 512


def check_tools(tools: list[dict[str, Any]], config: dict[str, Any] | None, model: Offered) -> str:
    """The tools and their configuration; returns the calling mode. Raises Refused."""
    kinds = {kind for tool in tools for kind in tool}
    mixture = "functionDeclarations" in kinds and len(tools) > 1
    may_mix = model.mixes_tools and (config or {}).get("includeServerSideToolInvocations") is True
    if any(len(tool) != 1 for tool in tools) or (mixture and not may_mix):
        raise Refused("Multiple tools are supported only when they are all search tools.", "request.tools")
    declared = [function for tool in tools for function in tool.get("functionDeclarations", [])]
    if "functionDeclarations" in kinds and not 1 <= len(declared) <= _MAX_DECLARATIONS:
        raise Refused("From 1 to 512 function declarations are allowed.", "request.tools")
    mode = _check_config(config, {function.get("name") for function in declared})
    names: set[str] = set()
    for i, function in enumerate(declared):
        place = f"request.tools[0].function_declarations[{i}]"
        _check_function(function, place, model, required=mode == "VALIDATED")
        if function["name"] in names:
            raise Refused(f"Duplicate function declaration found: {function['name']}", place)
        names.add(function["name"])
    return mode


def _check_function(function: dict[str, Any], place: str, model: Offered, *, required: bool) -> None:
    if not _NAME.fullmatch(function.get("name", "")):
        raise Refused(
            f"{place}.name: Invalid function name. Must start with a letter or an underscore. Must be alphanumeric "
            "(a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 64.",
            place,
        )
    if model.claude and not _CLAUDE_NAME.fullmatch(function["name"]):
        raise Refused("tools: name: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'", place)
    parameters = function.get("parameters")
    if parameters is None:
        if required and model.claude:
            raise Refused(f"{place}: input_schema: Field required", place)
        return
    if str(parameters.get("type")).lower() != "object":
        name = function["name"]
        raise Refused(f"functionDeclaration `{name}` parameters schema should be of type OBJECT.", place)
    check_schema(parameters, f"{place}.parameters", CLAUDE_KEYWORDS if model.claude else KEYWORDS)


def _check_config(config: dict[str, Any] | None, declared: set[Any]) -> str:
    if config is None:
        return "AUTO"
    place = "request.tool_config.function_calling_config"
    if "functionCallingConfig" not in config:
        return "AUTO"
    if not declared:
        raise Refused("Function calling config is set without function_declarations.", place)
    calling = config.get("functionCallingConfig", {})
    mode: str = calling.get("mode", "AUTO")
    allowed = calling.get("allowedFunctionNames", [])
    if allowed and mode not in ("ANY", "VALIDATED"):
        raise Refused("allowed_function_names are only for the modes ANY and VALIDATED.", place)
    if missing := sorted(set(allowed) - declared):
        raise Refused(f"allowed_function_names: {missing[0]} is not declared.", place)
    return mode
