"""Resolves every setting from its four sources into one frozen result. Pure: files are read by a function passed in.

Command-line option > environment > gui_config.json > default (contract.md 2). An empty variable counts as unset.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from antigravity_proxy.secret import Secret
from antigravity_proxy.settings import parse
from antigravity_proxy.settings.proxies import UnusableProxy
from antigravity_proxy.settings.table import TABLE, OAuthPair, Setting, Settings, by_field

#: the variables that other programs read a proxy from
_OTHERS_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
_ASSIGNMENT = re.compile(r"(?:export )?[A-Z][A-Z0-9_]{2,63}=")
_CLIENT_KEY = re.compile(r"GOOGLE_CLIENT_(ID|SECRET)__([A-Z0-9_]+?)(_FILE)?")


class SettingsError(Exception):
    """A setting that can't be used: one line that names it, its source, and what is accepted."""


class Given(Struct, frozen=True):
    """The settings from options and environment, parsed: values and their sources by field."""

    values: Mapping[str, Any]
    sources: Mapping[str, str]
    clients: Mapping[str, OAuthPair]
    notes: tuple[str, ...]

    def settings(self, gui: Mapping[str, Any]) -> Settings:
        """Every setting; ``gui`` holds gui_config.json's values by their names there.

        A value there that can't be used is as good as none, and noted: the app's file never ends the daemon. But a
        proxy that is wanted is never left out for that.
        """
        values, sources, notes = dict(self.values), dict(self.sources), list(self.notes)
        for setting in TABLE:
            field = setting.field
            if field in values:
                continue
            written = gui.get(setting.gui) if setting.gui else None
            if written is not None:
                try:
                    values[field], sources[field] = setting.parser(_text(written)), "gui_config"
                    continue
                except ValueError as e:
                    so = "its default counts"
                    if field == "upstream_proxy":
                        values[field], sources[field] = UnusableProxy(str(e)), "gui_config"
                        so = "nothing is sent upstream without a proxy meanwhile"
                    notes.append(f"gui_config.json: 'proxy.{setting.gui}' can't be used, {so}: it takes {e}")
            if field not in values:
                values[field] = None if setting.default is None else setting.parser(setting.default)
                sources[field] = "default"
        if values["oauth_listen_port"] is None:
            values["oauth_listen_port"] = values["oauth_callback_port"]
        if values["oauth_redirect_url"] is None:
            values["oauth_redirect_url"] = f"http://localhost:{values['oauth_callback_port']}/oauth-callback"
        return Settings(**values, clients=self.clients, sources=sources, notes=tuple(notes))


