"""The order of turns that upstream insists on, and signatures where it wants them. Pure (upstream.md 4.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from antigravity_proxy.canonical.content import Content, FunctionCall, FunctionResponse, Part
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.codeassist.names import NameMap

#: stands for a signature that was lost; Gemini takes it, Claude doesn't (translation.md 2.6)
DUMMY_SIGNATURE = "skip_thought_signature_validator"
_CONTINUE = "Continue from where the last message ends, without repeating it."
_INTERRUPTED = Raw(b'{"error":"no result: the call was interrupted"}')
_BAD_ID = re.compile(r"[^a-zA-Z0-9_-]")


def arrange(contents: Iterable[Content], model: Model, names: NameMap, *, lost_signatures: bool) -> list[Content]:
    """The conversation as the model takes it.

    ``lost_signatures``: upstream refused those that it came with, so they are replaced or dropped.
    """
    turns = _merged(_filtered(contents))
    turns = _paired(turns, model, names)
    turns = _signed(turns, model, lost_signatures)
    turns = _merged(turn for turn in turns if turn.parts)
    if not turns or turns[0].role != "user":
        turns.insert(0, Content("user", (Part(text="."),)))
    if turns[-1].role == "model" and not model.takes_prefill:
        turns.append(Content("user", (Part(text=_CONTINUE),)))
    return turns


def can_think(turns: list[Content], model: Model) -> bool:
    """Whether thinking may be on: Claude's calls of the current turn must follow a signed thought (4.4 rule 4)."""
    if model.family != "claude":
        return True
    for turn in reversed(turns):
        if turn.role == "model":
            calls = any(part.function_call is not None for part in turn.parts)
            return not calls or (turn.parts[0].thought and bool(turn.parts[0].thought_signature))
        if not any(part.function_response is not None for part in turn.parts):
            return True
    return True


def _filtered(contents: Iterable[Content]) -> Iterable[Content]:
    """Without empty parts, and with a role everywhere."""
    for content in contents:
        parts = tuple(part for part in content.parts if _says_something(part))
        if parts:
            yield Content("model" if content.role == "model" else "user", parts)


def _says_something(part: Part) -> bool:
    return bool(
        part.text
        or part.function_call is not None
        or part.function_response is not None
        or part.inline_data is not None
        or part.file_data is not None
        or part.executable_code
        or part.code_execution_result
        or (part.thought and part.thought_signature)
    )


def _merged(contents: Iterable[Content]) -> list[Content]:
    """Neighbours of one role become one turn."""
    turns: list[Content] = []
    for content in contents:
        if turns and turns[-1].role == content.role:
            turns[-1] = Content(content.role, turns[-1].parts + content.parts)
        else:
            turns.append(content)
    return turns


def _paired(turns: list[Content], model: Model, names: NameMap) -> list[Content]:
    """Every call is followed by its result, in the order of calls; a result without a call becomes text."""
    out: list[Content] = []
    awaited: list[FunctionCall] = []
    for turn in turns:
        if turn.role == "model":
            turn, calls = _with_ids(turn, model, names, len(out))
            out.append(turn)
            awaited = calls
            continue
        parts, awaited = _answered(turn, awaited, model, names), []
        out.append(Content("user", parts))
    if awaited:
        out.append(Content("user", tuple(_missing(call) for call in awaited)))
    return out


def _with_ids(turn: Content, model: Model, names: NameMap, position: int) -> tuple[Content, list[FunctionCall]]:
    """The turn with its calls under the names and ids that are sent, and those calls."""
    calls: list[FunctionCall] = []
    parts: list[Part] = []
    for part in turn.parts:
        call = part.function_call
        if call is not None:
            identity = call.id
            if model.family == "claude":  # demands an id, and matching ones
                identity = _BAD_ID.sub("_", identity) or f"call_{position}_{len(calls)}"
            call = FunctionCall(names.there(call.name), call.args or Raw(b"{}"), identity)
            calls.append(call)
            part = replace(part, function_call=call)
        parts.append(part)
    return Content(turn.role, tuple(parts)), calls


def _answered(turn: Content, calls: list[FunctionCall], model: Model, names: NameMap) -> tuple[Part, ...]:
    """A user turn's parts after a turn with ``calls``: results first, then the rest."""
    rest: list[Part] = []
    results: dict[int, FunctionResponse] = {}
    for part in turn.parts:
        response = part.function_response
        if response is None:
            rest.append(part)
            continue
        index = _call_of(response, calls, results, model, names)
        if index is None:
            rest.append(_as_text(response))
        else:
            results[index] = response
    parts: list[Part] = []
    media: list[Part] = []
    for index, call in enumerate(calls):
        found = results.get(index)
        if found is None:
            parts.append(_missing(call))
            continue
        inner = found.parts if model.needs_signatures else ()  # Gemini 3 reads media within results
        media += () if inner else found.parts
        answer = FunctionResponse(call.name, found.response or Raw(b"{}"), call.id, inner)
        parts.append(Part(function_response=answer))
    return (*parts, *media, *rest)


def _call_of(
    response: FunctionResponse,
    calls: list[FunctionCall],
    taken: dict[int, FunctionResponse],
    model: Model,
    names: NameMap,
) -> int | None:
    """Which call a result belongs to: by id, else, where there are no ids, by name in order."""
    identity = _BAD_ID.sub("_", response.id) if model.family == "claude" else response.id
    name = names.there(response.name)
    for index, call in enumerate(calls):
        if index in taken:
            continue
        if identity and call.id == identity:
            return index
        if call.name == name and (not identity or not call.id):
            return index
    return None


def _missing(call: FunctionCall) -> Part:
    return Part(function_response=FunctionResponse(call.name, _INTERRUPTED, call.id))


def _as_text(response: FunctionResponse) -> Part:
    body = bytes(response.response).decode("utf-8", "replace")
    try:
        value = msgspec.json.decode(body)
    except msgspec.MsgspecError:
        value = None
    if isinstance(value, dict) and len(value) == 1:
        inner = next(iter(value.values()))
        body = inner if isinstance(inner, str) else body
    return Part(text=f"[result of an unknown tool call {response.id or response.name}]\n{body}")


def _signed(turns: list[Content], model: Model, lost: bool) -> list[Content]:
    """Signatures and thoughts of earlier turns as the model's family wants them (translation.md 2.6)."""
    current = max((i for i, turn in enumerate(turns) if _begins_a_turn(turn)), default=-1)
    return [
        Content(turn.role, tuple(_signed_parts(turn.parts, model, lost, i > current))) if turn.role == "model" else turn
        for i, turn in enumerate(turns)
    ]


def _begins_a_turn(turn: Content) -> bool:
    """Whether this is a real user message, not merely results."""
    return turn.role == "user" and any(part.function_response is None for part in turn.parts)


def _signed_parts(parts: tuple[Part, ...], model: Model, lost: bool, current: bool) -> Iterable[Part]:
    if model.family != "gemini":
        for part in parts:
            if part.thought:
                if part.thought_signature and current and not lost:
                    yield part
            else:
                yield replace(part, thought_signature="") if part.thought_signature else part
        return
    first_call = True
    for part in parts:
        if lost and part.thought_signature:
            part = replace(part, thought_signature="")
        if part.thought and not part.thought_signature:
            continue
        if part.function_call is not None:
            if first_call and not part.thought_signature and model.needs_signatures:
                part = replace(part, thought_signature=DUMMY_SIGNATURE)
            first_call = False
        yield part
