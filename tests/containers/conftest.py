"""The image, built once from a clone that has secrets lying about."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from support.containers import CONTAINER, IMAGE, ROOT, engine, run

#: what stands in each planted secret
CANARY = "canary-that-no-image-may-hold"
_PLANTED = (
    "compose/.env",
    "compose/settings.env",
    "compose/secrets/proxy_api_key",
    ".env",
    "cloud_accounts.db",
    ".keys/master.key",
    "my.pem",
)

# the format that carries HEALTHCHECK; Docker has no other
os.environ["BUILDAH_FORMAT"] = "docker"


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as a user has cloned it and put their own files into it."""
    directory = tmp_path_factory.mktemp("clone")
    names = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True)
    for name in names.splitlines():
        if (ROOT / name).is_file():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes((ROOT / name).read_bytes())
            (directory / name).chmod((ROOT / name).stat().st_mode)
    for name in _PLANTED:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(CANARY)
    return directory


@pytest.fixture(scope="session", autouse=True)
def image(clone: Path) -> str:
    """The image, built."""
    began = time.monotonic()
    # no own network for the build: it may need the host's way to the package index
    run([*CONTAINER, "build", "--network=host", "--target=production", f"--tag={IMAGE}", str(clone)], 420)
    print(f"built in {time.monotonic() - began:.0f} s")
    return engine("image", "inspect", "--format={{.Id}}", IMAGE)
