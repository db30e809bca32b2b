"""Clients' own keys on the page: made with limits and shown once, revoked, with what each has used."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from twisted.logger import Logger
from twisted.web.template import Tag

from antigravity_proxy.admin.account import level
from antigravity_proxy.admin.http import Answers
from antigravity_proxy.admin.login import Access
from antigravity_proxy.admin.markup import Row, meter, short, table, tags
from antigravity_proxy.admin.pages import Pages
from antigravity_proxy.web import client_keys_writing as writing
from antigravity_proxy.web import client_setup
from antigravity_proxy.web.budgets import Budgets
from antigravity_proxy.web.client_keys_file import ClientKeysFile
from antigravity_proxy.web.client_keys_writing import KeysNotChanged

log = Logger()

NO_FILE = "There is no file of clients' keys: name one with PROXY_CLIENT_KEYS_FILE, and keys can be made here."
_LIMITS = (
    ("per_minute", "Requests a minute", 100_000),
    ("concurrent", "At a time", 100_000),
    ("tokens_per_day", "Tokens a day", 10**12),
    ("tokens_per_month", "Tokens a month", 10**12),
)


class KeyShown(Struct, frozen=True):
    """One key: its name, its limits in words, tokens used today and this month, and the budgets; 0: none."""

    name: str
    limits: str
    today: int
    month: int
    per_day: int
    per_month: int


class KeysShown(Struct, frozen=True):
    """All of them; ``why_not``: why none can be made or revoked here, empty: they can."""

    keys: tuple[KeyShown, ...] = ()
    why_not: str = NO_FILE


class ClientKeys:
    """The data that the page shows and changes.

    ``why_not``: why nothing may be written; ``url``: where clients reach the API.
    """

    def __init__(
        self, file: ClientKeysFile | None, budgets: Budgets, epoch: Callable[[], float], url: str, why_not: str
    ) -> None:
        self._file = file
        self._budgets = budgets
        self._epoch = epoch
        self._url = url
        self._why_not = NO_FILE if file is None else why_not

    def look(self) -> KeysShown:
        """The keys as they are now."""
        if self._file is None:
            return KeysShown((), self._why_not)
        now = self._now()
        keys = tuple(
            KeyShown(
                key.name,
                writing.limits(key, now),
                *self._budgets.used(key.name),
                key.tokens_per_day or 0,
                key.tokens_per_month or 0,
            )
            for key in self._file.keys
        )
        return KeysShown(keys, self._why_not or self._file.trouble)

    async def make(self, fields: dict[str, str]) -> tuple[str, str, client_setup.Setup]:
        """Makes a key; its name, the key itself, and how a client is set up with it. Raises KeysNotChanged."""
        file, now = self._writable(), self._now()
        numbers = {name: _number(fields.get(name, ""), words, most) for name, words, most in _LIMITS}
        expires = fields.get("expires", "").strip()
        plain, key = writing.new(
            fields.get("name", "").strip(),
            now,
            expires=writing.moment(expires, now) if expires else None,
            models=tuple(word for item in fields.get("models", "").split(",") if (word := item.strip())),
            **numbers,
        )
        await file.change(lambda: writing.add(file.path, key))
        log.info("an operator created the client key {name}", name=key.name)
        setup = client_setup.CLIENTS.get(fields.get("client", ""), client_setup.claude)(self._url)
        return key.name, plain, setup

    async def revoke(self, name: str) -> None:
        """Takes a key out of force. Raises KeysNotChanged."""
        file = self._writable()
        await file.change(lambda: writing.revoke(file.path, name))
        log.info("an operator revoked the client key {name}", name=name)

    def _writable(self) -> ClientKeysFile:
        if self._file is None or self._why_not:
            raise KeysNotChanged(self._why_not)
        return self._file

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self._epoch()), UTC)


def _number(text: str, words: str, most: int) -> int | None:
    text = text.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 14 and 1 <= int(text) <= most):
        raise KeysNotChanged(f"{words}: a number from 1 to {most:,}")
    return int(text)


class ClientKeysPages:
    """The targets of the page's forms."""

    def __init__(self, answers: Answers, pages: Pages, access: Access, keys: ClientKeys) -> None:
        self._answers = answers
        self._pages = pages
        self._access = access
        self._keys = keys

    async def change(self, request: Any) -> bytes:
        """Makes or revokes a key, for somebody who is logged in."""
        refusal = self._access.refusal(request)
        if refusal is not None:
            return self._answers.send(request, refusal)
        own = self._access.own_form(request)
        if own is None:
            return self._answers.send(request, self._pages.out_of_date())
        fields, session = own
        try:
            if name := fields.get("revoke", ""):
                if fields.get("confirmed") != "yes":
                    words = f"Requests with the key of {name} are refused from then on. It can't be taken back."
                    asked = self._pages.confirm(
                        session.token, "/client-keys", "revoke", name, "Revoke this key?", words
                    )
                    return self._answers.send(request, asked)
                await self._keys.revoke(name)
                session.notice = f"The key {name} was revoked."
                return self._answers.redirect(request, 303, self._answers.base_url.path("/"))
            made = await self._keys.make(fields)
        except KeysNotChanged as e:
            return self._answers.send(request, self._pages.message(400, "Nothing was changed", f"{e}."))
        return self._answers.send(request, self._pages.small(200, f"The key of {made[0]}", *self._shown(*made[1:])))

    def _shown(self, plain: str, setup: client_setup.Setup) -> list[Tag]:
        text = client_setup.as_text(setup).replace(client_setup.KEY, plain)
        return [
            tags.p("It is shown this once: only its hash is kept."),
            tags.p(tags.code(plain, id="new-key")),
            tags.pre(text, class_="setup"),
            tags.p(tags.a("Status page", href=self._answers.base_url.path("/")), class_="ways"),
        ]


