"""Where official credentials come from: real files, and what is wrong with them said with the source's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from antigravity_proxy.credentials.file import CredentialsError
from antigravity_proxy.credentials.source import CredentialSource
from antigravity_proxy.settings.resolve import Resolver

KEY = f"AIza{'x' * 35}"
ENTRY = f'[[credential]]\nname = "a"\nkind = "gemini-key"\nkey = "{KEY}"\n'


def source(home: Path, **environ: str) -> CredentialSource:
    given = {"HOME": str(home)} | environ
    return CredentialSource(Resolver({}, given, lambda path: "").all({}), given)


def test_environment_and_file_together(tmp_path: Path) -> None:
    path = tmp_path / "credentials.toml"
    path.write_text(ENTRY)
    path.chmod(0o600)
    found = source(tmp_path, GEMINI_API_KEYS=f"b={KEY[:-1]}y", PROXY_CREDENTIALS_FILE=str(path)).read()
    assert ([each.id for each in found.credentials], found.notes) == (["b", "a"], ())


def test_doubts_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "credentials.toml"
    path.write_text(ENTRY)
    path.chmod(0o644)
    found = source(tmp_path, GEMINI_API_KEYS="odd-key-of-no-known-shape", PROXY_CREDENTIALS_FILE=str(path)).read()
    assert ["GEMINI_API_KEYS" in note for note in found.notes] == [True, False]
    assert found.notes[1] == "PROXY_CREDENTIALS_FILE: it holds keys, and others may read it: chmod 600"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "PROXY_CREDENTIALS_FILE: it isn't there"),
        (b"\xff", "PROXY_CREDENTIALS_FILE: it is not UTF-8"),
        (b"[[credential]]\n", "PROXY_CREDENTIALS_FILE: line 1: "),
        (b"#" * (5 << 20), "PROXY_CREDENTIALS_FILE: it can't be read: it is larger than the 4 MiB"),
    ],
)
def test_a_file_that_can_not_be_used_is_named_by_its_setting(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "credentials.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CredentialsError) as raised:
        source(tmp_path, PROXY_CREDENTIALS_FILE=str(path)).read()
    assert str(raised.value).startswith(words)


def test_a_file_that_vanishes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "credentials.toml"
    path.write_text(ENTRY)
    looking = source(tmp_path, PROXY_CREDENTIALS_FILE=str(path))

    def gone(self: Path) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", gone)
        with pytest.raises(CredentialsError, match="it can't be read: No such file or directory"):
            looking.read()


def test_no_default_credentials_are_said_with_their_setting(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match=r"^PROXY_VERTEX_ADC: there are no application default credentials"):
        source(tmp_path, PROXY_VERTEX_ADC="true").read()


def test_gclouds_own_file_is_found(tmp_path: Path) -> None:
    place = tmp_path / ".config/gcloud/application_default_credentials.json"
    place.parent.mkdir(parents=True)
    place.write_text('{"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"}')
    [found] = source(tmp_path, PROXY_VERTEX_ADC="true", GOOGLE_CLOUD_PROJECT="my-project").read().credentials
    assert (found.id, found.project) == ("vertex-adc", "my-project")


def test_what_has_not_changed_is_not_read_into_credentials_again(tmp_path: Path) -> None:
    """A service account's key alone takes 20 ms to check, and the file is looked at every two seconds."""
    path = tmp_path / "credentials.toml"
    path.write_text(ENTRY)
    path.chmod(0o600)
    looking = source(tmp_path, PROXY_CREDENTIALS_FILE=str(path))
    first = looking.read()
    assert looking.read() is first
    path.chmod(0o644)
    assert looking.read().notes
