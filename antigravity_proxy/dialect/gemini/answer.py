"""Passes Gemini's answers on as upstream wrote them, streamed and whole (translation.md 9). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from antigravity_proxy.canonical.chunk import Chunk
from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.dialect.gemini.errors import error_object
from antigravity_proxy.errors import ProxyError

_json = msgspec.json.Encoder().encode


class _Passing:
    """The common part of the three forms. ``show_thoughts``: the client asked for them; else they are removed."""

    __slots__ = ("_show",)

    def __init__(self, show_thoughts: bool) -> None:
        self._show = show_thoughts

    def _text(self, chunk: Chunk) -> bytes:
        """The chunk's JSON text, without thoughts that were not requested.

        The fields that `Chunk` has are typed there.
        """
        return chunk.json if self._show or not _has_thoughts(chunk) else _json(_without_thoughts(chunk.fields))


class GeminiStream(_Passing):
    """``alt=sse``: `data` lines alone; the end is the end of the body."""

    __slots__ = ()

    content_type = b"text/event-stream"
    keepalive = b"\n"

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """See ``dialect.base.Answer``."""
        out: list[bytes] = []
        for chunk in chunks:
            out += (b"data: ", _one_line(self._text(chunk)), b"\r\n\r\n")
        return b"".join(out)

    def close(self) -> bytes:
        """See ``dialect.base.Answer``."""
        return b""

    def fail(self, error: ProxyError) -> bytes:
        """See ``dialect.base.Answer``."""
        return b"data: " + _json({"error": error_object(error)}) + b"\r\n\r\n"


class GeminiArrayStream(_Passing):
    """Without ``alt=sse``: a JSON array, streamed element by element."""

    __slots__ = ("_begun",)

    content_type = b"application/json; charset=UTF-8"
    keepalive = b"\n"

    def __init__(self, show_thoughts: bool) -> None:
        super().__init__(show_thoughts)
        self._begun = False

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """See ``dialect.base.Answer``."""
        return b"".join(self._element(self._text(chunk)) for chunk in chunks)

    def close(self) -> bytes:
        """See ``dialect.base.Answer``."""
        return b"\n]" if self._begun else b"[]"

    def fail(self, error: ProxyError) -> bytes:
        """See ``dialect.base.Answer``: the last element is the error."""
        return self._element(_json({"error": error_object(error)})) + b"\n]"

    def _element(self, text: bytes) -> bytes:
        lead, self._begun = b"\n,\r\n" if self._begun else b"[", True
        return lead + text


class GeminiDocument(_Passing):
    """The complete answer in one response object, folded from the stream's."""

    __slots__ = ("_candidates", "_rest")

    content_type = b"application/json; charset=UTF-8"
    keepalive = b""

    def __init__(self, show_thoughts: bool) -> None:
        super().__init__(show_thoughts)
        self._candidates: dict[int, dict[str, Any]] = {}
        self._rest: dict[str, Any] = {}

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """See ``dialect.base.Answer``."""
        for chunk in chunks:
            response = chunk.fields
            if not self._show and _has_thoughts(chunk):
                response = _without_thoughts(response)
            for candidate in response.pop("candidates", ()):
                self._fold(candidate)
            self._rest.update(response)
        return b""

    def close(self) -> bytes:
        """See ``dialect.base.Answer``."""
        if not self._candidates:
            return _json(self._rest)
        for candidate in self._candidates.values():
            for part in candidate.get("content", {}).get("parts", ()):
                if isinstance(part.get("text"), list):
                    part["text"] = "".join(part["text"])
        return _json({"candidates": [self._candidates[i] for i in sorted(self._candidates)], **self._rest})

    def fail(self, error: ProxyError) -> bytes:
        """Never called in earnest: nothing has left before ``close``. Gives the error's document."""
        return _json({"error": error_object(error)})

    def _fold(self, candidate: dict[str, Any]) -> None:
        known = self._candidates.setdefault(candidate.get("index", 0), {})
        content = candidate.pop("content", None)
        known.update(candidate)
        if content is None:
            return
        whole = known.setdefault("content", {"role": content.get("role", "model"), "parts": []})
        for part in content.get("parts", ()):
            _append(whole["parts"], part)


def render_count(tokens: int) -> Rendered:
    """The answer of ``:countTokens``."""
    return Rendered(200, _json({"totalTokens": tokens}), ((b"content-type", b"application/json; charset=UTF-8"),))


def _append(parts: list[Any], part: dict[str, Any]) -> None:
    """Adds a part; text joins an unsigned neighbour of its kind. The stream's empty last text says nothing.

    Text that may grow is kept as a list of its pieces until the end.
    """
    if not (part.keys() <= {"text", "thought"} and isinstance(part.get("text"), str)):
        parts.append(part)
        return
    last = parts[-1] if parts else {}
    if isinstance(last.get("text"), list) and last.get("thought") == part.get("thought"):
        last["text"].append(part["text"])
    elif part["text"] or not parts:
        parts.append({**part, "text": [part["text"]]})


def _has_thoughts(chunk: Chunk) -> bool:
    for candidate in chunk.candidates:
        for part in candidate.content.parts:
            if part.thought:
                return True
    return False


def _without_thoughts(response: dict[str, Any]) -> dict[str, Any]:
    """Thoughts are taken out, but a signature stays, in an empty part where the thought was."""
    for candidate in response.get("candidates", ()):
        content = candidate.get("content", {})
        if "parts" in content:
            content["parts"] = [kept for part in content["parts"] if (kept := _kept(part)) is not None]
    return response


def _kept(part: dict[str, Any]) -> dict[str, Any] | None:
    if not part.get("thought"):
        return part
    signature = part.get("thoughtSignature")
    return {"text": "", "thoughtSignature": signature} if signature else None


def _one_line(text: bytes) -> bytes:
    """An event's data must not hold line breaks; upstream may have joined several lines."""
    return text if b"\n" not in text and b"\r" not in text else msgspec.json.format(text, indent=-1)
