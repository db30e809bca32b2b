"""The settings on the page: what is in force, and nothing secret."""

from __future__ import annotations

from typing import Any

from antigravity_proxy.admin.settings_shown import Line, lines
from antigravity_proxy.canonical.model_file import BUNDLED, parse
from antigravity_proxy.canonical.model_table import ModelTable
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.resolve import Resolver
from antigravity_proxy.settings.table import TABLE
from antigravity_proxy.startup import gui_values
from antigravity_proxy.volume.guiconfig import GuiConfig


def shown(
    environ: dict[str, str] | None = None,
    gui: GuiConfig | None = None,
    read_only: bool = False,
    models: ModelTable = BUNDLED,
    **values: Any,
) -> dict[str, Line]:
    settings = Resolver({}, environ or {}, lambda path: "").all({**gui_values(gui), **values})
    found = lines(settings, models, read_only=read_only)
    return {line.name: line for line in found}


def test_every_setting_has_a_line_and_its_help() -> None:
    found = shown()
    assert list(found) == [setting.name for setting in TABLE]
    assert all(line.help for line in found.values())
    assert (found["PROXY_PORT"].value, found["PROXY_PORT"].source) == ("8045", "default")
    assert (found["PROXY_MAX_BODY"].value, found["READONLY_MODE"].value) == ("33554432", "false")
    assert (found["UPSTREAM_CA_FILE"].value, found["PROXY_TRUSTED_PROXIES"].value) == ("none", "none")


def test_no_secret_is_shown() -> None:
    secrets = {
        "PROXY_API_KEY": "sk-hush",
        "GOOGLE_CLIENT_ID": "hush-id",
        "GOOGLE_CLIENT_SECRET": "hush-secret",
        "GOOGLE_CLIENT_ID__OWN": "hush-own",
        "GOOGLE_CLIENT_SECRET__OWN": "hush-own-secret",
        "ANTIGRAVITY_MASTER_KEY": "ab" * 32,
        "UPSTREAM_PROXY_URL": "http://hush:hush@proxy.example",
        "REDIS_URL": "redis://:hush@redis.example",
    }
    found = shown(secrets)
    assert not [line for line in found.values() if "hush" in line.value or "abab" in line.value]
    for name in secrets:
        if name != "GOOGLE_CLIENT_SECRET__OWN":
            assert (found[name].value, found[name].source) == ("set, not shown", "environment")
    assert shown()["PROXY_API_KEY"].value == "not set"


def test_a_url_that_names_somebody_hides_that() -> None:
    line = shown({"GOOGLE_AUTH_URL": "https://hush:hush@gateway.example/auth"})["GOOGLE_AUTH_URL"]
    assert line.value == "https://…@gateway.example/auth"


def test_what_the_app_says_is_in_force_where_nobody_else_does() -> None:
    gui = GuiConfig(scheduling_mode="cache-first", max_wait_seconds=5.0)
    found = shown(gui=gui, port=9000)
    assert (found["PROXY_PORT"].value, found["PROXY_PORT"].source) == ("9000", "gui_config.json")
    assert (found["PROXY_SCHEDULING_MODE"].value, found["PROXY_SCHEDULING_MODE"].source) == (
        "cache-first",
        "gui_config.json",
    )
    assert found["PROXY_MAX_WAIT_SECONDS"].value == "5"
    found = shown({"PROXY_SCHEDULING_MODE": "balance"}, gui)
    assert (found["PROXY_SCHEDULING_MODE"].value, found["PROXY_SCHEDULING_MODE"].source) == ("balance", "environment")
    assert (shown()["PROXY_SCHEDULING_MODE"].value, shown()["PROXY_SCHEDULING_MODE"].source) == ("balance", "default")


def test_lists_and_tables_are_written_as_a_user_would() -> None:
    given = {"PROXY_BACKOFF_STEPS": "60,300", "PROXY_ACCOUNT_PRIORITIES": "a=1,b=-1", "PROXY_QUOTA_RESERVE": "10"}
    found = shown(given)
    assert found["PROXY_BACKOFF_STEPS"].value == "60, 300"
    assert found["PROXY_ACCOUNT_PRIORITIES"].value == "a=1, b=-1"


def test_a_directory_that_can_not_be_written_is_read_only_whatever_the_setting_says() -> None:
    line = shown(read_only=True)["READONLY_MODE"]
    assert (line.value, line.source) == ("true", "the data directory can't be written")
    assert shown({"READONLY_MODE": "true"}, read_only=True)["READONLY_MODE"].source == "environment"


def test_a_proxy_that_can_not_be_used_is_named_so() -> None:
    found = shown(gui=GuiConfig(upstream_proxy=Secret("ftp://proxy.example")))
    assert found["UPSTREAM_PROXY_URL"].value == "can't be used"


def test_the_file_of_models_is_shown_with_what_it_corrects() -> None:
    given = {"PROXY_MODELS_FILE": "/etc/models.toml"}
    assert shown(given)["PROXY_MODELS_FILE"].value == "/etc/models.toml"
    table = parse('[accounts."gemini-3-flash"]\noutput = 8192\n')
    assert shown(given, models=table)["PROXY_MODELS_FILE"].value == "/etc/models.toml: corrects gemini-3-flash"
