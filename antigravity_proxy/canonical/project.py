"""Google Cloud project ids. Pure."""

from __future__ import annotations

import re

from antigravity_proxy import coerce

_PLACEHOLDER = re.compile(r"cloud-code-\d+|projects(/.*)?", re.I)


def usable_project_id(project: object) -> str | None:
    """A project id that requests may carry: not blank, no placeholder, no resource path (credential-volume.md 1.3)."""
    found = coerce.text(project)
    return None if found is None or _PLACEHOLDER.fullmatch(found) else found
