"""Input items of the Responses API as canonical turns (translation.md 5.1, 2.6). Pure.

Each item is looked at twice: for its kind, then as that kind. So the kinds that mean nothing upstream, which are
dropped, may hold whatever they like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.canonical.content import ABSENT, Content, Part
from antigravity_proxy.dialect import media
from antigravity_proxy.dialect.limits import MAX_MESSAGES, at_most
from antigravity_proxy.dialect.openai import custom_tools
from antigravity_proxy.dialect.openai.conversation import Conversation, arguments
from antigravity_proxy.dialect.openai.responses_compaction import recalled
from antigravity_proxy.dialect.openai.responses_content import ItemContent, parts, texts
from antigravity_proxy.dialect.openai.responses_tools import (
    APPLY_PATCH,
    LOCAL_SHELL,
    SHELL,
    TOOL_SEARCH,
    joined,
    names_of,
    tool_list,
)
from antigravity_proxy.dialect.parse import parse_at
from antigravity_proxy.dialect.signatures import unwrap
from antigravity_proxy.errors import BadRequest, NotFound

_NOT_LAST = "A compaction_trigger must be the last item."
#: the kind of an item that refers to a stored one
_REFERENCE = "item_reference"


class _Kind(Struct):
    type: str | None = None
    role: Any = None
    id: Any = None


class _Message(Struct):
    role: Literal["user", "assistant", "system", "developer"]
    content: ItemContent = None


class _Call(Struct, kw_only=True):
    """The common fields of all calls; some items name themselves by ``id`` only."""

    id: str | None = None
    call_id: str | None = None

    @property
    def identity(self) -> str:
        return self.call_id or self.id or ""


class _FunctionCall(_Call, kw_only=True):
    name: str
    arguments: Any = None
    namespace: str | None = None


class _CustomCall(_Call, kw_only=True):
    name: str
    input: str | None = None
    namespace: str | None = None


class _ShellCall(_Call, kw_only=True):
    action: dict[str, Any] | None = None


class _PatchCall(_Call, kw_only=True):
    operation: dict[str, Any] | None = None


class _Output(_Call, kw_only=True):
    output: ItemContent = None
    name: str | None = None


class _ShellOutput(_Call, kw_only=True):
    output: str | list[dict[str, Any]] | None = None


class _PatchOutput(_Call, kw_only=True):
    output: str | None = None
    status: str | None = None


class _Summary(Struct):
    text: str = ""


class _Reasoning(Struct):
    encrypted_content: str | None = None
    summary: list[_Summary] | None = None


class _Image(Struct):
    result: str | None = None


class _ToolSearch(_Call, kw_only=True):
    arguments: Any = None


class _Tools(_Call, kw_only=True):
    tools: Raw = ABSENT


class _Compaction(Struct):
    encrypted_content: str | None = None


class _Anything(Struct):
    pass


class Memory(Struct, frozen=True):
    """The remembered parts of a request (contract.md 8): the items of the conversation that it continues, single
    items by their ids; and what seals the summary in a compaction item, and opens it (None: it isn't ours, or not this
    key's).
    """

    before: Sequence[Raw] = ()
    items: Mapping[str, Raw] = {}
    seal: Callable[[str], str] | None = None
    unseal: Callable[[str], str | None] = lambda sealed: None


NO_MEMORY = Memory()


class Said(Struct, frozen=True):
    """The content of the input. ``tools``: those that it declares, with their places. ``own``: its items, references
    resolved. ``compacts``: a summary is asked for instead of an answer.
    """

    contents: tuple[Content, ...]
    system: tuple[str, ...]
    tools: list[tuple[str, Raw]]
    own: list[Raw]
    compacts: bool


def item_ids(items: str | list[Raw] | None) -> tuple[list[str], str]:
    """The ids that refer to stored items, and the last id of any item, empty if none has one; raises BadRequest."""
    named, last = [], ""
    for i, raw in enumerate(items if isinstance(items, list) else ()):
        head = _head(raw, f"input[{i}]")
        if isinstance(head.id, str):
            last = head.id
            if head.type == _REFERENCE:
                named.append(last)
    return named, last


def conversation(instructions: str | None, items: str | list[Raw] | None, memory: Memory = NO_MEMORY) -> Said:
    """The complete content; raises BadRequest, NotFound for an item that isn't remembered."""
    said = Conversation()
    if instructions:
        said.system([instructions])
    at_most(MAX_MESSAGES, "items", "input", len(memory.before), len(items) if isinstance(items, list) else 0)
    reader = _Reader(said, memory)
    for raw in memory.before:
        reader.read(raw, "previous_response_id")
    if isinstance(items, str):
        own = reader.one_text(items)
    else:
        own = [reader.read(raw, f"input[{i}]") for i, raw in enumerate(items)] if items else []
    if reader.compacts:
        own.pop()
    contents, system = said.finish("input")
    return Said(contents, system, reader.tools, own, reader.compacts)


def _head(raw: Raw, where: str) -> _Kind:
    """An item's kind, which may be left out of messages and of references; raises BadRequest."""
    head = parse_at(raw, _kind, where)
    if head.type is not None:
        return head
    if head.role is not None:
        head.type = "message"
    elif head.id is not None and msgspec.json.decode(raw, type=dict[str, Raw]).keys() <= {"id", "type", "role"}:
        head.type = _REFERENCE
    else:
        raise BadRequest("An item needs a type or a role.", param=f"{where}.type")
    return head


class _Reader:
    """Reads items in their order. A signature in a reasoning item waits for the call it belongs to."""

    def __init__(self, said: Conversation, memory: Memory) -> None:
        self._said = said
        self._memory = memory
        self._signature = ""
        self.tools: list[tuple[str, Raw]] = []
        self.compacts = False

    def one_text(self, text: str) -> list[Raw]:
        """An input of one text; the item that it is short for, none for an empty one. Raises BadRequest."""
        if not text:
            return []
        if self.compacts:
            raise BadRequest(_NOT_LAST, param="input")
        self._said.user([Part(text=text)])
        return [Raw(msgspec.json.encode({"type": "message", "role": "user", "content": text}))]

    def read(self, raw: Raw, where: str) -> Raw:
        """One item, which is returned: for a reference what it refers to. Raises BadRequest, NotFound."""
        if self.compacts:
            raise BadRequest(_NOT_LAST, param=where)
        head = _head(raw, where)
        if head.type == _REFERENCE:
            raw = self._remembered(head.id, where)
            head = _head(raw, where)
        if head.type in _KINDS:
            decoder, take = _KINDS[head.type]
            take(self, parse_at(raw, decoder, where), where)
        return raw

    def _remembered(self, identity: Any, where: str) -> Raw:
        found = self._memory.items.get(identity) if isinstance(identity, str) else None
        if found is None:
            raise NotFound(
                f"Item '{str(identity)[:80]}' is not stored here (any more): "
                "send it whole, as clients do with store: false.",
                param=where,
            )
        return found

    def message(self, item: _Message, where: str) -> None:
        if item.role == "assistant":
            self._said.model(parts(item.content, where, "content"))
            return
        self._signature = ""
        if item.role == "user":
            self._said.user(parts(item.content, where, "content"))
        else:
            self._said.system(texts(item.content, f"{where}.content"))

    def reasoning(self, item: _Reasoning, where: str) -> None:
        found = unwrap(item.encrypted_content or "")
        if found is not None and found.kind == "f":
            self._signature = found.text
            return
        text = "\n".join(piece.text for piece in item.summary or ())
        signature = found.text if found is not None and found.kind == "t" else ""
        if text or signature:  # without one it can go back only if that is remembered
            self._said.model([Part(text=text, thought=True, thought_signature=signature)])

    def function_call(self, item: _FunctionCall, where: str) -> None:
        self._call(joined(item.namespace, item.name), arguments(item.arguments), item)

    def custom_call(self, item: _CustomCall, where: str) -> None:
        self._call(joined(item.namespace, item.name), custom_tools.arguments(item.input), item)

    def local_shell_call(self, item: _ShellCall, where: str) -> None:
        action = {name: value for name, value in (item.action or {}).items() if name != "type"}
        self._call(LOCAL_SHELL, arguments(action), item)

    def shell_call(self, item: _ShellCall, where: str) -> None:
        self._call(SHELL, arguments(item.action), item)

    def patch_call(self, item: _PatchCall, where: str) -> None:
        self._call(APPLY_PATCH, arguments(item.operation), item)

    def output(self, item: _Output, where: str) -> None:
        self._result(item, parts(item.output, where, "output"), item.name)

    def shell_output(self, item: _ShellOutput, where: str) -> None:
        output = item.output if isinstance(item.output, str) else msgspec.json.encode(item.output or []).decode()
        self._result(item, [Part(text=output)])

    def patch_output(self, item: _PatchOutput, where: str) -> None:
        self._result(item, [Part(text=item.output or "")], failed=item.status == "failed")

    def image(self, item: _Image, where: str) -> None:
        if item.result:
            self._said.model([media.inline("image/*", item.result, f"{where}.result")])

    def additional_tools(self, item: _Tools, where: str) -> None:
        self.tools.append((f"{where}.tools", item.tools))

    def tool_search_call(self, item: _ToolSearch, where: str) -> None:
        if item.call_id:  # else the server that answered it searched by itself
            self._call(TOOL_SEARCH, arguments(item.arguments), item)

    def tool_search_output(self, item: _Tools, where: str) -> None:
        place = f"{where}.tools"
        self.tools.append((place, item.tools))
        if item.call_id:
            names = names_of(parse_at(item.tools, tool_list, place) if item.tools else None, place)
            found = f"These tools can be called now: {', '.join(names)}" if names else "There is no such tool."
            self._result(item, [Part(text=found)], TOOL_SEARCH)

    def compaction(self, item: _Compaction, where: str) -> None:
        summary = self._memory.unseal(item.encrypted_content or "")
        self._signature = ""
        self._said.user([Part(text=recalled(summary))])

    def compaction_trigger(self, item: _Anything, where: str) -> None:
        self.compacts = True

    def _call(self, name: str, args: Raw, item: _Call) -> None:
        signature, self._signature = self._signature, ""
        self._said.model([self._said.call(name, args, item.identity, signature)])

    def _result(self, item: _Call, found: list[Part], name: str | None = None, *, failed: bool = False) -> None:
        self._signature = ""
        self._said.result(item.identity, name, found, failed=failed)


_kind = msgspec.json.Decoder(_Kind)
_Take = Callable[[_Reader, Any, str], None]
#: kind → its decoder and the method that takes it; every other kind is dropped
_KINDS: dict[str, tuple[msgspec.json.Decoder[Any], _Take]] = {
    "message": (msgspec.json.Decoder(_Message), _Reader.message),
    "reasoning": (msgspec.json.Decoder(_Reasoning), _Reader.reasoning),
    "function_call": (msgspec.json.Decoder(_FunctionCall), _Reader.function_call),
    "custom_tool_call": (msgspec.json.Decoder(_CustomCall), _Reader.custom_call),
    "local_shell_call": (msgspec.json.Decoder(_ShellCall), _Reader.local_shell_call),
    "shell_call": (msgspec.json.Decoder(_ShellCall), _Reader.shell_call),
    "apply_patch_call": (msgspec.json.Decoder(_PatchCall), _Reader.patch_call),
    "function_call_output": (msgspec.json.Decoder(_Output), _Reader.output),
    "custom_tool_call_output": (msgspec.json.Decoder(_Output), _Reader.output),
    "local_shell_call_output": (msgspec.json.Decoder(_ShellOutput), _Reader.shell_output),
    "shell_call_output": (msgspec.json.Decoder(_ShellOutput), _Reader.shell_output),
    "apply_patch_call_output": (msgspec.json.Decoder(_PatchOutput), _Reader.patch_output),
    "image_generation_call": (msgspec.json.Decoder(_Image), _Reader.image),
    "additional_tools": (msgspec.json.Decoder(_Tools), _Reader.additional_tools),
    "tool_search_call": (msgspec.json.Decoder(_ToolSearch), _Reader.tool_search_call),
    "tool_search_output": (msgspec.json.Decoder(_Tools), _Reader.tool_search_output),
    "compaction": (msgspec.json.Decoder(_Compaction), _Reader.compaction),
    "compaction_trigger": (msgspec.json.Decoder(_Anything), _Reader.compaction_trigger),
}
