"""``/why?id=…``: why a request took the accounts that it took, for a browser or a program (contract.md 10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.web.template import Tag

from antigravity_proxy.admin.http import Answers, query
from antigravity_proxy.admin.login import Access
from antigravity_proxy.admin.markup import Row, number, table, tags
from antigravity_proxy.admin.pages import Pages
from antigravity_proxy.canonical.credential import ACCOUNTS
from antigravity_proxy.telemetry.why import MOST, WhyLog
from antigravity_proxy.web.key_ring import keys_shown

_ORDER = (
    ". The first in the order is taken, unless the conversation is bound to another. This is the order just after the "
    "choice, with this request under way"
)
UNKNOWN = f"No such request is remembered: the last {MOST:,} that asked a model are, in memory, until the daemon ends."


class WhyPage:
    """The page; for who shows the key in a header, JSON."""

    def __init__(self, answers: Answers, pages: Pages, access: Access, log: WhyLog) -> None:
        self._answers = answers
        self._pages = pages
        self._access = access
        self._log = log

    def page(self, request: Any) -> bytes:
        """The explanation of the request whose id is in the query."""
        for_program = bool(keys_shown(request.requestHeaders)) or request.getHeader(b"accept") == b"application/json"
        refusal = self._access.refusal(request)
        if refusal is not None:
            if for_program:
                return self._answers.json(request, refusal.status, {"error": "Show the API key."})
            return self._answers.send(request, refusal)
        identity = query(request).get("id", "").strip()
        known = self._log.explain(identity)
        if for_program:
            if known is None:
                return self._answers.json(request, 404, {"error": UNKNOWN})
            return self._answers.json(request, 200, known)
        home = tags.p(tags.a("Status page", href=self._answers.base_url.path("/")), class_="ways")
        form = search(self._answers.base_url.path("/why"), identity)
        if known is None:
            words = UNKNOWN if identity else "Give the id of a request: answers carry it as x-request-id or request-id."
            return self._answers.send(
                request, self._pages.small(404 if identity else 200, "Why", tags.p(words), form, home)
            )
        return self._answers.send(
            request, self._pages.whole(200, "Why", tags.main(*explanation(known), form, home, class_="why-page"))
        )


def search(path: str, identity: str = "") -> Tag:
    """The form that asks for a request."""
    return tags.form(
        tags.label("Request id", **{"for": "why-id"}),
        tags.input(type="text", id="why-id", name="id", value=identity, autocomplete="off", spellcheck="false"),
        tags.button("Why?"),
        method="get",
        action=path,
        class_="search",
    )


def _upstream(known: Mapping[str, Any]) -> str:
    return f"{known['model'] or 'nothing'} ({known['upstream'] or 'no upstream was asked'})"


def explanation(known: Mapping[str, Any]) -> list[Tag]:
    """The request in words: what it was, what was tried, how the accounts stood."""
    outcome = f"{known['status']}" + (f", {known['error']}" if known["error"] else "")
    lines = [
        ("Request", known["id"]),
        ("Began", known["began"]),
        ("Took", f"{known['seconds']} s"),
        ("Asked", f"{known['asked'] or 'no model'} ({known['dialect']}, {known['operation']})"),
        ("Served by" if known["status"] < 400 else "To be served by", _upstream(known)),
        ("Client key", known["key"] or "the operator's"),
        ("Answered", outcome),
    ]
    found = [
        tags.h1("Why"),
        tags.dl(*(tags.div(tags.dt(name), tags.dd(value)) for name, value in lines), class_="lines"),
        tags.h2("Attempts"),
    ]
    if known["attempts"]:
        rows = [
            Row(
                (
                    f"{each['after']} s",
                    each["account"],
                    each["outcome"],
                    str(each["status"] or ""),
                    f"{each['seconds']} s",
                )
            )
            for each in known["attempts"]
        ]
        found.append(
            table("Attempts", ("After", "Account or credential", "Outcome", "Status", "Took"), rows, stacks=True)
        )
    else:
        found.append(tags.p("No upstream was asked."))
    for board in known["standings"]:
        is_official = board["upstream"] not in ("", ACCOUNTS)
        whose = f"credentials of {board['upstream']}" if is_official else "accounts"
        found.append(tags.h2(f"How the {whose} stood for {board['model']}"))
        of_all = number(board["lookedAt"], "credential" if is_official else "account")
        words = f"{board['couldServe']:,} of {of_all} could serve"
        if board["accounts"] > board["lookedAt"]:
            words += f"; there are {board['accounts']:,}"
        if board["couldServe"]:
            words += _ORDER
        found.append(tags.p(f"{words}."))
        places = [
            Row((str(line["place"] or "-"), line["account"], line["why"], line["until"] or "", "yes" * line["tried"]))
            for line in board["lines"]
        ]
        found.append(
            table("Accounts", ("Place", "Account or credential", "Why", "Until", "Tried"), places, stacks=True)
        )
    return found