class Resolver:
    """The sources of settings. ``options`` by option name; ``read_file`` gives a file's text or raises OSError."""

    def __init__(
        self, options: Mapping[str, str | None], environ: Mapping[str, str], read_file: Callable[[str], str]
    ) -> None:
        self._options = options
        self._environ = environ
        self._read_file = read_file

    def one(self, field: str) -> Any:
        """One setting alone, without gui_config: for the data directory, in which that lies. Raises SettingsError."""
        setting = by_field(field)
        found = self._found(setting, [])
        return setting.default if found is None else found[0]

    def given(self) -> Given:
        """The present settings from options and environment; files that they name are read. Raises SettingsError."""
        values: dict[str, Any] = {}
        sources: dict[str, str] = {}
        notes: list[str] = []
        for setting in TABLE:
            found = self._found(setting, notes)
            if found is not None:
                values[setting.field], sources[setting.field] = found
        given_by_systemd = self._environ.get("STATE_DIRECTORY", "").split(":")[0]
        if given_by_systemd and "state_dir" not in values:
            values["state_dir"], sources["state_dir"] = given_by_systemd, "systemd"
        clients = self._clients(values.get("client_id"), values.get("client_secret"), notes)
        proxied = next((name for name in _OTHERS_PROXIES if self._environ.get(name, "").strip()), None)
        if proxied and "upstream_proxy" not in values:
            notes.append(f"{proxied} is set, but not used here: UPSTREAM_PROXY_URL is (none: no proxy)")
        return Given(values, sources, clients, tuple(notes))

    def all(self, gui: Mapping[str, Any]) -> Settings:
        """Every setting, as ``Given.settings``. Raises SettingsError."""
        return self.given().settings(gui)

    def _found(self, setting: Setting, notes: list[str]) -> tuple[Any, str] | None:
        """The value and its source, if options or environment hold one."""
        option = self._options.get(setting.option)
        if option is not None:
            return self._parsed(setting, option, f"option --{setting.option}", notes), "option"
        for name in (setting.name, *setting.aliases):
            text = self._text(name, notes) if setting.secret else _clean(self._environ.get(name, ""))
            if text:
                in_file = setting.secret and bool(_clean(self._environ.get(f"{name}_FILE", "")))
                where = f"the file that {name}_FILE names" if in_file else f"environment {name}"
                return self._parsed(setting, text, where, notes), "environment"
        return None

    def _text(self, name: str, notes: list[str]) -> str:
        """A secret's text, from its variable or the file that its ``_FILE`` names; empty: neither is set."""
        plain, path = _clean(self._environ.get(name, "")), _clean(self._environ.get(f"{name}_FILE", ""))
        if plain and path:
            raise SettingsError(f"{name} and {name}_FILE are both set: keep one of them")
        if not path:
            return plain
        notes += _doubts_of_path(f"{name}_FILE", path)
        try:
            content = _clean(self._read_file(path))
        except (OSError, UnicodeDecodeError) as e:
            why = e.strerror if isinstance(e, OSError) else "not UTF-8"
            raise SettingsError(f"{name}_FILE: {path} can't be read: {why}") from None
        if not content:
            raise SettingsError(f"{name}_FILE: {path} is empty")
        return content

    def _parsed(self, setting: Setting, value: str, source: str, notes: list[str]) -> Any:
        text = _clean(value)
        try:
            found = setting.parser(text)
        except ValueError as e:
            shown = "" if setting.secret else f" {text[:80]!r}"
            raise SettingsError(f"{setting.name} ({source}) has a bad value{shown}: it takes {e}") from None
        if setting.parser is parse.path:
            notes += _doubts_of_path(setting.name, text)
        elif setting.secret:
            notes += _doubts_of_secret(f"{setting.name} ({source})", text)
        if setting.field == "api_keys" and not (text.isascii() and " " not in text.replace(", ", ",")):
            notes.append(f"{setting.name} ({source}) holds characters that a client can't send as a key")
        return found

    def _clients(self, client_id: str | None, client_secret: Secret | None, notes: list[str]) -> dict[str, OAuthPair]:
        """The OAuth clients by key; the plain pair under the empty key."""
        halves: dict[str, dict[str, str]] = {}
        for variable in self._environ:
            found = _CLIENT_KEY.fullmatch(variable)
            if found is None:
                continue
            name = variable.removesuffix("_FILE")
            text = self._text(name, notes)
            if text:
                setting = by_field("client_secret" if found[1] == "SECRET" else "client_id")
                self._parsed(replace(setting, name=name), text, "environment", notes)
                halves.setdefault(found[2].lower(), {})[found[1]] = text
        if client_id or client_secret:
            halves[""] = {"ID": client_id or "", "SECRET": client_secret.reveal() if client_secret else ""}
        clients = {}
        for key, pair in halves.items():
            suffix = f"__{key.upper()}" if key else ""
            if not pair.get("ID") or not pair.get("SECRET"):
                there, missing = ("SECRET", "ID") if not pair.get("ID") else ("ID", "SECRET")
                raise SettingsError(f"GOOGLE_CLIENT_{there}{suffix} is set, but GOOGLE_CLIENT_{missing}{suffix} is not")
            clients[key] = OAuthPair(pair["ID"], Secret(pair["SECRET"]))
        return clients


def _clean(text: str) -> str:
    """Without white space around it, and the byte order mark that some editors put before it."""
    return text.strip().removeprefix("\ufeff").strip()


def _text(value: Any) -> str:
    """A value of gui_config.json as a user would write it in a setting."""
    if isinstance(value, Secret):
        return value.reveal()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _doubts_of_path(name: str, path: str) -> list[str]:
    """Warnings about shell expansions in a path, which are not done."""
    if path[:1] == "~":
        return [f"{name} begins with ~, which only a shell replaces: write the whole path"]
    return [f"{name} has quotes around it, which count as part of the path: leave them out"] if _is_quoted(path) else []


def _doubts_of_secret(name: str, text: str) -> list[str]:
    """Warnings about characters that probably don't belong to a secret."""
    if _is_quoted(text):
        return [f"{name} has quotes around it, which count as part of it: leave them out"]
    if _ASSIGNMENT.match(text):
        return [f"{name} holds a name with = before the value: leave that out"]
    return []


def _is_quoted(text: str) -> bool:
    return len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
