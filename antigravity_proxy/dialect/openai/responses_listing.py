"""Stored responses as they are shown again: one, its input items, that it is gone (contract.md 8). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.dialect.numbers import within
from antigravity_proxy.dialect.openai.responses_document import Response
from antigravity_proxy.errors import BadRequest

#: items in one page, as OpenAI's
_MOST_ITEMS = 100
_ITEMS = 20
_JSON = ((b"content-type", b"application/json"),)
#: by an item's kind, what its id begins with; others' begin with "item"
_PREFIXES = {"message": "msg", "function_call": "fc", "function_call_output": "fco", "reasoning": "rs"}

#: by a part's type, what it always has
_DEFAULTS: dict[str, dict[str, Any]] = {
    "output_text": {"annotations": [], "logprobs": []},
    "input_image": {"detail": "auto"},
}

_response = msgspec.json.Decoder(Response)


def render(response: Response) -> Rendered:
    """The response object."""
    return Rendered(200, msgspec.json.encode(response), _JSON)


def render_deleted(identity: str) -> Rendered:
    """It is deleted."""
    return Rendered(200, msgspec.json.encode({"id": identity, "object": "response", "deleted": True}), _JSON)


def render_count(tokens: int) -> Rendered:
    """How many tokens an input has."""
    return Rendered(200, msgspec.json.encode({"object": "response.input_tokens", "input_tokens": tokens}), _JSON)


def render_items(items: Iterable[Raw], response: str, query: Mapping[str, str]) -> Rendered:
    """A page of the items that a response answers; raises BadRequest for a query that asks for none of them."""
    order, after, limit = query.get("order", "desc"), query.get("after"), _limit(query.get("limit"))
    if order not in ("asc", "desc"):
        raise BadRequest("The order is asc or desc.", param="order")
    listed = [_listed(raw, f"{response.removeprefix('resp_')}i{n:04x}") for n, raw in enumerate(items)]
    if order == "desc":
        listed.reverse()
    if after is not None:
        at = next((n for n, item in enumerate(listed) if item["id"] == after), None)
        if at is None:
            raise BadRequest("There is no such item in this list.", param="after")
        listed = listed[at + 1 :]
    page = list(islice(listed, limit))
    body = {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else "",
        "last_id": page[-1]["id"] if page else "",
        "has_more": len(listed) > len(page),
    }
    return Rendered(200, msgspec.json.encode(body), _JSON)


def document_of(response: Response) -> bytes:
    """The response object without its output, which is kept elsewhere."""
    return msgspec.json.encode(replace(response, output=()))


def read_document(document: bytes, output: Iterable[Raw]) -> Response:
    """The response object that ``document_of`` gave, with its output."""
    return replace(_response.decode(document), output=tuple(output))


def sharing(response: Response, earlier: Response | None) -> tuple[Response, int]:
    """The response, with what it has in common with an earlier one taken from there; the bytes that are its own."""
    same, size = {}, 0
    for field in ("tools", "instructions", "text", "metadata", "tool_choice"):
        value = getattr(response, field)
        if earlier is not None and value == (before := getattr(earlier, field)):
            same[field] = before
        elif value is not None:
            size += len(value) if isinstance(value, str) else len(memoryview(value))
    return (replace(response, **same) if same else response), size


def _limit(text: str | None) -> int:
    if text is None:
        return _ITEMS
    if not text.isascii() or not text.isdigit():
        raise BadRequest("The limit is a number.", param="limit")
    return int(within(float(text[:9]), "limit", 1, _MOST_ITEMS) or _ITEMS)


def _listed(raw: Raw, digits: str) -> dict[str, Any]:
    """An item as OpenAI lists it: with an id and a type, a message's content as a list."""
    item = msgspec.json.decode(raw, type=dict[str, Any])
    kind = item.get("type") or "message"
    item = {"type": kind, "id": item.get("id") or f"{_PREFIXES.get(kind, 'item')}_{digits}"} | {
        name: value for name, value in item.items() if name not in ("type", "id")
    }
    if kind == "message":
        item["content"] = _content(
            item.get("content"), "output_text" if item.get("role") == "assistant" else "input_text"
        )
    if kind != "reasoning" and not item.get("status"):
        item["status"] = "completed"
    return item


def _content(content: Any, kind: str) -> list[Any]:
    """A message's content as a list of parts, each with all that its type has."""
    if not isinstance(content, list):
        content = [{"type": kind, "text": content or ""}]
    return [_DEFAULTS.get(part["type"], {}) | part for part in content]
