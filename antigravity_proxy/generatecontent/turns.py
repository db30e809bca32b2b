"""The order of turns that upstream insists on, and signatures where it wants them. Pure (upstream.md 4.4)."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from antigravity_proxy.canonical.content import ABSENT, Content, FunctionCall, FunctionResponse, Part, RichPart
from antigravity_proxy.canonical.credential import ACCOUNTS
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.signature import bare
from antigravity_proxy.generatecontent.names import NameMap

#: replaces a signature that was lost; Gemini takes it, Claude doesn't (translation.md 2.6)
DUMMY_SIGNATURE = "skip_thought_signature_validator"
_CONTINUE = "Continue from where the last message ends, without repeating it."
_NOTHING = Raw(b"{}")
_INTERRUPTED = Raw(b'{"error":"no result: the call was interrupted"}')
_BAD_ID = re.compile(r"[^a-zA-Z0-9_-]")


def arrange(
    contents: Iterable[Content], model: Model, names: NameMap, *, lost_signatures: bool = False, prefill: bool = True
) -> list[Content]:
    """The conversation as the model takes it.

    ``lost_signatures``: upstream refused those that it came with, so they are replaced or dropped. ``prefill``: the
    conversation may end with the model's own turn, if this model can go on with it.
    """
    turns = list(contents)
    if is_plain_talk(turns):
        return turns
    turns = merged(_filtered(turns, model))
    turns = _paired(turns, model, names)
    turns = _signed(turns, model, lost_signatures)
    turns = merged(turn for turn in turns if turn.parts)
    if not turns or turns[0].role != "user":
        turns.insert(0, Content("user", (Part(text="."),)))
    if turns[-1].role == "model" and not (prefill and model.takes_prefill):
        turns.append(Content("user", (Part(text=_CONTINUE),)))
    return turns


def is_plain_talk(turns: Sequence[Content]) -> bool:
    """Whether user and model say one plain text each in turn, the user first and last: every model takes that."""
    speaker = "user"
    for turn in turns:
        if turn.role != speaker or len(turn.parts) != 1:
            return False
        part = turn.parts[0]
        if not part.text or part.text.isspace() or part != Part(text=part.text):
            return False
        speaker = "user" if speaker == "model" else "model"
    return speaker == "model"


def can_think(turns: Sequence[Content], model: Model) -> bool:
    """Whether thinking may be on: Claude's calls of the current turn must follow a signed thought (4.4 rule 4)."""
    if model.family != "claude":
        return True
    for turn in reversed(turns):
        if turn.role == "model":
            calls = any(part.function_call is not None for part in turn.parts)
            return not calls or turn.parts[0].thought  # only signed ones are left
        if _begins_a_turn(turn):
            return True
    return True


def _filtered(contents: Iterable[Content], model: Model) -> Iterator[Content]:
    """Without parts that say nothing to this model, and with a role everywhere that fits the parts."""
    says = _says_to_claude if model.family == "claude" else _says_something
    for content in contents:
        role = "model" if content.role == "model" else "user"
        if model.family != "gemini":
            parts = tuple(map(_plain, content.parts))
        else:
            parts = _unspoken(content.parts) if model.upstream == ACCOUNTS else content.parts
        if parts and role == content.role:
            for part in parts:
                if not (says(part) and _fits(part, role)):
                    break
            else:
                yield content if parts is content.parts else Content(role, parts)
                continue
        for speaker, spoken in groupby(filter(says, parts), partial(_speaker, role)):
            if speaker == "user":
                unsigned = (replace(part, thought_signature="") for part in spoken)
                yield Content(speaker, tuple(filter(says, unsigned)))
            else:
                yield Content(speaker, tuple(spoken))


def _plain(part: Part) -> Part:
    """The part without what only Gemini's models read."""
    if not isinstance(part, RichPart):
        return part
    return Part(**{name: getattr(part, name) for name in Part.__struct_fields__})


