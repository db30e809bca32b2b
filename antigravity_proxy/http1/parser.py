"""The heads of HTTP/1.1 messages, read strictly (RFC 9112), and how they frame bodies. Does no I/O.

Everything is bounded, and each byte is examined a constant number of times, however it is cut. What the RFC lets a
recipient repair (a bare LF, a folded line, spaces before a colon, both lengths at once) is refused: two readers that
repair differently are how requests are smuggled (RFC 9112 11.2).
"""

from __future__ import annotations

import re

from msgspec import Struct

from antigravity_proxy.http1.fields import ReceivedFields

_END = b"\r\n\r\n"
#: characters that may not occur in a head, once its lines are split: controls but HTAB (RFC 9110 5.5)
_CONTROLS = rb"\x00-\x08\x0a-\x1f\x7f"
CONTROL = re.compile(rb"[%b]" % _CONTROLS)
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_NAME = re.compile(rb"%b+:" % _TOKEN)
_LINE = rb"%b++:[^%b]*+" % (_TOKEN, _CONTROLS)
_FIELD_LINE = re.compile(_LINE)
_FIELD_LINES = rb"((?:\r\n%b)*+)" % _LINE
#: a whole head; one that does not match is malformed
_RESPONSE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^%b]*+)?+%b" % (_CONTROLS, _FIELD_LINES))
_REQUEST_LINE = re.compile(rb"(%b{1,32}) ([\x21-\x7e\x80-\xff]+) HTTP/1\.([01])" % _TOKEN)
_REQUEST = re.compile(rb"%b%b" % (_REQUEST_LINE.pattern, _FIELD_LINES))
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?#]*)")
#: enough for any length that a body may have; more digits are refused before they are read as a number
MAX_LENGTH_DIGITS = 15

Fields = dict[bytes, list[bytes]]


class Malformed(ValueError):
    """Not HTTP/1.1 as RFC 9112 has it. The message says in a few words which rule is broken, and holds no value."""


class TooLong(Malformed):
    """A head, a line or a section is over its bound."""


class ResponseHead(Struct, frozen=True):
    """The head of a response of HTTP/1.``minor``. Most of its fields are never asked for, so they stay as they came.

    ``lines`` are well-formed, with a CRLF before each; ``lowered`` is the same in lower case, with a CRLF behind it.
    """

    minor: int
    code: int
    lines: bytes
    lowered: bytes

    @property
    def fields(self) -> ReceivedFields:
        """All of them."""
        return _fields(self.lines)

    def field(self, name: bytes) -> str | None:
        """The first value of a field, by its lower-case name."""
        begin = self.lowered.find(b"\r\n%b:" % name)
        if begin < 0:
            return None
        begin += len(name) + 3
        return self.lines[begin : self.lowered.find(b"\r", begin)].strip(b" \t").decode("latin-1")

    @property
    def persistent(self) -> bool:
        """The connection may serve another request (RFC 9112 9.3)."""
        return self.minor == 1 and (b"\r\nconnection:" not in self.lowered or not _closes(self.fields))

    @property
    def is_chunked(self) -> bool:
        """As the function of that name."""
        lowered = self.lowered
        plain = b"\r\ntransfer-encoding: chunked\r\n" in lowered and b"\r\ncontent-length:" not in lowered
        return (plain and lowered.count(b"\r\ntransfer-encoding:") == 1) or is_chunked(self.fields)


class RequestHead(Struct, frozen=True):
    """The head of a request of HTTP/1.``minor``. ``fields``: lower-case names, values in their order."""

    minor: int
    fields: ReceivedFields
    method: bytes
    target: bytes

    @property
    def persistent(self) -> bool:
        """The connection may serve another request (RFC 9112 9.3)."""
        return self.minor == 1 and not _closes(self.fields)


def whole_head(data: bytes, limit: int) -> tuple[bytes, bytes] | None:
    """The head that a first piece holds whole, mostly so, and what comes behind it; None: it does not.

    Raises TooLong.
    """
    end = data.find(_END)
    if end > limit or (end < 0 and len(data) > limit + 4):
        raise TooLong("the head is too long")
    return (data[:end], data[end + 4 :]) if end >= 0 else None


class HeadReader:
    """Collects one head from pieces of any size, in time linear in its size. ``begun``: those that came."""

    __slots__ = ("_buffer", "_limit")

    def __init__(self, limit: int, begun: bytes = b"") -> None:
        self._limit = limit
        self._buffer = bytearray(begun)

    @property
    def first_line(self) -> bytes | None:
        """The first line, once it is whole: what is wrong there need not wait for the rest."""
        end = self._buffer.find(b"\r\n")
        return None if end < 0 else bytes(self._buffer[:end])

    def feed(self, data: bytes) -> tuple[bytes, bytes] | None:
        """The head without its last empty line, and what came behind it; None while it is not whole.

        Raises TooLong.
        """
        buffer = self._buffer
        known = len(buffer)
        buffer += data
        end = buffer.find(_END, max(0, known - 3))
        if end < 0:
            if len(buffer) > self._limit + 4:
                raise TooLong("the head is too long")
            return None
        if end > self._limit:
            raise TooLong("the head is too long")
        head, rest = bytes(buffer[:end]), bytes(buffer[end + 4 :])
        buffer.clear()
        return head, rest


