"""Asks the Gemini API what a key's project is offered (official-upstreams.md 7.1)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from antigravity_proxy.canonical.offers import Offers
from antigravity_proxy.canonical.wire import carried
from antigravity_proxy.geminiapi import models_list
from antigravity_proxy.secret import Secret
from antigravity_proxy.upstream.account_methods import answer_of
from antigravity_proxy.upstream.egress import Egress


async def listed(clock: Any, egress: Egress, base: bytes, key: Secret) -> Offers:
    """The models that a key's project is offered. Raises AccountMethodFailed, whose message holds no secret."""
    pages: list[models_list.Listed] = []
    token = ""
    for _ in range(models_list.MAX_PAGES):
        more = f"&pageToken={quote(token, safe='')}" if token else ""
        url = base + b"/v1beta/models?pageSize=1000" + more.encode("ascii")
        pages.append(
            models_list.page(await answer_of(clock, egress, b"GET", url, carried(b"x-goog-api-key", key), None))
        )
        token = pages[-1].next_page
        if not token:
            break
    return models_list.united(pages)
