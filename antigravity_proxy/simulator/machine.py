"""The simulated metadata server of a machine in Google Cloud (official-upstreams.md 3.3)."""

from __future__ import annotations

from typing import Any

import msgspec

PREFIX = b"/computeMetadata/"
_ACCOUNT = b"/computeMetadata/v1/instance/service-accounts/default/token"
_PROJECT = b"/computeMetadata/v1/project/project-id"


class Machine:
    """Gives tokens to who asks as Google wants. ``status``: what it answers instead, 0: nothing is wrong.

    ``flavor`` is how it shows that it is Google's. ``asked`` holds the paths that it was asked for.
    """

    def __init__(self) -> None:
        self.project = "machine-proj"
        self.status = 0
        self.flavor = "Google"
        self.asked: list[str] = []

    def render(self, request: Any) -> bytes:
        """One request."""
        self.asked.append(request.uri.decode())
        if self.flavor:
            request.setHeader(b"metadata-flavor", self.flavor.encode())
        if request.getHeader(b"metadata-flavor") != b"Google" or request.method != b"GET":
            return self._refuse(request, 403)
        if self.status:
            return self._refuse(request, self.status)
        if request.path == _PROJECT:
            return self.project.encode()
        if request.path != _ACCOUNT:
            return self._refuse(request, 404)
        request.setHeader(b"content-type", b"application/json")
        token = {"access_token": f"ya29.machine-{len(self.asked)}", "expires_in": 3412, "token_type": "Bearer"}
        return msgspec.json.encode(token)

    def _refuse(self, request: Any, status: int) -> bytes:
        request.setResponseCode(status)
        return b""
