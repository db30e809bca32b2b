"""What a user installs: wheel and sdist build, and a plain install of the wheel serves."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from pathlib import Path

import pytest
from support.stack import free_port

from antigravity_proxy import __version__

ROOT = Path(__file__).parents[1]


def run(*argv: object, **options: object) -> str:
    """Runs a command; gives what it printed."""
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=120, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel and sdist, built from a copy of the tree."""
    work = tmp_path_factory.mktemp("dist")
    tree = work / "tree"
    tree.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in ("antigravity_proxy", "twisted", "benchmarks", "deploy"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "dropin.cache"))
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", work / "out", tree)
    return work / "out"


@pytest.fixture(scope="module")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel alone; what it needs is borrowed from this one."""
    venv = tmp_path_factory.mktemp("venv") / "v"
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    site = next(venv.glob("lib/python*/site-packages"))
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    own = [p for p in sys.path if p.endswith("site-packages")]
    lines = [f"import sys; sys.path.append({path!r})" for path in own]
    (site / "borrowed.pth").write_text("\n".join(lines) + "\n")
    return venv


def test_the_wheel_holds_the_package_and_the_plugin(dist: Path) -> None:
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        names = wheel.namelist()
    assert "twisted/plugins/antigravity_proxy_plugin.py" in names
    assert {"antigravity_proxy/py.typed", "antigravity_proxy/canonical/models.toml"} <= set(names)
    assert "antigravity_proxy/dialect/openai/chat_request.py" in names
    assert not [n for n in names if n.startswith(("tests", "benchmarks")) or n == "twisted/__init__.py"]
    with tarfile.open(next(dist.glob("*.tar.gz"))) as sdist:
        for name in ("/LICENSE", "/antigravity_proxy/canonical/models.toml"):
            assert any(n.endswith(name) for n in sdist.getnames()), name


def test_twistd_finds_the_plugin_on_a_read_only_tree(installed: Path) -> None:
    for path in installed.rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)
    code = "from twisted.scripts.twistd import run; run()"
    user = {"user": 65534} if os.getuid() == 0 and os.access(sys.executable, os.X_OK) and _readable(installed) else {}
    listed = run(installed / "bin" / "python", "-c", code, "--help", cwd="/", **user)
    assert "antigravity" in listed


def _readable(installed: Path) -> bool:
    """Whether another user could run this interpreter, and read what is installed, at all."""
    python = Path(sys.executable).resolve()
    return all(path.stat().st_mode & 0o005 for path in [python, *python.parents, installed, *installed.parents])


def test_the_installed_daemon_serves(installed: Path, tmp_path: Path) -> None:
    port = free_port()
    environment = {"ANTIGRAVITY_DATA_DIR": str(tmp_path), "PROXY_PORT": str(port), "PROXY_API_KEY": "k"}
    environment["OAUTH_LISTEN_PORT"] = "0"
    code = "from twisted.scripts.twistd import run; run()"
    argv = [str(installed / "bin" / "python"), "-c", code, "-n", "--pidfile=", "antigravity"]
    daemon = subprocess.Popen(argv, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert daemon.stdout is not None
        for line in daemon.stdout:
            if b"serving on" in line:
                break
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=5) as answer:
            assert answer.status == 200
        daemon.send_signal(signal.SIGTERM)
        daemon.communicate(timeout=10)
        assert daemon.returncode == -signal.SIGTERM
    finally:
        if daemon.poll() is None:
            daemon.kill()
            daemon.communicate()


def test_the_version_is_one(dist: Path) -> None:
    assert next(dist.glob("*.whl")).name.startswith(f"antigravity_proxy-{__version__}-")
    assert run(sys.executable, "-m", "antigravity_proxy.cli", "--version").strip() == f"antigravity-proxy {__version__}"
