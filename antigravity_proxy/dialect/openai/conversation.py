"""Builds the turns of a conversation from messages or items, in their order (translation.md 2.1, 2.3). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from antigravity_proxy.canonical.content import Content, FunctionCall, FunctionResponse, Part
from antigravity_proxy.errors import BadRequest

_NO_ARGUMENTS = Raw(b"{}")


class Conversation:
    """Takes what was said, one piece after the other; ``finish`` gives the turns and the system texts."""

    __slots__ = ("_called", "_contents", "_has_user", "_system", "_user_spoke")

    def __init__(self) -> None:
        self._system: list[str] = []
        self._contents: list[Content] = []
        self._called: dict[str, str] = {}
        self._user_spoke = False
        self._has_user = False  # also by results, and by system texts that came late

    def system(self, texts: Iterable[str]) -> None:
        """System texts: those before the first user message are hoisted; later ones stay, since order is meaning."""
        said = [text for text in texts if text]
        if not self._user_spoke:
            self._system += said
        elif said:
            self._add([Part(text="<system>{}</system>".format("\n".join(said)))])

    def user(self, parts: Sequence[Part]) -> None:
        """A user's message."""
        if parts:
            self._user_spoke = self._has_user = True
            self._contents.append(Content("user", tuple(parts)))

    def model(self, parts: Sequence[Part]) -> None:
        """A message of the model, or a piece of it."""
        if parts:
            self._contents.append(Content("model", tuple(parts)))

    def call(self, name: str, args: Raw, identity: str, signature: str = "") -> Part:
        """The part for a call of the model's, whose result may follow; to be passed to ``model``."""
        if identity:
            self._called[identity] = name
        return Part(function_call=FunctionCall(name, args, identity), thought_signature=signature)

    def result(self, identity: str, name: str | None, parts: Sequence[Part], *, failed: bool = False) -> None:
        """A tool's result, for the call of that id, or else by its function's ``name``."""
        name = self._called.get(identity) or name
        output = "\n".join(part.text for part in parts if part.text is not None)
        files = tuple(part for part in parts if part.text is None)
        if not name:
            self._add([Part(text=f"[result of an unknown tool call {identity}]\n{output}"), *files])
            return
        response = Raw(msgspec.json.encode({"error" if failed else "output": output}))
        self._add([Part(function_response=FunctionResponse(name, response, identity, files))])

    def finish(self, param: str) -> tuple[tuple[Content, ...], tuple[str, ...]]:
        """The turns and the system texts; raises BadRequest, naming ``param``, where no user says anything."""
        if not self._contents and self._system:
            return (Content("user", tuple(Part(text=text) for text in self._system)),), ()
        if not self._has_user:
            raise BadRequest("There is no user message.", param=param)
        return tuple(self._contents), tuple(self._system)

    def _add(self, parts: Sequence[Part]) -> None:
        """What counts as the user's, though no user said it."""
        self._has_user = True
        self._contents.append(Content("user", tuple(parts)))


def arguments(value: Any) -> Raw:
    """Arguments as an object: clients send a JSON string. Whatever else models produced is wrapped, never refused."""
    if isinstance(value, str):
        if not value.strip():
            return _NO_ARGUMENTS
        try:
            parsed = msgspec.json.decode(value)
        except (msgspec.MsgspecError, RecursionError):
            parsed = value
        if isinstance(parsed, dict):
            return Raw(value.encode())  # byte for byte
        value = parsed
    if value is None:
        return _NO_ARGUMENTS
    return Raw(msgspec.json.encode(value if isinstance(value, dict) else {"input": value}))
