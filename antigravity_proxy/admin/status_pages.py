"""``/``, the operator's page; ``/events``, which keeps it up to date; ``/accounts``, which changes an account."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct
from twisted.web.template import Tag

from antigravity_proxy.admin.changes import ACTIONS, Action, Changes, NotChanged
from antigravity_proxy.admin.http import Answers, content_type, query
from antigravity_proxy.admin.login import Access
from antigravity_proxy.admin.markup import tags
from antigravity_proxy.admin.overview import Overview, Selection
from antigravity_proxy.admin.page import FragmentCache, Layout, query_of
from antigravity_proxy.admin.pages import Pages
from antigravity_proxy.admin.sessions import Session
from antigravity_proxy.admin.sse import EventStream
from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.web.key_ring import keys_shown


class _Asked(Struct, forbid_unknown_fields=True):
    """A change that a program asks for; ``account``: an id, its beginning, or an e-mail address."""

    action: Action
    account: str


class StatusPages:
    """The page and what belongs to it."""

    def __init__(
        self, answers: Answers, pages: Pages, access: Access, overview: Overview, changes: Changes, ticker: Ticker,
        *, addable: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._answers = answers
        self._pages = pages
        self._access = access
        self._overview = overview
        self._changes = changes
        self._addable = addable
        self._boot = secrets.token_hex(8)
        self.layout = Layout(answers.base_url, changeable=not changes.read_only, addable=addable)
        self._cache = FragmentCache(ticker.clock)
        self.live = EventStream(ticker, overview, self.layout, self._cache, self._boot)

    def stop(self) -> None:
        """Ends what is live."""
        self.live.stop()
        self._overview.stop()

    async def page(self, request: Any) -> bytes:
        """The whole page."""
        refusal = self._access.refusal(request)
        if refusal is not None:
            return self._answers.send(request, refusal)
        session = self._access.visit(request)
        selection = Selection.of(query(request))
        status = await self._overview.look(selection)
        live = f"{self._answers.base_url.path('/events')}{query_of(selection)}"
        level = {"well": "All is well", "attention": "Look here", "broken": "Broken"}[status.headline.level]
        body = [self._top(session), self._told(session), self.layout.page()]
        parts = await self._cache.texts(self.layout.fragments(status), anew=True)
        page = self._pages.whole(200, level, *body, live=live, boot=self._boot, parts=parts)
        return self._answers.send(request, page)

    async def events(self, request: Any) -> bytes:
        """Its changes, from now on."""
        refusal = self._access.refusal(request)
        if refusal is not None:
            return self._answers.send(request, refusal)
        if self.live.is_full:
            return self._answers.json(request, 503, {"error": "Too many pages are being watched."})
        kinds = ((b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no"))
        self._answers.send(request, Rendered(200, b"", kinds))
        await self.live.watch(request, Selection.of(query(request)), lambda: self._access.still_holds(request))
        return b""

    async def change(self, request: Any) -> bytes:
        """A change, asked for by a form of the page, or by a program with the key."""
        if content_type(request) == b"application/json":
            return await self._change_for_program(request)
        refusal = self._access.refusal(request)
        if refusal is not None:
            return self._answers.send(request, refusal)
        own = self._access.own_form(request)
        if own is None:
            return self._answers.send(request, self._pages.out_of_date())
        fields, session = own
        action = next((action for action in ACTIONS if action in fields), None)
        if action is None:
            return self._answers.send(request, self._pages.message(400, "Nothing to do", "The form names no change."))
        return await self._change_by_form(request, session, action, fields[action], "confirmed" in fields)

    async def _change_by_form(
        self, request: Any, session: Session, action: Action, account: str, confirmed: bool
    ) -> bytes:
        try:
            if action == "remove" and not confirmed:
                found = self._changes.find(account)
                words = (
                    f"{found.called} is removed from the data directory, for the desktop app too. To use "
                    "it again, somebody has to sign in with it."
                )
                title = "Remove this account?"
                asked = self._pages.confirm(session.token, "/accounts", action, found.id, title, words)
                return self._answers.send(request, asked)
            changed = await self._changes.do(action, account)
        except NotChanged as e:
            return self._answers.send(request, self._pages.message(e.status, "Nothing was changed", e.message))
        session.notice = changed.message
        anchor = "" if action == "remove" or not changed.id else f"#a-{changed.id}"
        return self._answers.redirect(request, 303, self._answers.base_url.path("/") + anchor)

    async def _change_for_program(self, request: Any) -> bytes:
        """A browser sends this to another site only after asking, and is never allowed to; so no token is needed."""
        if self._access.is_foreign(request) or not (self._access.is_open or keys_shown(request.requestHeaders)):
            return self._answers.json(request, 401, {"error": "Show the API key, as 'Authorization: Bearer KEY'."})
        refusal = self._access.refusal(request)
        if refusal is not None:
            reasons = {401: "Wrong API key.", 429: "Too many wrong keys came from your address: wait a minute."}
            words = reasons.get(refusal.status, "That is not allowed here.")
            return self._answers.json(request, refusal.status, {"error": words})
        try:
            asked = msgspec.json.decode(request.take_body(), type=_Asked)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            words = f'The body is to be {{"action": one of {", ".join(ACTIONS)}, "account": its id or address}}.'
            return self._answers.json(request, 400, {"error": words})
        try:
            changed = await self._changes.do(asked.action, asked.account)
        except NotChanged as e:
            return self._answers.json(request, e.status, {"error": e.message})
        return self._answers.json(request, 200, changed)

    def _top(self, session: Session) -> Tag:
        """The line at the top, with the form that all buttons of the page belong to."""
        path = self._answers.base_url.path
        add = tags.a("Add an account", href=path("/auth/start"), class_="button") if self._addable() else ""
        token = tags.input(type="hidden", name="token", value=session.token)
        leave = tags.form(token, tags.button("Log out"), method="post", action=path("/logout"))
        return tags.header(
            tags.a("antigravity-proxy", href=path("/"), class_="home"),
            tags.span("Not live: reload the page", id="live", role="status"),
            tags.nav(add, leave if session.is_login else "", **{"aria-label": "Actions"}),
            tags.form(token.clone(), id="change", method="post", action=path("/accounts"), hidden=""),
            tags.form(token.clone(), id="keys", method="post", action=path("/client-keys"), hidden=""),
            # apart, since Enter in a field presses its form's first button
            tags.form(token.clone(), id="revoking", method="post", action=path("/client-keys"), hidden=""),
        )

    def _told(self, session: Session) -> Tag | str:
        told = session.take_notice()
        return tags.p(told, class_="told", role="status") if told else ""
