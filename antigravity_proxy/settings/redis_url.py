"""Where the replicas' shared store is, in one URL. Pure.

``redis://`` or ``rediss://`` (TLS), with user, password and database as everybody writes them; TLS files are named as
redis-py does: ``ssl_ca_certs``, ``ssl_certfile``, ``ssl_keyfile``. With ``redis+sentinel://`` (``rediss+sentinel://``)
the hosts are sentinels, several with commas, and the path begins with the name of their master.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote

from msgspec import Struct

from antigravity_proxy.secret import Secret

_FORM = re.compile(
    r"(?P<tls>rediss?)(?P<sentinel>\+sentinel)?://(?:(?P<user>[^:@/?#]*)(?::(?P<password>[^@/?#]*))?@)?"
    r"(?P<hosts>[^/?#@]+)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?",
    re.I,
)
_HOST = re.compile(r"(?P<host>[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
_TLS_FILES = {"ssl_ca_certs": "ca_file", "ssl_certfile": "cert_file", "ssl_keyfile": "key_file"}
_PORT, _SENTINEL_PORT = 6379, 26379

#: what a setting takes, in the words of an error
ACCEPTED = "a URL such as redis://user:password@host:6379/0, or rediss:// for TLS, redis+sentinel:// for sentinels"


class RedisUrl(Struct, frozen=True):
    """A parsed URL. ``hosts`` are Redis itself, or, with a ``master``, the sentinels that know where that is.

    The files are PEM: trust roots beside the system's, our certificate and its key. ``sentinel_password`` is the
    sentinels' own, empty for none.
    """

    hosts: tuple[tuple[str, int], ...]
    tls: bool = False
    user: str = ""
    password: Secret = Secret("")
    database: int = 0
    master: str = ""
    sentinel_password: Secret = Secret("")
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


def redis_url(value: str) -> RedisUrl:
    """The URL's parts. Raises ValueError, which says what is accepted and shows nothing of the value."""
    found = _FORM.fullmatch(value.strip())
    if found is None:
        raise ValueError(ACCEPTED)
    tls, sentinel = found["tls"].lower() == "rediss", bool(found["sentinel"])
    database, master = _path(found["path"] or "", sentinel)
    options = _options(found["query"] or "", tls, sentinel)
    hosts = tuple(_host(host, _SENTINEL_PORT if sentinel else _PORT) for host in found["hosts"].split(","))
    if len(hosts) > 1 and not sentinel:
        raise ValueError(f"one host unless they are sentinels: {ACCEPTED}")
    user, password = unquote(found["user"] or ""), unquote(found["password"] or "")
    return RedisUrl(
        hosts=hosts,
        tls=tls,
        user=user,
        password=Secret(password),
        database=database,
        master=master,
        sentinel_password=Secret(options.pop("sentinel_password", "")),
        **options,
    )


def _host(text: str, port: int) -> tuple[str, int]:
    found = _HOST.fullmatch(text.strip())
    number = int(found["port"] or port) if found else 0
    if found is None or not 0 < number < 65536:
        raise ValueError(ACCEPTED)
    return found["host"].strip("[]"), number


def _path(path: str, sentinel: bool) -> tuple[int, str]:
    """Database and master; both are in the path of sentinels, the master first."""
    parts = [unquote(part) for part in path.strip("/").split("/") if part]
    master = parts.pop(0) if sentinel and parts else ""
    if sentinel and not master:
        raise ValueError("the name of the master after the sentinels, as in redis+sentinel://host:26379/mymaster/0")
    database = parts.pop(0) if parts else "0"
    if parts or not re.fullmatch(r"[0-9]{1,5}", database):
        raise ValueError(f"a number for the database: {ACCEPTED}")
    return int(database), master


def _options(query: str, tls: bool, sentinel: bool) -> dict[str, str]:
    found = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in _TLS_FILES and tls and value:
            found[_TLS_FILES[name]] = value
        elif name == "sentinel_password" and sentinel:
            found[name] = value
        else:
            allowed = [*(_TLS_FILES if tls else ()), *(("sentinel_password",) if sentinel else ())]
            raise ValueError(f"after a ? only {' and '.join(allowed) or 'nothing'} with this scheme")
    if "key_file" in found and "cert_file" not in found:
        raise ValueError("ssl_certfile beside ssl_keyfile")
    return found
