"""The pages' script, style and icon: files beside this one, read once, under names that change with their content."""

from __future__ import annotations

import hashlib
from importlib import resources

from msgspec import Struct

from antigravity_proxy.dialect.base import Rendered


class File(Struct, frozen=True):
    """A file; ``route`` is the path of its kind, ``path`` the link to it."""

    route: str
    kind: bytes
    content: bytes

    @property
    def path(self) -> str:
        """The link: another one whenever the content changes, so that browsers may keep it for good."""
        return f"{self.route}?{hashlib.sha256(self.content).hexdigest()[:12]}"

    def rendered(self) -> Rendered:
        """The file as an answer."""
        kept = (b"cache-control", b"public, max-age=31536000, immutable")
        return Rendered(200, self.content, ((b"content-type", self.kind), kept))


def _file(name: str, kind: bytes) -> File:
    return File(f"/static/{name}", kind, resources.files(__package__).joinpath(name).read_bytes())


STYLE = _file("page.css", b"text/css; charset=utf-8")
SCRIPT = _file("page.js", b"text/javascript; charset=utf-8")
ICON = _file("icon.svg", b"image/svg+xml")
FILES = {file.route: file for file in (STYLE, SCRIPT, ICON)}