def response_head(block: bytes) -> ResponseHead:
    """Reads a response's head, as HeadReader gives it. Raises Malformed."""
    found = _RESPONSE.fullmatch(block)
    if found is None:
        first, _, rest = block.partition(b"\r\n")
        raise _malformed(rest) if _RESPONSE.fullmatch(first) else Malformed("the status line is malformed")
    minor, code, lines = found.groups()
    return ResponseHead(int(minor), int(code), lines, lines.lower() + b"\r\n")


def request_head(block: bytes) -> RequestHead:
    """Reads a request's head, as HeadReader gives it. Raises Malformed."""
    found = _REQUEST.fullmatch(block)
    if found is None:
        first, _, rest = block.partition(b"\r\n")
        request_line(first)
        raise _malformed(rest)
    method, target, minor, lines = found.groups()
    return RequestHead(int(minor), _fields(lines), method, target)


def request_line(line: bytes) -> tuple[bytes, bytes, int]:
    """Method, target and minor version. Raises Malformed."""
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        raise Malformed("the request line is malformed")
    return found[1], found[2], int(found[3])


def check_field(line: bytes) -> None:
    """Raises Malformed unless a line is a field's."""
    if _FIELD_LINE.fullmatch(line) is None:
        raise _malformed(line)


def _malformed(lines: bytes) -> Malformed:
    """What is wrong with lines of fields of which one is malformed; the first such counts."""
    wrong = next(line for line in lines.split(b"\r\n") if _FIELD_LINE.fullmatch(line) is None)
    value = "a field's value holds a control character"
    return Malformed(value if _NAME.match(wrong) else "a field's name is malformed")  # a folded line too


def _fields(lines: bytes) -> ReceivedFields:
    """Well-formed lines of fields, with a CRLF before each."""
    fields = ReceivedFields()
    for line in lines.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name in fields:
            fields[name].append(value.strip(b" \t"))
        else:
            fields[name] = [value.strip(b" \t")]
    return fields


def tokens(fields: Fields, name: bytes) -> list[bytes]:
    """The members of a comma-separated field, in lower case (RFC 9110 5.6.1)."""
    values = fields.get(name)
    if values is None:
        return []
    return [token for value in values for member in value.split(b",") if (token := member.strip(b" \t").lower())]


def _closes(fields: Fields) -> bool:
    return b"connection" in fields and b"close" in tokens(fields, b"connection")


def announced_length(fields: Fields) -> int | None:
    """The body's length by Content-Length; None if there is none. Raises Malformed."""
    values = fields.get(b"content-length")
    if values is None:
        return None
    (value,) = values if len(values) == 1 else (b"",)
    if not value or len(value) > MAX_LENGTH_DIGITS or value.translate(None, b"0123456789"):
        raise Malformed("Content-Length is malformed")
    return int(value)


def is_chunked(fields: Fields) -> bool:
    """Framed by chunks. Raises Malformed for any other transfer coding, and for two ways of framing at once."""
    values = fields.get(b"transfer-encoding")
    if values is None:
        return False
    if len(values) != 1 or values[0].lower() != b"chunked":
        raise Malformed("the only Transfer-Encoding is 'chunked', once")
    if b"content-length" in fields:
        raise Malformed("Transfer-Encoding together with Content-Length")
    return True


def origin_form(target: bytes, fields: Fields) -> bytes:
    """A request's target as path and query; of one in absolute form, those after its host (RFC 9112 3.2.2).

    Raises Malformed where that is another host than Host names.
    """
    if target[:1] == b"/":
        return target
    absolute = _ABSOLUTE.match(target)
    if absolute is None:
        return target
    if fields.get(b"host") != [absolute[1]]:
        raise Malformed("its target and its Host header name different hosts")
    return b"/" + target[absolute.end() :].removeprefix(b"/")


def request_length(head: RequestHead) -> int | None:
    """The length of the request's body (RFC 9112 6.3); None: it is chunked.

    Raises Malformed, also where not exactly one Host is named.
    """
    fields = head.fields
    if len(fields.get(b"host", ())) != 1 and (head.minor == 1 or b"host" in fields):
        raise Malformed("exactly one Host header is needed")
    if b"transfer-encoding" in fields and is_chunked(fields):
        if head.minor == 0:
            raise Malformed("HTTP/1.0 has no Transfer-Encoding")
        return None
    return announced_length(fields) or 0
