"""The compose files, as far as their text goes; tests/containers starts them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from antigravity_proxy.settings.limits import IDLE_SECONDS
from antigravity_proxy.settings.table import TABLE

COMPOSE = Path(__file__).parents[2] / "compose"
README = COMPOSE.parent / "README.md"
FILES = sorted(path.name for path in COMPOSE.glob("*.yml"))


def services(name: str) -> dict[str, Any]:
    """The services of a file, with what they extend."""
    found: dict[str, Any] = yaml.safe_load((COMPOSE / name).read_text())["services"]
    for service in found.values():
        base = service.pop("extends", None)
        if base:
            inherited = services(base["file"])[base["service"]]
            environment = {**inherited.get("environment", {}), **service.get("environment", {})}
            volumes = [*inherited.get("volumes", []), *service.get("volumes", [])]
            service.update({**inherited, **service, "environment": environment, "volumes": volumes})
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
        assert service["ulimits"]["core"] == 0
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


def test_every_daemon_has_an_init_before_it_and_its_secrets() -> None:
    for name in FILES:
        for service_name, service in services(name).items():
            if service_name in ("proxy", "demo"):
                assert service["init"] is True
            if service_name == "proxy" and name != "hardened.yml":
                assert [each["target"] for each in service["volumes"] if isinstance(each, dict)][-1] == "/run/secrets"


def test_no_relative_path_is_in_a_file_that_others_extend() -> None:
    """podman-compose adds the extended file's directory to it twice."""
    extended = {
        service["extends"]["file"]
        for name in FILES
        for service in yaml.safe_load((COMPOSE / name).read_text())["services"].values()
        if "extends" in service
    }
    assert extended == {"hardened.yml"}
    for name in extended:
        for service in yaml.safe_load((COMPOSE / name).read_text())["services"].values():
            assert not service.get("volumes")


def test_the_image_fixes_the_ports_that_are_published_and_probed() -> None:
    dockerfile = (COMPOSE.parent / "Dockerfile").read_text()
    assert re.findall(r"^EXPOSE (.*)$", dockerfile, re.M) == ["8045 8888"]
    assert re.findall(r"(PROXY_PORT|OAUTH_LISTEN_PORT)=(\d+)", dockerfile) == [
        ("PROXY_PORT", "8045"),
        ("OAUTH_LISTEN_PORT", "8888"),
    ]
    for name in FILES:
        for service_name, service in services(name).items():
            if service_name != "caddy":
                assert {port.rpartition(":")[2] for port in service.get("ports", [])} <= {"8045", "8888"}


def test_every_caddy_lets_go_of_a_resting_connection_before_the_daemon_does() -> None:
    written = "\n".join(
        path.read_text() for path in [COMPOSE / "Caddyfile", *(COMPOSE.parent / "docs").rglob("*.md"), README]
    )
    proxied = re.findall(r"^(\s*)reverse_proxy [^\n]*\{\n(.*?)^\1\}", written, re.M | re.S)
    assert len(proxied) == len(re.findall(r"^\s*reverse_proxy ", written, re.M)) >= 2
    for _, block in proxied:
        [seconds] = re.findall(r"^\s*keepalive (\d+)s$", block, re.M)
        assert int(seconds) < IDLE_SECONDS


def test_one_style_of_compose_lines() -> None:
    """All from the root of the project, by the file's path."""
    for path in [*COMPOSE.iterdir(), *(COMPOSE.parent / "docs").rglob("*.md"), README]:
        if path.is_file():
            for line in re.findall(r"docker compose .*", path.read_text()):
                assert re.match(r"docker compose -f compose/compose\.\w*\.?yml ", line), (path.name, line)
            assert "cd compose" not in path.read_text(), path.name