def section(shown: KeysShown) -> Tag:
    """The section of the page. Its forms take the token of the page's own form by ``form``."""
    rows = [
        Row((key.name, key.limits, _used(key), *([] if shown.why_not else [_revoke(key.name)]))) for key in shown.keys
    ]
    heads = ("Client", "Limits", "Tokens used", *([] if shown.why_not else ["Change"]))
    listed = table("Clients' keys", heads, rows, named=True, stacks=True) if rows else ""
    below = tags.p(shown.why_not, class_="none") if shown.why_not else _form()
    return tags.section(tags.h2("Clients' keys"), listed, below, id="clients", class_="wide")


def _used(key: KeyShown) -> list[Tag | str]:
    """Its use, and a bar for the limit that is nearest."""
    parts = ((key.today, key.per_day, "today"), (key.month, key.per_month, "this month"))
    words = ", ".join(f"{short(used)}{f' of {short(most)}' if most else ''} {when}" for used, most, when in parts)
    filled = [min(100.0, 100 * used / most) for used, most, _ in parts if most]
    return [words, *([meter(max(filled), level(100 - max(filled)))] if filled else [])]


def _revoke(name: str) -> Tag:
    label = {"aria-label": f"Revoke the key of {name}", "id": f"revoke-{name}"}
    return tags.button("Revoke…", form="revoking", name="revoke", value=name, **label)


def _form() -> Tag:
    def field(name: str, words: str, **more: str) -> Tag:
        return tags.label(words, " ", tags.input(name=name, form="keys", autocomplete="off", **more))

    return tags.details(
        tags.summary("Make a key"),
        tags.div(
            field("name", "Client's name", required="", maxlength="64"),
            *(field(name, words, inputmode="numeric") for name, words, _ in _LIMITS),
            field("expires", "Expires", placeholder="90d"),
            field("models", "Models", placeholder="gemini-*"),
            tags.label(
                "Set up for ",
                tags.select(
                    *(tags.option(each, value=each) for each in client_setup.CLIENTS), name="client", form="keys"
                ),
            ),
            tags.button("Make it", form="keys", class_="primary"),
            class_="making",
        ),
    )
