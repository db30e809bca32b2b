"""Four sources, one result: which one wins, and what is told when they can't be used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from antigravity_proxy.secret import Secret
from antigravity_proxy.settings import parse
from antigravity_proxy.settings.proxies import UnusableProxy
from antigravity_proxy.settings.resolve import Resolver, SettingsError
from antigravity_proxy.settings.table import TABLE, OAuthPair, Setting, Settings, by_field

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


def test_the_state_directory_is_systemds_where_none_is_named() -> None:
    settings = resolve(STATE_DIRECTORY="/var/lib/a:/var/lib/b")
    assert (settings.state_dir, settings.sources["state_dir"]) == ("/var/lib/a", "systemd")
    settings = resolve(STATE_DIRECTORY="/var/lib/a", PROXY_STATE_DIR="/mine")
    assert (settings.state_dir, settings.sources["state_dir"]) == ("/mine", "environment")
    assert resolve().state_dir is None


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


@pytest.mark.parametrize("setting", [each for each in TABLE if each.gui], ids=lambda each: each.gui)
def test_what_gui_config_can_hold_stands_below_the_environment_and_above_the_default(setting: Setting) -> None:
    """The same for all nine: the value, and where it is from."""
    default, written = resolve(), resolve(gui={setting.gui: GUI[setting.gui]})
    above = resolve(gui={setting.gui: GUI[setting.gui]}, **{setting.name: ENVIRONMENT[setting.gui]})
    values = [getattr(each, setting.field) for each in (default, written, above)]
    assert [each.sources[setting.field] for each in (default, written, above)] == [
        "default",
        "gui_config",
        "environment",
    ]
    assert values[1] == getattr(resolve(**{setting.name: as_text(GUI[setting.gui])}), setting.field)
    assert values[0] != values[1] != values[2]
    assert not written.notes


GUI: dict[str, Any] = {
    "port": 1,
    "api_key": Secret("sk-gui"),
    "request_timeout": 90.0,
    "upstream_proxy": Secret("http://gui"),
    "scheduling_mode": "Cache-First",
    "max_wait_seconds": 5.0,
    "preferred_account_id": "gui",
    "circuit_breaker_enabled": False,
    "circuit_breaker_backoff_steps": (1.0, 2.0),
}
ENVIRONMENT = {
    "port": "2",
    "api_key": "sk-environment",
    "request_timeout": "80",
    "upstream_proxy": "http://environment",
    "scheduling_mode": "performance-first",
    "max_wait_seconds": "6",
    "preferred_account_id": "environment",
    "circuit_breaker_enabled": "on",
    "circuit_breaker_backoff_steps": "3",
}
BAD: dict[str, Any] = {
    "port": 70000,
    "api_key": Secret("two\nlines"),
    "request_timeout": 1e6,
    "upstream_proxy": Secret("127.0.0.1:7890"),
    "scheduling_mode": "P2C",
    "max_wait_seconds": 1e9,
    "circuit_breaker_enabled": "maybe",
    "circuit_breaker_backoff_steps": (1e9,),
}


def as_text(value: Any) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def test_no_field_of_gui_config_is_missing_here() -> None:
    names = {setting.gui for setting in TABLE if setting.gui}
    assert names == {*GUI} == {*ENVIRONMENT} == {*BAD, "preferred_account_id"}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_in_gui_config_is_a_note_and_never_an_error(name: str) -> None:
    setting = next(each for each in TABLE if each.gui == name)
    settings = resolve(gui={name: BAD[name]})
    (note,) = settings.notes
    assert note.startswith(f"gui_config.json: 'proxy.{name}' can't be used")
    assert "two" not in note
    if name != "upstream_proxy":
        assert getattr(settings, setting.field) == getattr(resolve(), setting.field)
        assert settings.sources[setting.field] == "default"
    assert not resolve(gui={name: BAD[name]}, **{setting.name: ENVIRONMENT[name]}).notes


@pytest.mark.parametrize("url", ["", "127.0.0.1:7890", "socks4://h", "socks://h:1", "http://", "http://h/path"])
def test_a_proxy_that_is_wanted_and_can_not_be_used_is_not_left_out(url: str) -> None:
    settings = resolve(gui={"upstream_proxy": Secret(url)})
    assert isinstance(settings.upstream_proxy, UnusableProxy)
    assert settings.sources["upstream_proxy"] == "gui_config"


@pytest.mark.parametrize("word", ["none", "direct", "off", "NONE", " Off "])
def test_a_word_for_no_proxy_stands_above_the_apps(word: str) -> None:
    settings = resolve(gui={"upstream_proxy": Secret("http://gui:1")}, UPSTREAM_PROXY_URL=word, HTTPS_PROXY="http://h")
    assert (settings.upstream_proxy, settings.sources["upstream_proxy"], settings.notes) == (None, "environment", ())


SECRETS = [setting.name for setting in TABLE if setting.secret] + ["GOOGLE_CLIENT_ID__OWN", "GOOGLE_CLIENT_SECRET__OWN"]
GOOD = {
    "ANTIGRAVITY_MASTER_KEY": "ab" * 32,
    "GEMINI_API_KEYS": "AIzaSy" + "a" * 33,
    "UPSTREAM_PROXY_URL": "http://h:1",
    "PROXY_WEBHOOK_URL": "https://h/x",
    "REDIS_URL": "redis://h",
}


def with_other_half(name: str, **environ: str) -> dict[str, str]:
    """Completes an OAuth client."""
    own = "__OWN" if name.endswith("__OWN") else ""
    halves = {f"GOOGLE_CLIENT_ID{own}", f"GOOGLE_CLIENT_SECRET{own}"} if name.startswith("GOOGLE_CLIENT") else set()
    return environ | dict.fromkeys(halves - {name}, "x")


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("form", ["\ufeff{}\r\n", "\ufeff {} ", "{}\n\n"])
def test_what_editors_put_around_a_secret_is_no_part_of_it(name: str, form: str) -> None:
    value = GOOD.get(name, "sk-a")
    FILES["/edited"] = form.format(value)
    written = resolve(**with_other_half(name, **{f"{name}_FILE": "/edited"}))
    plain = resolve(**with_other_half(name, **{name: value}))
    assert written == plain
    assert not written.notes


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("value", ["one\ntwo", "nul\0", "\x1b[31m", "a\u2028b"])
def test_a_secret_with_control_characters_is_refused(name: str, value: str) -> None:
    FILES["/edited"] = value
    with pytest.raises(SettingsError, match=name) as e:
        resolve(**with_other_half(name, **{f"{name}_FILE": "/edited"}))
    assert value not in str(e.value)


@pytest.mark.parametrize("name", ["PROXY_API_KEY", "GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET__OWN"])
@pytest.mark.parametrize(
    ("value", "noted"), [("'sk-a'", "quotes"), ('"sk-a"', "quotes"), ("PROXY_API_KEY=sk-a", "a name with =")]
)
def test_a_secret_that_is_probably_not_meant_so_is_noted(name: str, value: str, noted: str) -> None:
    (note,) = resolve(**with_other_half(name, **{name: value})).notes
    assert name in note
    assert noted in note
    assert "sk-a" not in note


@pytest.mark.parametrize("value", ["schlüssel", "sk a"])
def test_a_key_that_no_client_can_send_is_noted(value: str) -> None:
    (note,) = resolve(PROXY_API_KEY=value).notes
    assert "can't send" in note


@pytest.mark.parametrize(
    "name", [setting.name for setting in TABLE if setting.parser is parse.path] + ["REDIS_URL_FILE"]
)
@pytest.mark.parametrize(("value", "noted"), [("~/x", "begins with ~"), ('"/x"', "quotes")])
def test_a_path_that_a_shell_would_have_changed_is_noted(name: str, value: str, noted: str) -> None:
    FILES[value] = "redis://h"
    (note,) = resolve(**{name: value}).notes
    assert note.startswith(name)
    assert noted in note


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_other_programs_proxy_variables_are_said_not_to_be_used(name: str) -> None:
    (note,) = resolve(**{name: "http://user:password@h:1"}).notes
    assert note.startswith(name)
    assert "UPSTREAM_PROXY_URL" in note
    assert "password" not in note


def test_one_setting_alone_needs_no_gui_config() -> None:
    resolver = Resolver({"antigravity-data-dir": "/data"}, {}, read_file)
    assert resolver.one("data_dir") == "/data"


def test_every_setting_has_a_field() -> None:
    assert {setting.field for setting in TABLE} <= set(Settings.__struct_fields__)
    assert by_field("port").option == "proxy-port"
