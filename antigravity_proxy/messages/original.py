"""An Anthropic client's own request for Claude on Vertex: unchanged, except for what Vertex has elsewhere or not. Pure.

Everything else stays as it was written, tool schemas and arguments byte for byte (official-upstreams.md 4).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Raw

from antigravity_proxy.canonical.call import Original
from antigravity_proxy.canonical.content import ABSENT
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.signature import bare
from antigravity_proxy.canonical.wire import Fix, Quirk
from antigravity_proxy.errors import BadRequest
from antigravity_proxy.messages import manners
from antigravity_proxy.messages.redacted import data_of

Fields = dict[str, Raw]

#: in the path, or of services that Vertex has not
_LEFT_OUT = frozenset({"model", "anthropic_version", "service_tier", "inference_geo", "mcp_servers", "container"})
_SAMPLING = ("temperature", "top_p", "top_k")
#: tools that Anthropic's servers run, but not for Vertex, by the beginning of their type
_ELSEWHERE = ("code_execution_", "web_fetch_", "mcp_")
#: blocks of tools that ran there, or in another product
_FOREIGN = re.compile(
    r"(?!web_search_).+_tool_(?:result|use)|mcp_.+|container_upload|fallback|tool_(?:addition|removal)"
)
#: a pseudo block that changes with every request
_BILLING = "x-anthropic-billing-header:"
_CONTINUE = Raw(b'{"role":"user","content":"Continue from where the last message ends, without repeating it."}')
_DATA_URL = re.compile(r"data:([\w.+/-]{1,100});base64,", re.I)


def fields(given: Original, model: Model, quirks: frozenset[Fix]) -> dict[str, Any]:
    """The body's fields. Raises BadRequest for what Claude on Vertex can't read."""
    body = {name: value for name, value in _fields(Raw(given.body)).items() if bytes(value) != b"null"}
    found: dict[str, Any] = {"anthropic_version": manners.version(given.version)}
    found |= {name: value for name, value in body.items() if name not in _LEFT_OUT}
    found["stream"] = True
    messages = _Messages(given, model, lost=Quirk.LOST_SIGNATURES in quirks)
    found["messages"] = messages.taken(body["messages"])
    if Quirk.NO_PREFILL in quirks and messages.ends_with_the_model:
        found["messages"].append(_CONTINUE)
    if "system" in body or messages.hoisted:
        found["system"] = _system(body.get("system", ABSENT), messages.hoisted)
    if "tools" in body:
        found["tools"] = [_uncached(tool) for tool in _list(body["tools"]) if not _runs_elsewhere(tool)]
    if not found.get("tools", True):
        del found["tools"]
        found.pop("tool_choice", None)
    if not manners.takes_sampling(model, quirks):
        for name in _SAMPLING:
            found.pop(name, None)
    if Quirk.NO_STOP_SEQUENCES in quirks:
        found.pop("stop_sequences", None)
    if "thinking" in body:
        found |= _thinking(body["thinking"], model, quirks)
        if not messages.can_think or Quirk.LOST_SIGNATURES in quirks:
            del found["thinking"]
    return found


def _thinking(written: Raw, model: Model, quirks: frozenset[Fix]) -> dict[str, Raw]:
    """A budget for a model that knows none becomes adaptive."""
    thinking = _fields(written)
    if _word(thinking, "type") != "enabled" or not manners.is_adaptive(model, quirks):
        return {"thinking": written}
    thinking.pop("budget_tokens", None)
    return {"thinking": Raw(msgspec.json.encode(thinking | {"type": Raw(b'"adaptive"')}))}


def _system(written: Raw, hoisted: list[Raw]) -> Raw | list[Raw]:
    if written and not hoisted and not _is_list(written):
        return written
    blocks = [block for block in _texts(written) if not _word(_fields(block), "text").startswith(_BILLING)]
    return [_uncached(block) for block in (*blocks, *hoisted)]


def _texts(written: Raw) -> list[Raw]:
    """Content as blocks, be it a text or a list of them."""
    if not written or _is_list(written):
        return _list(written)
    return [_raw({"type": "text", "text": written})]


def _marked(block: Raw) -> Raw:
    """A system message in mid-conversation, as a user's text."""
    return _raw({"type": "text", "text": f"<system>{_word(_fields(block), 'text')}</system>"})


def _runs_elsewhere(written: Raw) -> bool:
    return _word(_fields(written), "type").startswith(_ELSEWHERE)


