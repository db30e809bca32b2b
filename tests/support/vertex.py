"""A stack that serves by Vertex AI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from support.stack import Stack, stack


def entry(name: str, kind: str = "vertex-service-account", **lines: str) -> str:
    """An entry of a credentials file."""
    fields = {"name": f'"{name}"', "kind": f'"{kind}"'} | lines
    return "[[credential]]\n" + "".join(f"{field} = {text}\n" for field, text in fields.items())


@asynccontextmanager
async def vertex(
    directory: Path,
    *names: str,
    more: str = "",
    accounts: int = 0,
    redis: str = "",
    level: str = "warn",
    aliases: str = "",
    volume: str = "",
    order: str = "vertex,accounts",
    **lines: str,
) -> AsyncIterator[Stack]:
    """A stack that serves by service accounts of these names, each of a project of its own, and nothing else."""
    path = directory / "credentials.toml"
    files = {name: directory / f"{name}.json" for name in names}
    path.write_text("".join(entry(name, file=f'"{file}"', **lines) for name, file in files.items()) + more)
    for file in files.values():
        file.write_text("{}")

    def fill(simulator: Any) -> None:
        for name, file in files.items():
            file.write_text(simulator.service_accounts.make(name, f"{name}-project"))

    settings = {"PROXY_CREDENTIALS_FILE": str(path), "PROXY_UPSTREAM_ORDER": order, "REDIS_URL": redis}
    settings |= {"LOG_LEVEL": level, "PROXY_MODEL_ALIASES": aliases}
    if volume:
        settings["ANTIGRAVITY_DATA_DIR"] = volume
    async with stack(directory, accounts=accounts, before=fill, **settings) as running:
        yield running
