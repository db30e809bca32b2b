"""Asks the Gemini API what a key's project is offered (official-upstreams.md 7.1)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from antigravity_proxy.canonical.offers import Offers
from antigravity_proxy.canonical.wire import UpstreamRequest
from antigravity_proxy.geminiapi import models_list
from antigravity_proxy.generatecontent import failure
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.limits import ACCOUNT_METHOD_BODY, ACCOUNT_METHOD_SECONDS
from antigravity_proxy.upstream.account_methods import AccountMethodFailed
from antigravity_proxy.upstream.egress import Egress
from antigravity_proxy.upstream.exchange import ExchangeError


async def listed(clock: Any, egress: Egress, base: bytes, key: Secret) -> Offers:
    """What a key's project is offered. Raises AccountMethodFailed, whose message holds no secret."""
    pages: list[models_list.Listed] = []
    token = ""
    for _ in range(models_list.MAX_PAGES):
        more = f"&pageToken={quote(token, safe='')}" if token else ""
        url = base + b"/v1beta/models?pageSize=1000" + more.encode("ascii")
        pages.append(models_list.page(await _get(clock, egress, url, key)))
        token = pages[-1].next_page
        if not token:
            break
    return models_list.united(pages)


async def _get(clock: Any, egress: Egress, url: bytes, key: Secret) -> object:
    request = UpstreamRequest(url, ((b"x-goog-api-key", key),), b"")
    async with egress.calls:
        exchange = egress.exchange()
        cut = clock.callLater(ACCOUNT_METHOD_SECONDS, exchange.abort)
        try:
            headers = egress.headers(url, request.headers, b"application/json")
            response = await exchange.open(b"GET", url, headers, None)
            text = await exchange.read(ACCOUNT_METHOD_BODY)
        except ExchangeError as e:
            exchange.abort()
            raise AccountMethodFailed(f"upstream could not be asked: {e}") from e
        finally:
            if cut.active():
                cut.cancel()
    if response.code != 200:
        said = failure.read(text, 0.0, http_status=response.code)
        raise AccountMethodFailed(f"upstream answered {response.code} {said.reason}", response.code, said.reason)
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise AccountMethodFailed("upstream's answer is not JSON") from e
