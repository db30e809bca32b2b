"""A release, whole: made from a clone, tried, signed, and taken apart again."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from support.containers import CONTAINER, remove_images

from antigravity_proxy import __version__

pytestmark = pytest.mark.containers

BASE = "python:3.13-slim-trixie"
KEY = "release@example.org"


def test_a_release_has_all_its_parts_and_they_hold(clone: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    names = subprocess.check_output(["git", "ls-files"], cwd=Path(__file__).parents[2], text=True).splitlines()
    for name in names:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes((clone / name).read_bytes())
        (tree / name).chmod((clone / name).stat().st_mode)
    changes = tree / "CHANGELOG.md"
    if f"## {__version__} (" not in changes.read_text():
        changes.write_text(changes.read_text() + f"\n## {__version__} (2026-01-01)\n")
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    environment = os.environ | {"GNUPGHOME": str(home), "SIGN_KEY": KEY, "PLATFORMS": "linux/amd64", "BASE": BASE}
    environment |= {
        f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }

    def run(*argv: str, cwd: Path = tree) -> str:
        done = subprocess.run(argv, cwd=cwd, env=environment, text=True, capture_output=True, timeout=900)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    try:
        run("gpg", "--batch", "--passphrase", "", "--quick-gen-key", KEY)
        run("git", "init", "--quiet")
        run("git", "add", "--force", ".")
        run("git", "commit", "--quiet", "--message", "released")
        run("make", "release", f"CONTAINER={' '.join(CONTAINER)}")
        dist = tree / "dist"
        run("sha256sum", "--check", "--quiet", "SHA256SUMS", cwd=dist)
        run("gpg", "--verify", "SHA256SUMS.asc", "SHA256SUMS", cwd=dist)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"])
        remove_images(f"antigravity-proxy:{__version__}-amd64")
    listed = {line.split()[1] for line in (dist / "SHA256SUMS").read_text().splitlines()}
    assert {path.name for path in dist.iterdir()} == listed | {"SHA256SUMS", "SHA256SUMS.asc"}
    assert {name.replace(__version__, "V") for name in listed} == {
        "antigravity_proxy-V-py3-none-any.whl",
        "antigravity_proxy-V.tar.gz",
        "antigravity-proxy-V.cdx.json",
        "antigravity-proxy-V-image.cdx.json",
        "antigravity-proxy-V-image-linux-amd64.tar.gz",
        "antigravity-proxy_V_amd64.deb",
        "antigravity-proxy-V.intoto.json",
    }
    statement = json.loads((dist / f"antigravity-proxy-{__version__}.intoto.json").read_bytes())
    commit = run("git", "rev-parse", "HEAD").strip()
    assert statement["predicate"]["buildDefinition"]["resolvedDependencies"][0]["digest"] == {"gitCommit": commit}
    for name in ("", "-image"):
        bill = json.loads((dist / f"antigravity-proxy-{__version__}{name}.cdx.json").read_bytes())
        assert bill["bomFormat"] == "CycloneDX"
        assert {"Twisted", "cryptography"} <= {
            each["name"].replace("twisted", "Twisted") for each in bill["components"]
        }
    with (
        gzip.open(dist / f"antigravity-proxy-{__version__}-image-linux-amd64.tar.gz") as file,
        tarfile.open(fileobj=file) as image,
    ):
        assert "manifest.json" in image.getnames()
