"""The file of clients' keys, changed: keys are made and revoked, by the operator's command and on the page."""

from __future__ import annotations

import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from antigravity_proxy.volume import files
from antigravity_proxy.volume.atomic import Directory
from antigravity_proxy.web.client_keys import PREFIX, ClientKey, ClientKeysError, digest, parse, render

_LASTING = re.compile(r"([0-9]{1,5})([dhw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


class KeysNotChanged(Exception):
    """Nothing was changed; the message says why, and holds no key."""


def load(path: Path) -> tuple[ClientKey, ...]:
    """The keys of the file; of one that isn't there yet none. Raises KeysNotChanged."""
    return _parsed(path, lambda: files.content(path, files.MAX_CLIENT_KEYS))


def _parsed(path: Path, read: Callable[[], bytes]) -> tuple[ClientKey, ...]:
    try:
        return parse(read())
    except FileNotFoundError:
        return ()
    except OSError as e:
        raise KeysNotChanged(f"{path} can't be read: {files.why(e, path)}") from None
    except ClientKeysError as e:
        raise KeysNotChanged(f"{path}: {e}; correct it by hand") from None


def add(path: Path, key: ClientKey) -> None:
    """Puts the key into the file. Raises KeysNotChanged."""
    with _locked(path) as directory:
        keys = _held(directory, path)
        if any(known.name == key.name for known in keys):
            raise KeysNotChanged(f"there is already a client key named {key.name}: revoke it first")
        _save(directory, path, (*keys, key))


def revoke(path: Path, name: str) -> None:
    """Takes the key of that name out of the file. Raises KeysNotChanged."""
    with _locked(path) as directory:
        keys = _held(directory, path)
        left = tuple(key for key in keys if key.name != name)
        if len(left) == len(keys):
            raise KeysNotChanged(f"there is no client key named {name}")
        _save(directory, path, left)


def new(
    name: str,
    now: datetime,
    *,
    expires: datetime | None,
    per_minute: int | None,
    concurrent: int | None,
    models: tuple[str, ...],
    tokens_per_day: int | None = None,
    tokens_per_month: int | None = None,
) -> tuple[str, ClientKey]:
    """A new key, and its entry. Raises KeysNotChanged for a name or pattern that can't be."""
    plain = PREFIX + secrets.token_urlsafe(32)
    key = ClientKey(
        name=name,
        sha256=digest(plain.encode("ascii")).decode("ascii"),
        created=now,
        expires=expires,
        requests_per_minute=per_minute,
        concurrent=concurrent,
        models=models,
        tokens_per_day=tokens_per_day,
        tokens_per_month=tokens_per_month,
    )
    try:
        parse(render((key,)))
    except ClientKeysError as e:
        raise KeysNotChanged(f"{name!r} can't be added: {e}") from None
    return plain, key


def moment(text: str, now: datetime) -> datetime:
    """When a key expires: ``90d``, ``12h``, ``4w``, or a date, or a date with time. Raises KeysNotChanged."""
    if found := _LASTING.fullmatch(text):
        return now + timedelta(**{_UNITS[found[2]]: int(found[1])})
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        raise KeysNotChanged("90d, 12h, 4w, or a date such as 2027-01-31") from None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def _held(directory: Directory, path: Path) -> tuple[ClientKey, ...]:
    """The keys of a file that is to be rewritten: neither a link, nor anything else but a file. As ``load``."""
    return _parsed(path, lambda: directory.read(path.name, files.MAX_CLIENT_KEYS))


def _save(directory: Directory, path: Path, keys: tuple[ClientKey, ...]) -> None:
    """Writes the file again; made by root it belongs to whom it belonged to before, else to its directory's owner."""
    try:
        owner = directory.heir()
        before = directory.lstat(path.name)
        if before is not None and not stat.S_ISREG(before.st_mode):
            raise KeysNotChanged(f"{path} is not a regular file: name the file itself")
        if owner is not None and before is not None:
            owner = before.st_uid, before.st_gid
        directory.write(path.name, render(keys), owner)
    except OSError as e:
        raise KeysNotChanged(f"{path} can't be written: {e.strerror}") from None


@contextmanager
def _locked(path: Path) -> Iterator[Directory]:
    """The file's directory; keeps others who change the file away meanwhile, where the system offers that."""
    with ExitStack() as stack:
        try:
            directory = stack.enter_context(Directory.opened(path.parent, make=True))
            directory.lock()
        except OSError as e:
            raise KeysNotChanged(f"{path.parent} can't be written: {e.strerror}") from None
        yield directory


def limits(key: ClientKey, now: datetime) -> str:
    told = []
    if key.expires is not None:
        word = "expired" if key.has_expired(now.timestamp()) else "until"
        told.append(f"{word} {key.expires:%Y-%m-%d %H:%M} UTC")
    if key.requests_per_minute is not None:
        told.append(f"{key.requests_per_minute} requests a minute")
    if key.concurrent is not None:
        told.append(f"{key.concurrent} at a time")
    if key.tokens_per_day is not None:
        told.append(f"{key.tokens_per_day:,} tokens a day")
    if key.tokens_per_month is not None:
        told.append(f"{key.tokens_per_month:,} tokens a month")
    if key.models:
        told.append(f"models {', '.join(key.models)}")
    return "; ".join(told) or "no limits"
