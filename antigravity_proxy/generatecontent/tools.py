"""Tool declarations and tool choice as upstream takes them. Pure (translation.md 2.3)."""

from __future__ import annotations

from threading import Lock
from typing import Any

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.canonical.call import Call, ToolChoice
from antigravity_proxy.canonical.content import ABSENT
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.errors import BadRequest
from antigravity_proxy.generatecontent.names import NameMap
from antigravity_proxy.generatecontent.schema import clean_parameters

#: declarations that upstream takes (upstream.md 8.4)
MAX_DECLARATIONS = 512

#: of cleaned schemas that are kept
CACHE_BYTES = 16 << 20

_EMPTY_OBJECT = Raw(b'{"type":"object","properties":{}}')


class Declaration(Struct, frozen=True, omit_defaults=True):
    """A function as it is declared to upstream."""

    name: str
    description: str = ""
    parameters: Raw = ABSENT


class CallingConfig(Struct, frozen=True, rename="camel", omit_defaults=True):
    """How the model may call."""

    mode: str
    allowed_function_names: tuple[str, ...] = ()


class ToolConfig(Struct, frozen=True, rename="camel", omit_defaults=True):
    """``toolConfig``; the parts that do not concern functions are the client's own."""

    function_calling_config: CallingConfig | None = None
    retrieval_config: Raw = ABSENT
    include_server_side_tool_invocations: Raw = ABSENT


def declarations(call: Call, model: Model, names: NameMap) -> tuple[list[Declaration], frozenset[str]]:
    """The declarations to send, and the names of those whose parameters had to be wrapped into ``input``."""
    found: dict[str, Declaration] = {}
    wrapped = set()
    for tool in call.tools[:MAX_DECLARATIONS]:
        if tool.name in found:
            continue
        parameters, is_wrapped = ABSENT, False
        if tool.parameters:
            parameters, is_wrapped = _cleaned.get(tool.parameters, model.family != "claude")
        if not parameters and model.family == "claude":
            parameters = _EMPTY_OBJECT
        if is_wrapped:
            wrapped.add(tool.name)
        found[tool.name] = Declaration(names.there(tool.name), tool.description, parameters)
    return list(found.values()), frozenset(wrapped)


def calling_config(choice: ToolChoice, model: Model, names: NameMap, declared: set[str]) -> CallingConfig | None:
    """The choice as upstream takes it; None: the model decides. Raises BadRequest for a name that isn't declared."""
    for name in choice.names:
        if name not in declared:
            raise BadRequest(f"tool_choice names a tool that is not declared: {name}", param="tool_choice")
    mode = {"auto": "AUTO", "none": "NONE", "any": "ANY", "validated": "VALIDATED"}[choice.mode]
    if mode == "AUTO":
        if model.family != "claude":
            return None
        mode = "VALIDATED"
    allowed = tuple(map(names.there, choice.names)) if mode in ("ANY", "VALIDATED") else ()
    return CallingConfig(mode, allowed)


class _Cleaned:
    """Cleaned schemas by their JSON text: agents send the same tools with every request. Threads may share it.

    The least recently used go first when all together, before and after, have grown over ``limit`` bytes.
    """

    def __init__(self, limit: int) -> None:
        self._lock = Lock()
        self._limit = limit
        self._size = 0
        self._known: dict[tuple[bytes, bool], tuple[Raw, bool]] = {}

    def get(self, schema: Any, ordering: bool) -> tuple[Raw, bool]:
        """The schema as upstream takes it (absent: no parameters), and whether it had to be wrapped."""
        key = (msgspec.json.encode(schema), ordering)
        with self._lock:
            found = self._known.pop(key, None)
            if found is not None:
                self._known[key] = found  # again the youngest
                return found
        found = _clean(schema, ordering)
        with self._lock:
            self._size += 0 if key in self._known else _size(key, found)
            self._known[key] = found
            while self._size > self._limit:
                oldest = next(iter(self._known))
                self._size -= _size(oldest, self._known.pop(oldest))
        return found


def _clean(schema: Any, ordering: bool) -> tuple[Raw, bool]:
    cleaned, is_wrapped = clean_parameters(schema, ordering=ordering)
    if "properties" not in cleaned:
        return ABSENT, False
    return Raw(msgspec.json.encode(cleaned)), is_wrapped


def _size(key: tuple[bytes, bool], found: tuple[Raw, bool]) -> int:
    return len(key[0]) + len(bytes(found[0]))


_cleaned = _Cleaned(CACHE_BYTES)
