"""Input items of the Responses API as canonical turns (translation.md 5.1, 2.6). Pure.

Each item is looked at twice: for its kind, then as that kind. So the kinds that mean nothing upstream, which are
dropped, may hold whatever they like.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.canonical.content import Content, Part
from antigravity_proxy.dialect import media
from antigravity_proxy.dialect.openai import custom_tools
from antigravity_proxy.dialect.openai.conversation import Conversation, arguments
from antigravity_proxy.dialect.openai.responses_content import ItemContent, parts, texts
from antigravity_proxy.dialect.openai.responses_tools import LOCAL_SHELL, joined
from antigravity_proxy.dialect.parse import parse_at
from antigravity_proxy.dialect.signatures import unwrap
from antigravity_proxy.errors import BadRequest


class _Kind(Struct):
    type: str | None = None
    role: Any = None
    id: Any = None


class _Message(Struct):
    role: Literal["user", "assistant", "system", "developer"]
    content: ItemContent = None


class _Call(Struct, kw_only=True):
    """What all calls have; some items name themselves by ``id`` only."""

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


def conversation(instructions: str | None, items: str | list[Raw]) -> tuple[tuple[Content, ...], tuple[str, ...]]:
    """The turns and the system texts; raises BadRequest."""
    said = Conversation()
    said.system([instructions or ""])
    if isinstance(items, str):
        said.user([Part(text=items)] if items else [])
        return said.finish("input")
    reader = _Reader(said)
    for i, raw in enumerate(items):
        reader.read(raw, f"input[{i}]")
    return said.finish("input")


class _Reader:
    """Reads items in their order. A signature that stands in a reasoning item waits for the call it belongs to."""

    def __init__(self, said: Conversation) -> None:
        self._said = said
        self._signature = ""

    def read(self, raw: Raw, where: str) -> None:
        """One item; raises BadRequest."""
        head = parse_at(raw, _kind, where)
        kind = head.type
        if kind is None:
            if head.role is None and head.id is None:
                raise BadRequest("An item needs a type or a role.", param=f"{where}.type")
            kind = "message" if head.role is not None else "item_reference"
        if kind == "item_reference":
            raise BadRequest(
                "Items are not stored here: send them whole, as clients do with store: false.", param=where
            )
        if kind in _KINDS:
            decoder, take = _KINDS[kind]
            take(self, parse_at(raw, decoder, where), where)

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
        self._call("shell", arguments(item.action), item)

    def patch_call(self, item: _PatchCall, where: str) -> None:
        self._call("apply_patch", arguments(item.operation), item)

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
}
