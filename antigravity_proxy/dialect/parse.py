"""Parses request bodies into typed structs: whatever the bytes are, the caller gets a clear 400. Pure."""

from __future__ import annotations

import codecs
import json
from typing import Any, TypeVar

import msgspec

from antigravity_proxy.errors import BadRequest

T = TypeVar("T")

#: how msgspec's complaint ends, before and after the place; and how much of one is shown: it repeats the value
_WHERE = " - at `$"
_MAX_SHOWN = 500


def parse(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """The body as the decoder's type; raises BadRequest that says where and why it is not."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as e:
        raise complaint(e) from None
    except msgspec.DecodeError as e:
        if (mended := _mended(body, str(e))) is not None:
            return parse(mended, decoder)
        where = "" if "(byte " in str(e) else f" (byte {len(body)})"
        raise BadRequest(f"The body is not JSON: {e}{where}") from None
    except UnicodeDecodeError:
        raise _not_utf8(body) from None
    except RecursionError:
        raise _too_deep() from None


def convert(value: Any, kind: type[T], param: str, *, strict: bool = True) -> T:
    """A part of a body that was decoded untyped, as ``kind``; raises BadRequest with the whole path.

    Unless ``strict``, numbers and truth values may be written as text.
    """
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as e:
        raise complaint(e, param) from None


def parse_at(raw: msgspec.Raw, decoder: msgspec.json.Decoder[T], param: str) -> T:
    """A part of a body that was left as JSON text, as the decoder's type; raises BadRequest with the whole path."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as e:
        raise complaint(e, param) from None
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8.", param=param) from None
    except RecursionError:
        raise _too_deep() from None


def complaint(e: msgspec.ValidationError, prefix: str = "") -> BadRequest:
    """msgspec's complaint as a 400 that names the field; ``prefix`` is where the value stood."""
    text = str(e)
    at = text.rfind(_WHERE) if text.endswith("`") else -1
    where = text[at + len(_WHERE) : -1][:_MAX_SHOWN].removeprefix(".") if at >= 0 else ""
    message = text[: at if at >= 0 else None][:_MAX_SHOWN]
    param = prefix + ("." if prefix and where and not where.startswith("[") else "") + where
    return BadRequest(f"{message} (at {param})" if param else message, param=param or None)


def _mended(body: bytes, complaint: str) -> bytes | None:
    """The body without a byte order mark, or without half characters, which some clients send; None: it has none.

    RFC 8259 8.1 and 8.2 leave it to the reader what to do with either.
    """
    if body.startswith(codecs.BOM_UTF8):
        return body[len(codecs.BOM_UTF8) :]
    if b"\\u" not in body or not ("surrogate" in complaint or "truncated" in complaint):
        return None
    try:
        text = json.dumps(json.loads(body, parse_constant=_no_number), ensure_ascii=False)
    except (ValueError, RecursionError):
        return None
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _no_number(word: str) -> None:
    raise ValueError(word)


def _too_deep() -> BadRequest:
    return BadRequest("The body is nested too deeply.")


def _not_utf8(body: bytes) -> BadRequest:
    """msgspec gives the place only within a string."""
    where = 0
    try:
        body.decode()
    except UnicodeDecodeError as e:
        where = e.start
    return BadRequest(f"The body is not UTF-8 (byte {where}).")
