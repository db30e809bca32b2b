"""Media in requests: data URLs and base64 become inline data; what would have to be fetched is refused. Pure.

Nothing is fetched, from the network or from the proxy's own disk (translation.md 2.2, threats.md 3.3 SSRF).
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from antigravity_proxy.canonical.content import Blob, FileData, Part
from antigravity_proxy.errors import BadRequest

#: characters before the data of a data URL: a type and a few parameters
_MAX_HEAD = 1024
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#: types of text, whatever they are called
_TEXTUAL = re.compile(
    r"text/.*|application/(?:json|xml|javascript|typescript|toml|sql|graphql|(?:x-)?(?:yaml|sh|httpd-php|tex|python|ndjson)"
    r"|.{1,100}\+(?:json|xml|yaml))"
)
_VIDEO = re.compile(r"https?://(?:www\.)?(?:youtube\.com/|youtu\.be/)", re.I)
#: an image in the Markdown of an earlier answer, and what is in every one
IMAGE_MARK = "](data:image/"
_IMAGE = re.compile(r"!\[[^\[\]]*\]\((data:image/[a-z+.-]+;base64,[A-Za-z0-9+/=]+)\)")
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_UNTOLD = frozenset({"", "application/octet-stream", "image/*"})
_ALIASES = {"image/jpg": "image/jpeg"}


def from_url(url: str, param: str) -> Part:
    """The part for a URL in a request; raises BadRequest, naming ``param``, for what can't be passed on."""
    comma = url.find(",", 0, _MAX_HEAD)
    if url[:5].lower() == "data:" and comma > 0:
        mime, *options = url[5:comma].lower().split(";")
        data = url[comma + 1 :]
        if "base64" in options:
            return inline(mime, data, param)
        raw = unquote_to_bytes(data)
        return inline(mime or "text/plain", base64.b64encode(raw).decode("ascii"), param)
    if url.startswith("gs://"):
        return Part(file_data=FileData(url))
    if _VIDEO.match(url):
        return Part(file_data=FileData(url, "video/*"))
    if url[:5].lower() in ("http:", "https"):
        raise BadRequest(
            "URLs are not fetched here: send the file itself as a data URL (data:…;base64,…).", param=param
        )
    raise BadRequest("Not a data URL: send the file itself (data:…;base64,…).", param=param)


def by_reference(uri: str, mime: str, param: str) -> Part:
    """A file that Google reads itself: in its storage, or at a public address. Raises BadRequest for any other.

    Nothing is fetched here; Google reads it as it may, be that with the account's rights (docs/security.md).
    """
    if not uri.startswith(("gs://", "https://")):
        raise BadRequest("A file is named by gs:// or https://; anything else is sent as inlineData.", param=param)
    return Part(file_data=FileData(uri, mime))


def inline(mime: str, data: str, param: str) -> Part:
    """Inline data from base64 in any alphabet, padded or not, with or without line breaks. Raises BadRequest."""
    if not _is_standard(data):
        data = _standard(data, param)
    if not data:
        raise BadRequest("The file is empty.", param=param)
    return Part(inline_data=Blob(_told(mime, base64.b64decode(data[:32])), data))


def inline_bytes(mime: str, data: bytes) -> Part:
    """Inline data from the bytes themselves, which are some."""
    return Part(inline_data=Blob(_told(mime, data), base64.b64encode(data).decode("ascii")))


def _told(mime: str, head: bytes) -> str:
    """The type that a file has by what is said of it, or else by how it begins."""
    mime = _ALIASES.get(mime, mime)
    return mime if mime not in _UNTOLD else _sniffed(head) or mime or "application/octet-stream"


def _is_standard(data: str) -> bool:
    """Whether it is standard base64 already, as nearly always; quick, since it may be many megabytes."""
    rest = data.encode().translate(None, _ALPHABET)
    return len(data) % 4 == 0 and rest in (b"", b"=", b"==") and data.endswith(rest.decode())


def _standard(data: str, param: str) -> str:
    """The same bytes in standard base64."""
    try:
        plain = "".join(data.split()).rstrip("=").replace("-", "+").replace("_", "/")
        raw = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest("The data is not base64.", param=param) from None
    return base64.b64encode(raw).decode("ascii")


def _sniffed(head: bytes) -> str | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((mime for magic, mime in _MAGIC if head.startswith(magic)), None)


def readable(part: Part, title: str) -> Part:
    """A text file as text, under its title if it has one; anything else unchanged (translation.md 2.2)."""
    blob = part.inline_data
    if blob is None or not _TEXTUAL.fullmatch(blob.mime_type):
        return part
    return document(base64.b64decode(blob.data).decode("utf-8", "replace"), title)


def document(text: str, title: str) -> Part:
    """A document's text, under its title if it has one."""
    if not title:
        return Part(text=text)
    title = title.replace('"', "&quot;")
    return Part(text=f'<document title="{title}">\n{text}\n</document>')


def with_images(part: Part, param: str) -> list[Part]:
    """Text with images in Markdown, as text and images again: else each turn would send megabytes of text."""
    if not part.text or IMAGE_MARK not in part.text:
        return [part]
    pieces = _IMAGE.split(part.text)
    return [from_url(piece, param) if i % 2 else Part(text=piece) for i, piece in enumerate(pieces) if piece]
