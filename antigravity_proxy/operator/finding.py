"""One line of a check's report."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Level = Literal["ok", "warning", "error"]


class Finding(Struct, frozen=True):
    """One thing that was looked at: how it is, in words to act on."""

    subject: str
    level: Level
    message: str
