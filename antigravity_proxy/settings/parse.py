"""Parsers of settings: text in, value out, or a ValueError whose message says what is accepted. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from antigravity_proxy.secret import Secret
from antigravity_proxy.settings import proxies

T = TypeVar("T")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Parser = Callable[[str], Any]

_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SIZE = re.compile(r"(\d+)\s*(|k|m|g)(i?)b?", re.I)
_FACTORS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def text(value: str) -> str:
    """Any text."""
    return value


def path(value: str) -> str:
    """A path. Shell expansions are not done: see ``resolve``, which warns of them."""
    return value


def secret(value: str) -> Secret:
    """One line of text, hidden from now on."""
    return Secret(one_line(value))


def one_line(value: str) -> str:
    """Text without control characters."""
    if _CONTROL.search(value):
        raise ValueError("one line without control characters")
    return value


def egress_proxy(value: str) -> Secret | None:
    """A proxy's URL, hidden from now on; None for one of the words that mean no proxy."""
    if value.lower() in proxies.NONE:
        return None
    try:
        proxies.parse_proxy_url(value)
    except ValueError as e:
        raise ValueError(f"none, or a proxy's URL: {e}") from None
    return Secret(value)


def boolean(value: str) -> bool:
    """``true`` or ``false``."""
    word = value.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("true or false")
    return word in _TRUE


def port(value: str) -> int:
    """A TCP port."""
    if not (value.isascii() and value.isdigit()) or not 0 < int(value) < 65536:
        raise ValueError("a port from 1 to 65535")
    return int(value)


def port_or_none(value: str) -> int:
    """A TCP port, or 0 for none."""
    if value == "0":
        return 0
    try:
        return port(value)
    except ValueError:
        raise ValueError("a port from 1 to 65535, or 0 for none") from None


def seconds(value: str) -> float:
    """A positive number of seconds."""
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 < number < 1e6:
        raise ValueError("a positive number of seconds")
    return number


def wait(value: str) -> float:
    """Seconds to wait, maybe none."""
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e6:
        raise ValueError("a number of seconds, 0 or more")
    return number


def steps(value: str) -> tuple[float, ...]:
    """Positive numbers of seconds separated by commas."""
    try:
        return tuple(map(seconds, comma_list(value)))
    except ValueError:
        raise ValueError("positive numbers of seconds separated by commas, such as 60,300,1800") from None


def count(value: str) -> int:
    """A positive whole number."""
    if not (value.isascii() and value.isdigit()) or not 0 < int(value) < 1_000_000:
        raise ValueError("a positive whole number")
    return int(value)


def percent(value: str) -> float:
    """A percentage, as a share from 0 to 1."""
    try:
        number = float(value.removesuffix("%"))
    except ValueError:
        number = -1.0
    if not 0 <= number < 100:
        raise ValueError("a percentage from 0 to 99, such as 10 or 10%")
    return number / 100


def priorities(value: str) -> dict[str, int]:
    """``id=number`` separated by commas."""
    found: dict[str, int] = {}
    for item in comma_list(value):
        name, equals, number = (part.strip() for part in item.rpartition("="))
        if not name or not equals or not re.fullmatch(r"-?[0-9]{1,5}", number):
            raise ValueError("account ids and whole numbers separated by commas, such as ID=1,OTHER=-1")
        found[name] = int(number)
    return found


def model_aliases(value: str) -> dict[str, tuple[str, ...]]:
    """``NAME=TARGET`` separated by commas; a target may be several with ``|`` between."""
    found: dict[str, tuple[str, ...]] = {}
    for item in comma_list(value):
        name, equals, targets = (part.strip() for part in item.partition("="))
        chain = tuple(filter(None, (target.strip() for target in targets.split("|"))))
        if not name or not equals or not chain or len(name) > 200 or len(chain) > 8:
            raise ValueError("names and models separated by commas, such as fast=gemini-3-flash or best=A|B")
        found[name] = chain
    return found


def size(value: str) -> int:
    """A number of bytes: ``33554432``, ``32MiB``, ``32m``."""
    found = _SIZE.fullmatch(value.strip())
    if found is None or int(found[1]) == 0:
        raise ValueError("a number of bytes such as 33554432 or 32MiB")
    return int(found[1]) * _FACTORS[found[2].lower()]


def size_or_none(value: str) -> int:
    """As ``size``; 0 is nothing at all."""
    return 0 if value.strip() == "0" else size(value)


def url(value: str) -> str:
    """An absolute http(s) URL."""
    try:
        parts = urlsplit(value)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and value.isascii()
    except ValueError:
        valid = False
    if not valid:
        raise ValueError("an absolute URL that begins with http:// or https://")
    return value


def secret_url(value: str) -> Secret:
    """An absolute http(s) URL that holds a secret, hidden from now on."""
    return Secret(url(one_line(value)))


def base_urls(value: str) -> tuple[str, ...]:
    """Upstream base URLs separated by commas; each with or without ``/v1internal`` (upstream.md 1.1)."""
    urls = tuple(url(item).rstrip("/") for item in comma_list(value))
    if not urls:
        raise ValueError("one or more URLs separated by commas")
    return tuple(item if item.endswith("/v1internal") else item + "/v1internal" for item in urls)


def comma_list(value: str) -> tuple[str, ...]:
    """Words separated by commas."""
    return tuple(word for item in value.split(",") if (word := item.strip()))


def secrets(value: str) -> tuple[Secret, ...]:
    """Hidden words separated by commas, on one line."""
    return tuple(map(Secret, comma_list(one_line(value))))


def networks(value: str) -> tuple[Network, ...]:
    """Addresses and networks separated by commas."""
    try:
        return tuple(ipaddress.ip_network(item, strict=False) for item in comma_list(value))
    except ValueError:
        raise ValueError("IP addresses and networks separated by commas, such as 10.0.0.0/8") from None


def host_names(value: str) -> tuple[str, ...]:
    """Host names separated by commas, without ports."""
    names = comma_list(value)
    if not all(re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252})", name) for name in names):
        raise ValueError("host names separated by commas, without scheme or port")
    return names


def origins(value: str) -> tuple[str, ...]:
    """Origins as browsers write them, separated by commas."""
    found = tuple(item.rstrip("/") for item in comma_list(value))
    for origin in found:
        if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[a-z0-9._\[\]:-]+", origin):
            raise ValueError("origins separated by commas, such as https://chat.example; there is no wildcard")
    return found


#: how users name the upstreams
UPSTREAMS = ("accounts", "gemini", "vertex")


def upstreams(value: str) -> tuple[str, ...]:
    """Upstreams separated by commas, each once."""
    found = comma_list(value.lower())
    if not found or not set(found) <= set(UPSTREAMS) or len(set(found)) != len(found):
        raise ValueError("accounts, gemini and vertex separated by commas, each once, in the order to ask them")
    return found


def master_key(value: str) -> Secret:
    """64 hex characters."""
    if not re.fullmatch(r"[0-9a-fA-F]{64}", value):
        raise ValueError("64 hex characters")
    return Secret(value)


def one_of(*words: str) -> Callable[[str], str]:
    """One of some words, in any case."""

    def parse(value: str) -> str:
        if value.lower() not in words:
            raise ValueError(" or ".join(words))
        return value.lower()

    return parse
