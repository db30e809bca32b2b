"""``/login`` and ``/logout``."""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from antigravity_proxy.admin.access import Access
from antigravity_proxy.admin.http import Answers, form
from antigravity_proxy.admin.pages import Pages

log = Logger()

#: the pages that a login may lead to
_AFTER = ("/", "/auth/start")


class LoginPages:
    """Takes the API key and gives a session for it."""

    def __init__(self, answers: Answers, pages: Pages, access: Access) -> None:
        self._answers = answers
        self._pages = pages
        self._access = access

    def form(self, request: Any) -> bytes:
        """The login form."""
        return self._answers.send(request, self._access.login(request, 200))

    def login(self, request: Any) -> bytes:
        """Takes the API key of the form, and begins a session."""
        fields = form(request)
        if fields is None:
            return self._answers.send(request, self._pages.message(415, "That is no form", "Use the login form."))
        after = fields.get("after", "/")
        after = after if after in _AFTER else "/"
        if not self._access.is_own_login(request, fields.get("token", "")):
            log.warn("login refused: {reason}", reason="the form is not ours, or out of date")
            page = self._access.login(request, 403, "The form was out of date. Please try again.", after)
            return self._answers.send(request, page)
        refusal = self._access.wrong_key(request, [fields.get("key", "").encode()], after)
        if refusal is not None:
            return self._answers.send(request, refusal)
        self._access.begin(request)
        log.info("somebody logged in to the admin pages")
        return self._answers.redirect(request, 303, self._answers.place.path(after))

    def logout(self, request: Any) -> bytes:
        """Ends the session."""
        fields, session = form(request) or {}, self._access.session(request)
        if session is None or not session.is_own(fields.get("token", "")) or self._access.is_foreign(request):
            return self._answers.send(request, self._pages.out_of_date())
        self._access.end(request)
        return self._answers.redirect(request, 303, self._answers.place.path("/login"))
