"""Google's own credential files: a service account's key, a user's application default credentials. Pure."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import Struct

from antigravity_proxy.canonical.grant import AuthorizedUser, ServiceAccount
from antigravity_proxy.secret import Secret

_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
_UNIVERSE = "googleapis.com"
_PROJECT = re.compile(r"(?:[a-z0-9.-]{1,60}:)?[a-z][a-z0-9-]{4,61}[a-z0-9]|\d{6,20}")
_LONGEST = 16_384


class GoogleFileError(Exception):
    """The file can't be used; the message says why, and holds no secret."""


class GoogleFile(Struct, frozen=True):
    """The content of such a file: a grant, and the projects that it names, empty where it names none."""

    grant: ServiceAccount | AuthorizedUser
    project: str = ""
    quota_project: str = ""


def is_project(text: str) -> bool:
    """Whether it is a Google Cloud project's id or number."""
    return bool(_PROJECT.fullmatch(text))


def read(content: str, *, replaced_token_url: bool = False) -> GoogleFile:
    """Reads a file. Raises GoogleFileError. ``replaced_token_url``: the file's own token endpoint does not count."""
    try:
        value = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise GoogleFileError("it is not JSON") from None
    if not isinstance(value, dict):
        raise GoogleFileError("it is not a JSON object")
    universe = value.get("universe_domain", _UNIVERSE)
    if universe != _UNIVERSE:
        raise GoogleFileError(f"it is for another universe than {_UNIVERSE}")
    match value.get("type"):
        case "service_account":
            return _service_account(value, replaced_token_url)
        case "authorized_user":
            client = _text(value, "client_id"), Secret(_text(value, "client_secret"))
            grant = AuthorizedUser(*client, Secret(_text(value, "refresh_token")))
            return GoogleFile(grant, quota_project=_project(value, "quota_project_id"))
        case str(kind) if kind.isidentifier() and len(kind) < 64:
            raise GoogleFileError(f"its type is {kind}; service_account and authorized_user are accepted")
        case _:
            raise GoogleFileError("it has no 'type': it is not a Google credentials file")


def _service_account(value: dict[str, Any], replaced: bool) -> GoogleFile:
    token_uri = _text(value, "token_uri") if "token_uri" in value else _TOKEN_URI
    if not (replaced or _is_googles(token_uri)):
        raise GoogleFileError("its token_uri is not at https://….googleapis.com; GOOGLE_TOKEN_URL replaces it")
    if not value.get("private_key"):
        raise GoogleFileError("it has no private_key: download a key of the service account as JSON")
    key = Secret(_text(value, "private_key"))
    try:
        loaded = load_pem_private_key(key.reveal().encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise GoogleFileError("its private_key is not an unencrypted PEM private key") from None
    if not isinstance(loaded, RSAPrivateKey):
        raise GoogleFileError("its private_key is not an RSA key")
    grant = ServiceAccount(Secret(_text(value, "client_email")), key, _text(value, "private_key_id"), token_uri)
    return GoogleFile(grant, _project(value, "project_id"))


def _is_googles(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return parts.scheme == "https" and parts.port in (None, 443) and host.endswith("." + _UNIVERSE)
    except ValueError:
        return False


def _text(value: dict[str, Any], name: str) -> str:
    found = value.get(name)
    if not isinstance(found, str) or not 0 < len(found.strip()) <= _LONGEST:
        raise GoogleFileError(f"it has no {name}")
    return found.strip()


def _project(value: dict[str, Any], name: str) -> str:
    found = value.get(name) or ""
    if found and not (isinstance(found, str) and is_project(found)):
        raise GoogleFileError(f"its {name} is not a project id")
    return str(found)
