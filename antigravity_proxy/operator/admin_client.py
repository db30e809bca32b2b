"""Changes to accounts, done by the running daemon: the command only asks it, with the API key."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlencode

import click
import msgspec
from msgspec import Struct

from antigravity_proxy.operator.healthcheck import on_this_machine, one_line, opener
from antigravity_proxy.settings.table import Settings

#: seconds that the daemon may take: it waits for the desktop app's lock on the database, and reads back what it wrote
_PATIENCE = 15.0
#: bytes of an answer that are read
_LONGEST = 1 << 16


class _Told(Struct):
    """The daemon's answer: one of the two."""

    message: str = ""
    error: str = ""


def default_url(settings: Settings) -> str:
    """The daemon's admin listener by these settings, as seen from the same machine. Raises ClickException."""
    if not settings.oauth_listen_port:
        raise click.ClickException("OAUTH_LISTEN_PORT is 0, so the daemon has no admin listener to ask")
    return f"http://{on_this_machine(settings.oauth_listen_host)}:{settings.oauth_listen_port}"


def change(settings: Settings, url: str, action: str, account: str) -> str:
    """Has the daemon at ``url`` change an account: its id, the beginning of that, or its e-mail address.

    Returns what was done, in words. Raises ClickException with the daemon's reason, or why it can't be asked.
    """
    headers = {"content-type": "application/json"}
    if settings.api_keys:
        headers["authorization"] = f"Bearer {settings.api_keys[0].reveal()}"
    body = msgspec.json.encode({"action": action, "account": account})
    try:
        request = urllib.request.Request(f"{url.rstrip('/')}/accounts", body, headers)  # noqa: S310 - the operator's
        with opener().open(request, timeout=_PATIENCE) as answer:
            return _told(answer.read(_LONGEST)).message
    except urllib.error.HTTPError as e:
        with e:
            told = _told(e.read(_LONGEST)).error
        raise click.ClickException(told or f"{url} answered {e.code}: is that the daemon's admin listener?") from None
    except (OSError, ValueError, http.client.HTTPException) as e:
        reason = one_line(str(getattr(e, "reason", e)))
        raise click.ClickException(f"the daemon can't be asked at {url}: {reason}. Does it run?") from None


def why(settings: Settings, url: str, identity: str) -> dict[str, Any]:
    """The explanation of a request by the daemon at ``url``. Raises ClickException with its reason, or why it can't."""
    headers = {"accept": "application/json"}
    if settings.api_keys:
        headers["authorization"] = f"Bearer {settings.api_keys[0].reveal()}"
    try:
        where = f"{url.rstrip('/')}/why?{urlencode({'id': identity})}"
        request = urllib.request.Request(where, None, headers)  # noqa: S310 - the operator's
        with opener().open(request, timeout=_PATIENCE) as answer:
            found = msgspec.json.decode(answer.read(_LONGEST), type=dict[str, Any])
    except urllib.error.HTTPError as e:
        with e:
            told = _told(e.read(_LONGEST)).error
        raise click.ClickException(told or f"{url} answered {e.code}: is that the daemon's admin listener?") from None
    except msgspec.MsgspecError:
        raise click.ClickException(f"{url} answered something else: is that the daemon's admin listener?") from None
    except (OSError, ValueError, http.client.HTTPException) as e:
        reason = one_line(str(getattr(e, "reason", e)))
        raise click.ClickException(f"the daemon can't be asked at {url}: {reason}. Does it run?") from None
    return found


def _told(body: bytes) -> _Told:
    """The answer; an empty one for anything else."""
    try:
        told = msgspec.json.decode(body, type=_Told)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Told()
    return _Told(one_line(told.message), one_line(told.error))
