"""A canonical call as Claude takes it in Anthropic's own form. Pure (official-upstreams.md 4, "Claude on vtx").

A client of Anthropic's dialect has written that form itself: then its request is taken (`messages.original`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from antigravity_proxy.canonical.call import Call, Original, Reasoning
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.wire import Beta, Fix, Quirk
from antigravity_proxy.errors import BadRequest
from antigravity_proxy.generatecontent import turns
from antigravity_proxy.generatecontent.config import output_in_words, samplers
from antigravity_proxy.generatecontent.names import NameMap
from antigravity_proxy.generatecontent.request import function_names
from antigravity_proxy.generatecontent.restore import Restore
from antigravity_proxy.generatecontent.thinking import fit_output, thinking_config
from antigravity_proxy.generatecontent.tools import MAX_DECLARATIONS, CallingConfig, calling_config, declarations
from antigravity_proxy.messages import manners, original
from antigravity_proxy.messages.blocks import messages

#: the web search that Anthropic runs itself, in the version that Vertex has
_SEARCH = {"type": "web_search_20250305", "name": "web_search"}
_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
#: what ``count-tokens`` takes of a request
_COUNTED = ("messages", "system", "tools", "tool_choice", "thinking")
_DATED = re.compile(r"@.*")


class Prepared(Struct, frozen=True):
    """A request ready to be sent: ``fields`` are its body's, ``betas`` the value of ``anthropic-beta``, maybe empty.

    ``is_own``: the client speaks this form itself.
    """

    model: Model
    fields: Mapping[str, Any]
    restore: Restore
    betas: str = ""
    is_own: bool = False

    @property
    def body(self) -> bytes:
        """The request that generates an answer."""
        return msgspec.json.encode(self.fields)

    @property
    def count_body(self) -> bytes:
        """The request that counts the input's tokens: the model by its plain name, and nothing of how to answer."""
        kept = {name: self.fields[name] for name in _COUNTED if name in self.fields}
        named = {"anthropic_version": self.fields["anthropic_version"], "model": _DATED.sub("", self.model.id)}
        return msgspec.json.encode(named | kept)


def prepare(call: Call, model: Model, quirks: frozenset[Fix] = frozenset()) -> Prepared:
    """Makes the request; raises BadRequest for what can't be asked of Claude."""
    try:
        if call.original is not None:
            return _as_it_is(call, call.original, model, quirks)
        return _made(call, model, quirks)
    except RecursionError:  # a schema may be as deep as its decoder allowed
        raise BadRequest("The request is nested too deeply.") from None


def _as_it_is(call: Call, given: Original, model: Model, quirks: frozenset[Fix]) -> Prepared:
    betas = "" if Quirk.NO_BETAS in quirks else _betas(given.betas, quirks)
    fields = original.fields(given, model, quirks)
    return Prepared(model, fields, Restore(NameMap(()), frozenset(), only_first_call=False), betas, is_own=True)


def _betas(header: str, quirks: frozenset[Fix]) -> str:
    names = dict.fromkeys(name.strip() for name in header.split(","))
    taken = [name for name in names if manners.BETA.fullmatch(name) and Beta(name) not in quirks]
    return ",".join(taken[: manners.MAX_BETAS])


def _made(call: Call, model: Model, quirks: frozenset[Fix]) -> Prepared:
    names = NameMap(function_names(call), model.family)
    contents = turns.arrange(call.contents, model, names, lost_signatures=Quirk.LOST_SIGNATURES in quirks)
    declared, wrapped = declarations(call, model, names) if call.tools else ([], frozenset[str]())
    known = {tool.name for tool in call.tools[:MAX_DECLARATIONS]}
    choice = calling_config(call.tool_choice, model, names, known) if declared or call.tool_choice.names else None
    forced = choice is not None and choice.mode == "ANY" and model.takes_force
    thinks = not forced and Quirk.LOST_SIGNATURES not in quirks and turns.can_think(contents, model)
    config = thinking_config(call.reasoning, model) if thinks else None
    limit, config = fit_output(call.sampling.max_output_tokens or model.output, config, model)
    system = [text for text in call.system if text.strip()]
    if call.output.kind != "text":
        system.append(output_in_words(call.output))
    allowed = frozenset(choice.allowed_function_names) if choice is not None else frozenset[str]()
    tools: list[dict[str, Any]] = [
        {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
        for tool in declared
        if not allowed or tool.name in allowed
    ]
    if call.web_search and call.tool_choice.mode != "none":
        tools.append(_SEARCH)
    fields: dict[str, Any] = {"anthropic_version": manners.VERSION, "max_tokens": limit, "stream": True}
    if system:
        fields["system"] = [{"type": "text", "text": text} for text in system]
    fields["messages"] = messages(contents)
    if tools:
        fields["tools"] = tools
        fields |= _choice(choice, forced, call)
    if config is not None:
        fields |= _thinking(call.reasoning, config.thinking_budget, model, quirks)
    fields |= _sampling(call, model, quirks, thinks=config is not None)
    return Prepared(model, fields, Restore(names, wrapped, only_first_call=False))


def _choice(choice: CallingConfig | None, forced: bool, call: Call) -> dict[str, Any]:
    if choice is not None and choice.mode == "NONE":
        return {"tool_choice": {"type": "none"}}
    found: dict[str, Any] = {"type": "auto"}
    if choice is not None and forced:
        names = choice.allowed_function_names
        found = {"type": "tool", "name": names[0]} if len(names) == 1 else {"type": "any"}
    if not call.parallel_tool_calls:
        found["disable_parallel_tool_use"] = True
    return {} if found == {"type": "auto"} else {"tool_choice": found}


def _thinking(reasoning: Reasoning, budget: int | None, model: Model, quirks: frozenset[Fix]) -> dict[str, Any]:
    if not manners.is_adaptive(model, quirks):
        return {"thinking": {"type": "enabled", "budget_tokens": budget}}
    effort = _EFFORTS.get(reasoning.effort or "")
    fields: dict[str, Any] = {"thinking": {"type": "adaptive"}}
    return fields if effort is None else fields | {"output_config": {"effort": effort}}


def _sampling(call: Call, model: Model, quirks: frozenset[Fix], *, thinks: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if manners.takes_sampling(model, quirks):
        temperature, top_p, top_k = samplers(call.sampling, claude=True, thinks=thinks)
        temperature = None if temperature is None else min(temperature, 1.0)
        given = {"temperature": temperature, "top_p": top_p, "top_k": top_k}
        fields = {name: value for name, value in given.items() if value is not None}
    stops = [stop for stop in call.sampling.stop_sequences[:5] if stop.strip()]
    if stops and Quirk.NO_STOP_SEQUENCES not in quirks:
        fields["stop_sequences"] = stops
    return fields
