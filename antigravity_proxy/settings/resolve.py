"""Resolves every setting from its four sources into one frozen result. Pure: files are read by a function passed in.

Command-line option > environment > gui_config.json > default (contract.md 2). An empty variable counts as unset.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.parse import Network
from antigravity_proxy.settings.redis_url import RedisUrl
from antigravity_proxy.settings.table import TABLE, Setting, by_field

_CLIENT_KEY = re.compile(r"GOOGLE_CLIENT_(ID|SECRET)__([A-Z0-9_]+?)(_FILE)?")


class SettingsError(Exception):
    """A setting that can't be used: one line that names it, its source, and what is accepted."""


class OAuthPair(Struct, frozen=True):
    """An OAuth client."""

    id: str
    secret: Secret


class Settings(Struct, frozen=True, kw_only=True):
    """All settings. Times in seconds, sizes in bytes. ``sources`` says where each value came from."""

    data_dir: str | None
    read_only: bool
    host: str
    port: int
    api_keys: tuple[Secret, ...]
    allow_anonymous: bool
    client_keys_file: str | None
    allowed_hosts: tuple[str, ...]
    cors_origins: tuple[str, ...]
    oauth_callback_port: int
    oauth_listen_port: int
    oauth_listen_host: str
    oauth_redirect_url: str
    clients: Mapping[str, OAuthPair]
    auth_url: str
    token_url: str
    userinfo_url: str
    base_urls: tuple[str, ...]
    user_agent: str
    fallback_project: str | None
    request_timeout: float
    upstream_proxy: Secret | None
    ca_file: str | None
    scheduling_mode: str | None
    max_wait: float | None
    preferred_account: str | None
    account_priorities: Mapping[str, int] | None
    account_requests: int | None
    quota_reserve: float
    circuit_breaker: bool | None
    backoff_steps: tuple[float, ...] | None
    trusted_proxies: tuple[Network, ...]
    master_key: Secret | None
    redis_url: RedisUrl | None
    max_body: int
    responses_store: int
    drain_seconds: float
    log_level: str
    log_format: str
    otlp_endpoint: str | None
    log_file: str | None
    sources: Mapping[str, str]

    @property
    def keys_are_set(self) -> bool:
        """Whether the keys stand in the settings themselves, whatever gui_config says."""
        return bool(self.api_keys) and self.sources["api_keys"] != "gui_config"


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
        return self._value(by_field(field), {})[0]

    def all(self, gui: Mapping[str, Any]) -> Settings:
        """Every setting; ``gui`` holds gui_config's values by field. Raises SettingsError."""
        values: dict[str, Any] = {}
        sources: dict[str, str] = {}
        for setting in TABLE:
            values[setting.field], sources[setting.field] = self._value(setting, gui)
        values["clients"] = self._clients(values.pop("client_id"), values.pop("client_secret"))
        values["api_keys"] = values["api_keys"] or ()
        if values["oauth_listen_port"] is None:
            values["oauth_listen_port"] = values["oauth_callback_port"]
        if values["oauth_redirect_url"] is None:
            values["oauth_redirect_url"] = f"http://localhost:{values['oauth_callback_port']}/oauth-callback"
        return Settings(**values, sources=sources)

    def _value(self, setting: Setting, gui: Mapping[str, Any]) -> tuple[Any, str]:
        """The value and where it came from."""
        option = self._options.get(setting.option)
        if option is not None:
            return self._parsed(setting, option, f"option --{setting.option}"), "option"
        for name in (setting.name, *setting.aliases):
            found = self._from_environment(setting, name)
            if found is not None:
                return found, "environment"
        if setting.gui and gui.get(setting.gui) is not None:
            value = gui[setting.gui]
            text = value.reveal() if isinstance(value, Secret) else str(value)
            return self._parsed(setting, text, "gui_config.json"), "gui_config"
        if setting.default is None:
            return None, "default"
        return self._parsed(setting, setting.default, "default"), "default"

    def _from_environment(self, setting: Setting, name: str) -> Any:
        plain = self._environ.get(name, "").strip()
        path = self._environ.get(name + "_FILE", "").strip() if setting.secret else ""
        if plain and path:
            raise SettingsError(f"{name} and {name}_FILE are both set: keep one of them")
        if path:
            return self._parsed(setting, self._file(name, path), f"the file that {name}_FILE names")
        return self._parsed(setting, plain, f"environment {name}") if plain else None

    def _file(self, name: str, path: str) -> str:
        try:
            content = self._read_file(path).strip()
        except (OSError, UnicodeDecodeError) as e:
            why = e.strerror if isinstance(e, OSError) else "not UTF-8"
            raise SettingsError(f"{name}_FILE: {path} can't be read: {why}") from None
        if not content:
            raise SettingsError(f"{name}_FILE: {path} is empty")
        return content

    def _parsed(self, setting: Setting, value: str, source: str) -> Any:
        try:
            return setting.parser(value.strip())
        except ValueError as e:
            shown = "" if setting.secret else f" {value.strip()[:80]!r}"
            raise SettingsError(f"{setting.name} ({source}) has a bad value{shown}: it takes {e}") from None

    def _clients(self, client_id: str | None, client_secret: Secret | None) -> dict[str, OAuthPair]:
        """The OAuth clients by key; the plain pair under the empty key."""
        halves: dict[str, dict[str, str]] = {}
        for name in self._environ:
            found = _CLIENT_KEY.fullmatch(name)
            value = self._environ[name].strip()
            if found and value:
                text = self._file(name.removesuffix("_FILE"), value) if found[3] else value
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