class _Messages:
    """The conversation. ``can_think``: the calls of the current turn follow a thought, as Claude demands.

    ``hoisted``: what messages of the role ``system`` say before all others; Vertex knows no such role.
    """

    def __init__(self, given: Original, model: Model, *, lost: bool) -> None:
        self._given = given
        self._model = model
        self._lost = lost
        self._searched: set[str] = set()  # the ids of searches that another model has made
        self.can_think = True
        self.ends_with_the_model = False
        self.hoisted: list[Raw] = []

    def taken(self, written: Raw) -> list[Any]:
        """The messages with the thoughts that this model made, and without what Vertex refuses."""
        found: list[Any] = []
        held: list[Raw] = []  # a system message that must not come between a call and its result
        awaits_results = False
        for number, raw in enumerate(_list(written)):
            message = _fields(raw)
            role, content = _word(message, "role"), message.get("content", ABSENT)
            if role == "system":
                words = _texts(content)
                if not found:
                    self.hoisted += words
                elif awaits_results:
                    held += map(_marked, words)
                else:
                    found.append({"role": "user", "content": [_marked(each) for each in words]})
                continue
            taken = self._content(content, role, f"messages[{number}].content")
            if taken is None:
                continue
            found.append(raw if taken is content else {**message, "content": taken})
            self.ends_with_the_model = role == "assistant"
            awaits_results = self.ends_with_the_model and b'"tool_use"' in bytes(content)
            if held and not self.ends_with_the_model:
                found.append({"role": "user", "content": held})
                held = []
        if not found and self.hoisted:
            found, self.hoisted = [{"role": "user", "content": self.hoisted}], []
        return found

    def _content(self, content: Raw, role: str, where: str) -> Any:
        """A message's content; itself where nothing changes, None where nothing is left."""
        if not _is_list(content):
            self.can_think = True
            return content
        blocks = [(block, _fields(block)) for block in _list(content)]
        self._searched |= {_word(block, "tool_use_id") for _, block in blocks if _is_foreign_search(block)}
        taken = [each for i, pair in enumerate(blocks) for each in self._block(*pair, f"{where}[{i}]")]
        if not taken:
            return None
        kinds = [_word(_fields(block), "type") for block in taken]
        if role == "assistant":
            self.can_think = "tool_use" not in kinds or kinds[0] in ("thinking", "redacted_thinking")
        elif "tool_result" not in kinds:
            self.can_think = True
        return taken

    def _block(self, written: Raw, block: Fields, where: str) -> list[Raw]:
        kind = _word(block, "type")
        match kind:
            case "thinking" | "redacted_thinking":
                return self._thought(written, block, "signature" if kind == "thinking" else "data")
            case "image" | "document":
                return [_embedded(written, block, where)]
            case "tool_result" if _is_list(block.get("content", ABSENT)):
                inner = enumerate(_list(block["content"]))
                content = [each for i, raw in inner for each in self._block(raw, _fields(raw), f"{where}.content[{i}]")]
                return [_uncached(_raw({**block, "content": content}))]
            case "server_tool_use":
                ours = _word(block, "name") != "web_search" or _word(block, "id") in self._searched
                return [] if ours else [_uncached(written)]
            case "web_search_tool_result" if _is_foreign_search(block):
                return _pages(block)
            case "text":
                return [_uncached(_without_foreign_citations(written, block))]
            case "tool_use" | "tool_result":
                return [_uncached(written)]
        return [] if _FOREIGN.fullmatch(kind) else [_uncached(written)]

    def _thought(self, written: Raw, block: Fields, field: str) -> list[Raw]:
        """A thought as Claude signed it; none if another model signed it, or no model."""
        signed = _word(block, field)
        if self._lost or not signed:
            return []
        known = self._given.signature(signed)
        if known is None:
            return [written]  # Anthropic's own: they are the same on all its platforms
        signature = bare(known, self._model.maker)
        if not signature:
            return []
        if data := data_of(signature):
            return [_raw({"type": "redacted_thinking", "data": data})]
        return [_raw({"type": "thinking", "thinking": block.get("thinking", ""), "signature": signature})]


def _embedded(written: Raw, block: Fields, where: str) -> Raw:
    """An image or a document, whose data is in the request: Vertex fetches nothing. Raises BadRequest."""
    source = _fields(block.get("source", ABSENT))
    if _word(source, "type") != "url":
        return _uncached(written)
    data = _DATA_URL.match(_word(source, "url"))
    if data is None:
        raise BadRequest("Claude on Vertex reads no files by their address: send the file itself.", param=where)
    embedded = {"type": "base64", "media_type": data[1].lower(), "data": _word(source, "url")[data.end() :]}
    return _uncached(_raw({**block, "source": embedded}))


def _is_foreign_search(block: Fields) -> bool:
    """Whether it is what a search by another model brought: Anthropic reads only what it has encrypted itself."""
    if _word(block, "type") != "web_search_tool_result" or not _is_list(block.get("content", ABSENT)):
        return False
    return not all(_word(_fields(page), "encrypted_content") for page in _list(block["content"]))


def _pages(block: Fields) -> list[Raw]:
    pages = [_fields(page) for page in _list(block["content"])]
    lines = [f"{_word(page, 'title')}: {_word(page, 'url')}" for page in pages if _word(page, "url")]
    return [_raw({"type": "text", "text": "\n".join(["[web search results]", *lines])})] if lines else []


def _without_foreign_citations(written: Raw, block: Fields) -> Raw:
    """The text with those citations alone that Anthropic has made: of other models' searches they name no place."""
    citations = [(each, _fields(each)) for each in _list(block.get("citations", ABSENT))]
    kept = [
        each
        for each, fields in citations
        if _word(fields, "type") != "web_search_result_location" or _word(fields, "encrypted_index")
    ]
    if len(kept) == len(citations):
        return written
    rest = {name: value for name, value in block.items() if name != "citations"}
    return _raw({**rest, "citations": kept} if kept else rest)


def _uncached(written: Raw) -> Raw:
    """A block or a tool without the ``scope`` of its ``cache_control``, which Vertex does not know."""
    if b'"cache_control"' not in bytes(written):
        return written
    block = _fields(written)
    control = _fields(block.get("cache_control", ABSENT))
    if "scope" not in control:
        return written
    return _raw({**block, "cache_control": {name: value for name, value in control.items() if name != "scope"}})


def _raw(value: Any) -> Raw:
    return Raw(msgspec.json.encode(value))


def _is_list(written: Raw) -> bool:
    return bytes(memoryview(written)[:1]) == b"["


def _fields(written: Raw) -> Fields:
    """An object's fields, each as it was written; none of any other value."""
    try:
        return msgspec.json.decode(written, type=Fields)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}


def _list(written: Raw) -> list[Raw]:
    try:
        return msgspec.json.decode(written, type=list[Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return []


def _word(block: Fields, name: str) -> str:
    """A field's text; empty if it is not a text."""
    try:
        return msgspec.json.decode(block.get(name, ABSENT), type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
