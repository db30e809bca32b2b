"""The app's configuration: what a proxy takes from it, and what is unreadable."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.volumes import DATA

from antigravity_proxy.secret import Secret
from antigravity_proxy.volume import guiconfig
from antigravity_proxy.volume.guiconfig import GuiConfig, Unreadable


def parsed(**proxy: Any) -> GuiConfig:
    return guiconfig.parse(json.dumps({"proxy": proxy}).encode())


@pytest.mark.parametrize("name", ["gui-0.9.2", "gui-2026-08"])
def test_the_apps_own_files(name: str) -> None:
    found = guiconfig.parse((DATA / name / "gui_config.json").read_bytes())
    newer = GuiConfig(
        api_key=Secret("sk-fakefakefakefakefakefakefakefake"),
        port=8045,
        request_timeout=90.0,
        custom_mapping={"gpt-4o": "gemini-3-flash"},
        anthropic_mapping={"claude-3-5-sonnet": "claude-sonnet-4-5"},
        scheduling_mode="balance",
        max_wait_seconds=60.0,
        circuit_breaker_enabled=True,
        circuit_breaker_backoff_steps=(60.0, 300.0, 1800.0, 7200.0),
    )
    older = GuiConfig(
        api_key=newer.api_key,
        port=8045,
        request_timeout=90.0,
        custom_mapping=newer.custom_mapping,
        anthropic_mapping=newer.anthropic_mapping,
    )
    assert found == (older if name == "gui-0.9.2" else newer)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"   ",
        b"{",
        b'{"proxy": {"api_key": "sk-',
        b"null",
        b"[]",
        b'"text"',
        b"7",
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b"\x00" * 900,
        b"{" * 100_000,
        b'{"a":' * 100_000,
        b'{"proxy": null}',
        b'{"proxy": []}',
        b'{"proxy": "on"}',
        b'{"proxy": {"api_key": null}}',
        b'{"proxy": {"api_key": 7}}',
        b'{"proxy": {"api_key": ["sk-a"]}}',
        b'{"proxy": {"api_key": false}}',
    ],
)
@pytest.mark.row("broken config")
def test_half_written_and_wrongly_shaped_files_are_unreadable_and_never_mean_no_key(content: bytes) -> None:
    with pytest.raises(Unreadable, match=r"^gui_config\.json"):
        guiconfig.parse(content)


@pytest.mark.parametrize(
    "content", [b"{}", b'{"proxy": {}}', b'{"proxy": {"api_key": ""}}', b'{"proxy": {"api_key": " "}}']
)
def test_a_readable_file_with_an_empty_or_missing_key_means_none(content: bytes) -> None:
    assert guiconfig.parse(content) == GuiConfig()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "8045"),
        ("port", 0),
        ("port", 65536),
        ("port", 80.5),
        ("port", True),
        ("port", None),
        ("request_timeout", "90"),
        ("request_timeout", 0),
        ("request_timeout", -1),
        ("request_timeout", False),
        ("request_timeout", 10**400),
        ("max_wait_seconds", []),
        ("scheduling_mode", 3),
        ("preferred_account_id", {}),
        ("circuit_breaker_enabled", "yes"),
        ("circuit_breaker_backoff_steps", 60),
        ("custom_mapping", ["a"]),
        ("anthropic_mapping", "a"),
        ("upstream_proxy", "http://p"),
        ("upstream_proxy", None),
    ],
)
def test_another_key_of_the_wrong_type_reads_as_its_default_with_a_note(name: str, value: Any) -> None:
    found = parsed(api_key="sk-a", **{name: value})
    assert [note.split("'")[1] for note in found.notes] == [f"proxy.{name}"]
    assert found == GuiConfig(api_key=Secret("sk-a"), notes=found.notes)


def test_values_are_taken_as_the_app_takes_them() -> None:
    found = parsed(
        port=9000.0,
        request_timeout=0.5,
        max_wait_seconds=-5,
        circuit_breaker_enabled=False,
        circuit_breaker_backoff_steps=[0, -1, "5", 10, True, 20.5],
        upstream_proxy={"enabled": True, "url": " socks5://u:p@h:1080 "},
        custom_mapping={"a": "b", "c": 7, "d": " "},
        scheduling_mode=" performance-first ",
        preferred_account_id="",
    )
    assert found == GuiConfig(
        port=9000,
        request_timeout=0.5,
        max_wait_seconds=0.0,
        circuit_breaker_enabled=False,
        circuit_breaker_backoff_steps=(10.0, 20.5),
        upstream_proxy=Secret("socks5://u:p@h:1080"),
        custom_mapping={"a": "b"},
        scheduling_mode="performance-first",
    )
    assert parsed(circuit_breaker_backoff_steps=[]).circuit_breaker_backoff_steps is None


@pytest.mark.parametrize("enabled", [False, None, "true", 1])
def test_an_upstream_proxy_that_is_not_switched_on_is_none(enabled: Any) -> None:
    found = parsed(upstream_proxy={"enabled": enabled, "url": "http://p"})
    assert found.upstream_proxy is None
    assert len(found.notes) == (enabled in ("true", 1))


@pytest.mark.parametrize("url", ["", 7, None])
def test_one_that_is_switched_on_and_not_named_is_not_the_same_as_none(url: Any) -> None:
    assert parsed(upstream_proxy={"enabled": True, "url": url}).upstream_proxy == Secret("")


def test_unknown_keys_do_not_disturb() -> None:
    content = {"proxy": {"api_key": "k", "later": {}}, "theme": 7, "model_visibility": None}
    assert guiconfig.parse(json.dumps(content).encode()) == GuiConfig(api_key=Secret("k"))


def test_the_key_and_the_proxys_password_are_not_shown() -> None:
    shown = repr(parsed(api_key="sk-hush", upstream_proxy={"enabled": True, "url": "http://u:hush@h"}))
    assert "hush" not in shown
