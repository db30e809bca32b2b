"""The compose files, as far as their text goes; tests/containers starts them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from antigravity_proxy.settings.table import TABLE

COMPOSE = Path(__file__).parents[2] / "compose"
FILES = sorted(path.name for path in COMPOSE.glob("*.yml"))


def services(name: str) -> dict[str, Any]:
    """The services of a file, with what they extend."""
    found: dict[str, Any] = yaml.safe_load((COMPOSE / name).read_text())["services"]
    for service in found.values():
        base = service.pop("extends", None)
        if base:
            inherited = services(base["file"])[base["service"]]
            environment = {**inherited.get("environment", {}), **service.get("environment", {})}
            service.update({**inherited, **service, "environment": environment})
    return found


def test_the_example_names_every_variable_and_no_other() -> None:
    used = {name for path in COMPOSE.glob("*.yml") for name in re.findall(r"\$\{([A-Z_]+)", path.read_text())}
    offered = re.findall(r"^#?([A-Z_]+)=", (COMPOSE / ".env.example").read_text(), re.M)
    assert sorted(offered) == sorted(used)


def test_the_examples_defaults_are_the_files_own() -> None:
    offered = dict(re.findall(r"^([A-Z_]+)=(.+)$", (COMPOSE / ".env.example").read_text(), re.M))
    for path in COMPOSE.glob("*.yml"):
        for name, default in re.findall(r"\$\{([A-Z_]+):-([^}]+)\}", path.read_text()):
            if name in offered:
                assert offered[name] == default, (path.name, name)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.row("containers")
def test_every_container_is_hardened(name: str) -> None:
    for service in services(name).values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["pids_limit"]
        assert service["mem_limit"]
        assert service["logging"]["options"]["max-size"]
        assert "privileged" not in service
        assert "container_name" not in service
        assert "docker.sock" not in str(service)


@pytest.mark.parametrize("name", FILES)
def test_no_secret_stands_in_a_variable(name: str) -> None:
    secrets = {setting.name for setting in TABLE if setting.secret}
    for service in services(name).values():
        assert not secrets & set(service.get("environment", {}))


@pytest.mark.parametrize("name", FILES)
def test_every_setting_exists(name: str) -> None:
    names = {setting.name for setting in TABLE} | {f"{setting.name}_FILE" for setting in TABLE if setting.secret}
    for service_name, service in services(name).items():
        if service_name not in ("caddy", "redis"):
            assert set(service.get("environment", {})) <= names


@pytest.mark.parametrize("name", ["compose.prod.yml", "compose.scale.yml", "compose.signin.yml"])
def test_open_streams_have_time_to_finish(name: str) -> None:
    drain = float(next(setting.default or "" for setting in TABLE if setting.name == "PROXY_DRAIN_SECONDS"))
    for service in services(name).values():
        assert float(service["stop_grace_period"].removesuffix("s")) > drain


def test_only_the_balancer_of_many_is_published_and_reached() -> None:
    many = services("compose.scale.yml")
    assert "ports" not in many["proxy"]
    assert set(many["proxy"]["networks"]) & set(many["caddy"]["networks"]) == {"front"}
    assert yaml.safe_load((COMPOSE / "compose.scale.yml").read_text())["networks"]["front"]["internal"] is True
