"""Four sources, one result: which one wins, and what is told when they can't be used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.resolve import OAuthPair, Resolver, Settings, SettingsError
from antigravity_proxy.settings.table import TABLE, by_field

FILES = {"/key": "sk-file\n", "/empty": " \n", "/id": "an-id", "/secret": "a-secret"}


def read_file(path: str) -> str:
    if path == "/binary":
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x")
    if path not in FILES:
        raise FileNotFoundError(2, "No such file or directory")
    return FILES[path]


def resolve(options: Mapping[str, str] | None = None, gui: Mapping[str, Any] | None = None, **environ: str) -> Settings:
    return Resolver(options or {}, environ, read_file).all(gui or {})


def test_the_defaults_are_those_of_the_table() -> None:
    settings = resolve()
    assert (settings.host, settings.port, settings.read_only) == ("127.0.0.1", 8045, False)
    assert settings.base_urls == (
        "https://cloudcode-pa.googleapis.com/v1internal",
        "https://daily-cloudcode-pa.googleapis.com/v1internal",
    )
    assert (settings.request_timeout, settings.max_body, settings.drain_seconds) == (120, 32 << 20, 30)
    assert (settings.api_keys, settings.clients, settings.trusted_proxies) == ((), {}, ())
    assert settings.oauth_listen_port == 8888
    assert settings.oauth_redirect_url == "http://localhost:8888/oauth-callback"
    assert settings.user_agent.startswith("antigravity-proxy/")
    assert set(settings.sources.values()) == {"default"}


def test_option_over_environment_over_gui_config_over_default() -> None:
    gui = {"port": 1, "request_timeout": 90.0}
    assert resolve(gui=gui).port == 1
    assert resolve(gui=gui).request_timeout == 90
    assert resolve(gui=gui, PROXY_PORT="2").port == 2
    settings = resolve({"proxy-port": "3"}, gui, PROXY_PORT="2")
    assert (settings.port, settings.sources["port"]) == (3, "option")


def test_an_empty_variable_is_unset() -> None:
    assert resolve(gui={"port": 7}, PROXY_PORT="  ").port == 7
    assert resolve(PROXY_API_KEY="", PROXY_API_KEY_FILE="").api_keys == ()


def test_an_alias_counts_after_the_name_itself() -> None:
    assert resolve(ANTIGRAVITY_INTERNAL_BASE_URLS="http://b").base_urls == ("http://b/v1internal",)
    both = resolve(ANTIGRAVITY_INTERNAL_BASE_URLS="http://b", PROXY_INTERNAL_BASE_URLS="http://a")
    assert both.base_urls == ("http://a/v1internal",)


def test_secrets_come_from_files_too() -> None:
    settings = resolve(PROXY_API_KEY_FILE="/key")
    assert settings.api_keys == (Secret("sk-file"),)
    assert settings.keys_are_set


def test_a_key_of_gui_config_is_not_set_by_the_settings() -> None:
    settings = resolve(gui={"api_key": "sk-gui"})
    assert settings.api_keys == (Secret("sk-gui"),)
    assert not settings.keys_are_set


def test_the_ports_of_the_admin_listener_follow_the_browsers() -> None:
    settings = resolve(OAUTH_CALLBACK_PORT="8889")
    assert (settings.oauth_listen_port, settings.oauth_redirect_url) == (8889, "http://localhost:8889/oauth-callback")
    own = resolve(OAUTH_CALLBACK_PORT="8889", OAUTH_LISTEN_PORT="8888", OAUTH_REDIRECT_URL="https://x.example/cb")
    assert (own.oauth_listen_port, own.oauth_redirect_url) == (8888, "https://x.example/cb")
    assert resolve(OAUTH_LISTEN_PORT="0").oauth_listen_port == 0


def test_oauth_clients_come_in_pairs_plain_and_by_key() -> None:
    settings = resolve(
        GOOGLE_CLIENT_ID="plain",
        GOOGLE_CLIENT_SECRET="s",
        GOOGLE_CLIENT_ID__ANTIGRAVITY_ENTERPRISE_FILE="/id",
        GOOGLE_CLIENT_SECRET__ANTIGRAVITY_ENTERPRISE_FILE="/secret",
        GOOGLE_CLIENT_ID__EMPTY="",
    )
    assert settings.clients == {
        "": OAuthPair("plain", Secret("s")),
        "antigravity_enterprise": OAuthPair("an-id", Secret("a-secret")),
    }


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"PROXY_PORT": "x"}, "PROXY_PORT (environment PROXY_PORT) has a bad value 'x': it takes a port from 1 to "),
        ({"ANTIGRAVITY_MASTER_KEY": "hunter2"}, "ANTIGRAVITY_MASTER_KEY (environment ANTIGRAVITY_MASTER_KEY) has a bad"
         " value: it takes 64 hex characters"),
        ({"PROXY_API_KEY": "a", "PROXY_API_KEY_FILE": "/key"}, "PROXY_API_KEY and PROXY_API_KEY_FILE are both set"),
        ({"PROXY_API_KEY_FILE": "/no"}, "PROXY_API_KEY_FILE: /no can't be read: No such file or directory"),
        ({"PROXY_API_KEY_FILE": "/binary"}, "PROXY_API_KEY_FILE: /binary can't be read: not UTF-8"),
        ({"PROXY_API_KEY_FILE": "/empty"}, "PROXY_API_KEY_FILE: /empty is empty"),
        ({"GOOGLE_CLIENT_ID": "a"}, "GOOGLE_CLIENT_ID is set, but GOOGLE_CLIENT_SECRET is not"),
        ({"GOOGLE_CLIENT_SECRET__X": "a"}, "GOOGLE_CLIENT_SECRET__X is set, but GOOGLE_CLIENT_ID__X is not"),
    ],
)  # fmt: skip
def test_what_can_not_be_used_is_told_in_one_line(environ: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError) as e:
        resolve(**environ)
    assert str(e.value).startswith(told)
    assert "\n" not in str(e.value)
    assert "hunter2" not in str(e.value)


def test_a_bad_value_in_gui_config_names_the_file() -> None:
    with pytest.raises(SettingsError, match=r"PROXY_PORT \(gui_config.json\)"):
        resolve(gui={"port": 70000})


def test_one_setting_alone_needs_no_gui_config() -> None:
    resolver = Resolver({"antigravity-data-dir": "/data"}, {}, read_file)
    assert resolver.one("data_dir") == "/data"


def test_every_setting_has_a_field_or_makes_the_clients() -> None:
    fields = set(Settings.__struct_fields__) | {"client_id", "client_secret"}
    assert {setting.field for setting in TABLE} <= fields
    assert by_field("port").option == "proxy-port"
