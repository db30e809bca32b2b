"""Whatever holds a token, a key, a password or an address hides it by its type."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import msgspec

import antigravity_proxy

_SECRET = re.compile(r"secret|passw|(?:api|master|access|refresh)_(?:key|token)|^key$|^keys$|email|proxy_url|^egress$")
#: names that only sound so, or are made to be sent or printed
_HARMLESS = {
    "antigravity_proxy.dialect",
    "antigravity_proxy.operator",  # prints what the operator asks for
    "antigravity_proxy.simulator",
}
_ALLOWED = {
    "antigravity_proxy.admin.account.Shown.email",  # these four are masked already
    "antigravity_proxy.admin.changes.Changed.email",
    "antigravity_proxy.admin.changes.Found.email",
    "antigravity_proxy.admin.overview.BadRow.email",
    "antigravity_proxy.admin.client_keys.KeysShown.keys",  # names, limits and use
    "antigravity_proxy.admin.overview.VolumeShown.keys",  # how many
    "antigravity_proxy.replicas.facts.Token.access_token",  # on its way to the store, sealed; its repr hides it
    "antigravity_proxy.settings.table.Setting.secret",  # whether it is one
    "antigravity_proxy.telemetry.record.Record.key",  # a key's name
    "antigravity_proxy.telemetry.why._Told.key",  # the same
    "antigravity_proxy.volume.layout.Layout.keys",  # where they lie
    "antigravity_proxy.web.client_keys._File.keys",  # hashes
    "antigravity_proxy.web.gate.ApiAdmission.key",  # its name, hash and limits
    "antigravity_proxy.web.warnings.Surroundings.egress",  # what is wrong with it, in words
}


def fields() -> Iterator[tuple[str, object]]:
    """Every field of every struct of the package, with its type."""
    for module in pkgutil.walk_packages(antigravity_proxy.__path__, "antigravity_proxy."):
        if module.name.endswith("__main__") or any(module.name.startswith(name) for name in _HARMLESS):
            continue
        for found in vars(importlib.import_module(module.name)).values():
            if isinstance(found, type) and issubclass(found, msgspec.Struct) and found.__module__ == module.name:
                for name, kind in getattr(found, "__annotations__", {}).items():
                    yield f"{module.name}.{found.__name__}.{name}", kind


def test_every_secret_is_one_by_type() -> None:
    suspects = {name: kind for name, kind in fields() if _SECRET.search(name.rpartition(".")[2])}
    assert len(suspects) > 10
    assert {name: kind for name, kind in suspects.items() if "Secret" not in str(kind)}.keys() <= _ALLOWED