def _unspoken(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """The parts without how they are to be spoken, which accounts' models don't know."""
    for part in parts:
        if isinstance(part, RichPart) and part.speech_metadata:
            break
    else:
        return parts
    return tuple(replace(part, speech_metadata=ABSENT) if isinstance(part, RichPart) else part for part in parts)


def _fits(part: Part, role: str) -> bool:
    return _speaker(role, part) == role and not (role == "user" and part.thought_signature)


def _says_to_claude(part: Part) -> bool:
    """Anthropic refuses text of nothing but white space, as a prefill too; a thought may be empty."""
    return _says_something(part) and (part.text is None or part.thought or bool(part.text.strip()))


def _speaker(role: str, part: Part) -> str:
    """The role of a part: calls and thoughts are the model's and results the user's, whatever turn they are in."""
    if part.function_call is not None or part.thought:
        return "model"
    return "user" if part.function_response is not None else role


def _says_something(part: Part) -> bool:
    return bool(
        part.text
        or (part.text is not None and part.thought_signature)  # which may come alone, at the end of a stream
        or part.function_call is not None
        or part.function_response is not None
        or part.inline_data is not None
        or part.file_data is not None
        or part.executable_code
        or part.code_execution_result
        or (isinstance(part, RichPart) and (part.tool_call or part.tool_response))
    )


def merged(contents: Iterable[Content]) -> list[Content]:
    """Neighbours of one role become one turn."""
    turns: list[Content] = []
    role: str | None = None
    parts: list[Part] = []  # of the last turn, once it is made of several
    for content in contents:
        if content.role == role:
            parts = parts or [*turns[-1].parts]
            parts += content.parts
            continue
        if parts:
            turns[-1] = Content(turns[-1].role, tuple(parts))
            parts = []
        role = content.role
        turns.append(content)
    if parts:
        turns[-1] = Content(turns[-1].role, tuple(parts))
    return turns


class _Called(Struct, frozen=True):
    """A call of the turn before: as the client wrote it, and as it is sent."""

    written: FunctionCall
    sent: FunctionCall


def _paired(turns: list[Content], model: Model, names: NameMap) -> list[Content]:
    """Every call is followed by its result, in the order of calls; a result without a call becomes text."""
    out: list[Content] = []
    awaited: list[_Called] = []
    identities = _Identities()
    for turn in turns:
        if turn.role == "model":
            awaited = _calls(turn, model, names, len(out), identities)
            out.append(_with_calls(turn, awaited) if awaited else turn)
        elif awaited or not _begins_a_turn(turn):
            out.append(Content("user", _answered(turn, awaited, model)))
            awaited = []
        else:
            out.append(turn)
    if awaited:
        out.append(Content("user", tuple(_missing(called.sent) for called in awaited)))
    return out


class _Identities:
    """The ids of a conversation's calls, each of them once: Anthropic refuses one that comes again."""

    __slots__ = ("_taken",)

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def unique(self, identity: str) -> str:
        """The id, or one like it that is still free."""
        found = identity
        while found in self._taken:
            self._taken[identity] += 1
            found = f"{identity}_{self._taken[identity]}"
        self._taken[found] = 1
        return found


def _calls(turn: Content, model: Model, names: NameMap, position: int, identities: _Identities) -> list[_Called]:
    """A turn's calls, with the names and ids that are sent."""
    calls: list[_Called] = []
    for part in turn.parts:
        if (call := part.function_call) is not None:
            identity = call.id
            if model.family == "claude":  # demands an id, and matching ones
                identity = identities.unique(_BAD_ID.sub("_", identity) or f"call_{position}_{len(calls)}")
            calls.append(_Called(call, FunctionCall(names.there(call.name), call.args or _NOTHING, identity)))
    return calls


def _with_calls(turn: Content, calls: list[_Called]) -> Content:
    sent = iter(calls)
    parts = (p if p.function_call is None else replace(p, function_call=next(sent).sent) for p in turn.parts)
    return Content(turn.role, tuple(parts))


def _answered(turn: Content, calls: list[_Called], model: Model) -> tuple[Part, ...]:
    """A user turn's parts after a turn with ``calls``: results first, then their media, then the rest."""
    rest: list[Part] = []
    results: dict[int, FunctionResponse] = {}
    unanswered = _Unanswered(calls)
    for part in turn.parts:
        response = part.function_response
        if response is None:
            rest.append(part)
        elif (index := unanswered.take(response)) is not None:
            results[index] = response
        else:
            rest += (_as_text(response), *response.parts)
    parts: list[Part] = []
    media: list[Part] = []
    for index, called in enumerate(calls):
        found = results.get(index)
        if found is None:
            parts.append(_missing(called.sent))
            continue
        inner = found.parts if model.reads_media_in_results else ()
        media += () if inner else found.parts
        answer = FunctionResponse(called.sent.name, found.response or _NOTHING, called.sent.id, inner)
        parts.append(Part(function_response=answer))
    return (*parts, *media, *rest)


class _Unanswered:
    """A turn's calls that have no result yet, by id and by name: each is found in constant time."""

    __slots__ = ("_by_id", "_by_name", "_nameless", "_taken")

    def __init__(self, calls: list[_Called]) -> None:
        self._taken: set[int] = set()
        self._by_id: dict[str, deque[int]] = {}
        self._by_name: dict[str, deque[int]] = {}
        self._nameless: dict[str, deque[int]] = {}  # by name, those without an id
        for index, called in enumerate(calls):
            call = called.written
            self._by_name.setdefault(call.name, deque()).append(index)
            kept = (
                self._by_id.setdefault(call.id, deque()) if call.id else self._nameless.setdefault(call.name, deque())
            )
            kept.append(index)

    def take(self, response: FunctionResponse) -> int | None:
        """The call a result belongs to: by id, else, where one of the two has no id, by name in order."""
        if not response.id:
            return self._first(self._by_name.get(response.name))
        index = self._first(self._by_id.get(response.id))
        return index if index is not None else self._first(self._nameless.get(response.name))

    def _first(self, indices: deque[int] | None) -> int | None:
        while indices:
            index = indices.popleft()
            if index not in self._taken:
                self._taken.add(index)
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
    if model.family == "gemini":
        return [_for_gemini(turn, model, lost) if turn.role == "model" else turn for turn in turns]
    keeps = model.family == "claude" and not lost  # of earlier turns too: their prompt cache goes on behind them
    return [_for_others(turn, model, keep_thoughts=keeps) if turn.role == "model" else turn for turn in turns]


def _own(part: Part, model: Model) -> Part:
    """The part with its signature as it is sent; without it, if another family made it."""
    signature = part.thought_signature
    kept = bare(signature, model.maker)
    return part if kept == signature else replace(part, thought_signature=kept)


def _begins_a_turn(turn: Content) -> bool:
    """Whether this is a new question, and not results (which users' words or media may accompany)."""
    return turn.role == "user" and all(part.function_response is None for part in turn.parts)


def _for_gemini(turn: Content, model: Model, lost: bool) -> Content:
    """Signed parts as they are; the first call of the turn is signed in any case, by the dummy if need be."""
    parts: list[Part] = []
    called = False
    for part in turn.parts:
        if part.thought_signature:
            part = replace(part, thought_signature="") if lost else _own(part, model)
        if part.thought and not (part.thought_signature and part.text):
            continue
        if part.text == "" and not part.thought_signature:
            continue  # it was there for a signature's sake
        if part.function_call is not None and not called:
            called = True
            if model.needs_signatures and not part.thought_signature:
                part = replace(part, thought_signature=DUMMY_SIGNATURE)
        parts.append(part)
    return Content(turn.role, tuple(parts))


def _for_others(turn: Content, model: Model, *, keep_thoughts: bool) -> Content:
    """Signed thoughts if they are to be kept; a signature elsewhere is Gemini's.

    Claude's thought is streamed in pieces, its signature alone at the end: clients that keep them so get it whole.
    """
    parts: list[Part] = []
    told: list[str] = []  # by the unsigned thoughts right before
    for part in turn.parts:
        if part.thought and not part.thought_signature:
            told.append(part.text or "")
            continue
        if not part.thought:
            if part.text != "":
                parts.append(replace(part, thought_signature="") if part.thought_signature else part)
        elif keep_thoughts and (part := _own(part, model)).thought_signature:
            parts.append(part if part.text or not told else replace(part, text="".join(told)))
        told = []
    return Content(turn.role, tuple(parts))
