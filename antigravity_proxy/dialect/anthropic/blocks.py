"""Content blocks of messages, and what users see of them as parts (translation.md 2.2, 8.1). Pure."""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct

from antigravity_proxy.canonical.content import ABSENT, Part
from antigravity_proxy.dialect import media
from antigravity_proxy.errors import BadRequest


class Text(Struct, tag_field="type", tag="text"):
    """Plain text; citations in history are not read."""

    text: str


class _Base64(Struct, tag_field="type", tag="base64"):
    data: str
    media_type: str | None = None


class _Url(Struct, tag_field="type", tag="url"):
    url: str


class _File(Struct, tag_field="type", tag="file"):
    """A file of Anthropic's Files API."""


class Image(Struct, tag_field="type", tag="image"):
    """An image."""

    source: _Base64 | _Url | _File


class _PlainText(Struct, tag_field="type", tag="text"):
    data: str


class _Content(Struct, tag_field="type", tag="content"):
    content: str | list[Text | Image]


class Document(Struct, tag_field="type", tag="document"):
    """A PDF or a text; ``context`` is what the user says about it."""

    source: _Base64 | _PlainText | _Content | _Url | _File
    title: str | None = None
    context: str | None = None


class SearchResult(Struct, tag_field="type", tag="search_result"):
    """A result of the client's own search."""

    source: str
    title: str
    content: list[Text]


class ToolReference(Struct, tag_field="type", tag="tool_reference"):
    """A tool that a tool search found, within its result."""

    tool_name: str


Visible = Text | Image | Document | SearchResult


class ToolUse(Struct, tag_field="type", tag="tool_use"):
    """A call in history; ``input`` stays as its author wrote it."""

    id: str
    name: str
    input: Raw = ABSENT


class ToolResult(Struct, tag_field="type", tag="tool_result"):
    """A call's result."""

    tool_use_id: str
    content: str | list[Visible | ToolReference] | None = None
    is_error: bool | None = None


class Thinking(Struct, tag_field="type", tag="thinking"):
    """A thought of an earlier turn; the signature is ours, or another provider's."""

    thinking: str
    signature: str | None = None


class RedactedThinking(Struct, tag_field="type", tag="redacted_thinking"):
    """A thought without its text."""

    data: str


class ServerToolUse(Struct, tag_field="type", tag="server_tool_use"):
    """A search in history: its results follow."""


class WebSearchResult(Struct, tag_field="type", tag="web_search_tool_result"):
    """The result of a search: a list of pages, or an error."""

    content: list[dict[str, Any]] | dict[str, Any] | None = None


class Compaction(Struct, tag_field="type", tag="compaction"):
    """The summary of a conversation that was cut."""

    content: str | None = None


Block = (
    Visible | ToolUse | ToolResult | Thinking | RedactedThinking | ServerToolUse | WebSearchResult | Compaction
)  # fmt: skip


def visible(block: Visible, where: str) -> list[Part]:
    """A user's content as parts; raises BadRequest that names the field."""
    match block:
        case Text():
            return [Part(text=block.text)]
        case Image():
            return [_file(block.source, f"{where}.source")]
        case Document():
            about = [Part(text=block.context)] if block.context else []
            return about + _document(block, f"{where}.source")
        case _:
            texts = "\n".join(text.text for text in block.content)
            return [Part(text=f"[search result: {block.title}, {block.source}]\n{texts}")]


def pages(result: WebSearchResult) -> str:
    """The titles and addresses that a search brought, as text; empty for an error."""
    found = result.content if isinstance(result.content, list) else []
    lines = [f"{page.get('title') or ''}: {page['url']}" for page in found if page.get("url")]
    return "\n".join(["[web search results]", *lines]) if lines else ""


def _document(block: Document, where: str) -> list[Part]:
    source, title = block.source, block.title or ""
    if isinstance(source, _PlainText):
        return [media.document(source.data, title)]
    if not isinstance(source, _Content):
        return [media.readable(_file(source, where), title)]
    if isinstance(source.content, str):
        return [media.document(source.content, title)]
    return [part for i, each in enumerate(source.content) for part in visible(each, f"{where}.content[{i}]")]


def _file(source: _Base64 | _Url | _File, where: str) -> Part:
    match source:
        case _Base64():
            return media.inline((source.media_type or "").lower(), source.data, f"{where}.data")
        case _Url():
            return media.from_url(source.url, f"{where}.url")
        case _:
            raise BadRequest("Files are not stored here: send the file itself as base64.", param=f"{where}.type")
