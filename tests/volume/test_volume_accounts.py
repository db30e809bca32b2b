"""From rows to accounts: every bad row is told, none hides another."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from support.volumes import NAMES, copy_of, expected, snapshot_of

from antigravity_proxy.canonical.credential import Credential
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.secret import Secret
from antigravity_proxy.volume import accounts, keys, sealed
from antigravity_proxy.volume.accounts import AccountReader, Row, RowProblem
from antigravity_proxy.volume.database import rows

KEY, OTHER = bytes(range(32)), bytes(32)


def seal(value: Any, key: bytes = KEY) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    nonce = os.urandom(16)
    content = AESGCM(key).encrypt(nonce, text, None)
    return f"agm_enc_v1:{nonce.hex()}:{content[-16:].hex()}:{content[:-16].hex()}"


def token(**fields: Any) -> dict[str, Any]:
    return {"access_token": "ya29.a", "refresh_token": "1//a", "expiry_timestamp": 1_770_903_599} | fields


def row(identity: Any = "a", **columns: Any) -> Row:
    whole = {"id": identity, "provider": "google", "email": "a@example.com", "token_json": seal(token())}
    return whole | columns


def read_one(**columns: Any) -> Credential:
    found = AccountReader().read([row(**columns)], (KEY,))
    assert found.problems == ()
    return found.accounts[0]


@pytest.mark.parametrize("name", NAMES)
def test_the_stored_volumes_read_as_expected(name: str, tmp_path: Any) -> None:
    volume = copy_of(name, tmp_path)
    found = AccountReader().read(rows(snapshot_of(volume)), keys.find(volume).keys)
    assert found.problems == ()
    wanted = {account["id"]: account for account in expected(name)["accounts"]}
    assert [account.id for account in found.accounts] == sorted(wanted, key=lambda id: -wanted[id]["last_used"])
    for account in found.accounts:
        want = wanted[account.id]
        sign_in = want["token"]
        assert account.kind == want["provider"]
        assert account.label.reveal() == want["email"]
        assert account.name.reveal() == (want["name"] or "")
        assert account.status == want["status"]
        assert account.access_token.reveal() == sign_in["access_token"]
        assert account.grant.token.reveal() == sign_in["refresh_token"]
        assert account.expires_at == sign_in["expiry_timestamp"]
        assert account.project == sign_in.get("project_id")
        assert account.egress == (Secret(sign_in["upstream_proxy_url"]) if "upstream_proxy_url" in sign_in else None)
        models = want["quota"]["models"] if want["quota"] is not None else None
        assert (account.quota is None) == (models is None)
        assert {model: quota.remaining for model, quota in (account.quota or {}).items()} == {
            model: quota["percentage"] / 100 for model, quota in (models or {}).items()
        }


BAD = {
    "no text": row("bad", token_json=None),
    "a blob": row("bad", token_json=b"\x00"),
    "an empty field": row("bad", token_json=""),
    "garbage": row("bad", token_json="garbage"),
    "a cut field": row("bad", token_json=seal(token())[:-9]),
    "another key": row("bad", token_json=seal(token(), OTHER)),
    "plain, cut": row("bad", token_json='{"access_token": "ya'),
    "sealed, no JSON": row("bad", token_json=seal(b"hello")),
    "sealed, no UTF-8": row("bad", token_json=seal(b'{"access_token": "\xff"}')),
    "too deep": row("bad", token_json="[" * 100_000),
    "a list": row("bad", token_json=seal(["ya29.a"])),
    "null": row("bad", token_json=seal(None)),
    "no token": row("bad", token_json=seal({"expiry_timestamp": 1})),
    "empty tokens": row("bad", token_json=seal(token(access_token=" ", refresh_token=""))),
    "a number": row("bad", token_json=seal(token(access_token=7))),
    "a line break": row("bad", token_json=seal(token(access_token="ya29\r\nX-Evil: 1"))),
    "no ASCII": row("bad", token_json=seal(token(access_token="ya29.é"))),
    "a wrong refresh token": row("bad", token_json=seal(token(refresh_token=["1//"]))),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@pytest.mark.row("bad rows")
def test_a_bad_row_is_told_and_hides_no_other(bad: Row) -> None:
    found = AccountReader().read([row("a"), bad, row("c")], (KEY,))
    assert [account.id for account in found.accounts] == ["a", "c"]
    assert [problem.id for problem in found.problems] == ["bad"]
    assert found.problems[0].sealed == (bad is BAD["another key"])
    assert "ya" not in found.problems[0].reason


def test_all_bad_rows_at_once() -> None:
    found = AccountReader().read([*BAD.values(), row("a")], (KEY,))
    assert [account.id for account in found.accounts] == ["a"]
    assert len(found.problems) == len(BAD)


@pytest.mark.parametrize("identity", [None, "", " ", b"a", 7])
def test_a_row_without_an_id_is_a_problem(identity: Any) -> None:
    found = AccountReader().read([row(identity), row("a")], (KEY,))
    assert found.problems == (RowProblem("(no id)", "the row has no id"),)
    assert len(found.accounts) == 1


def test_without_a_key_plain_rows_open_and_sealed_ones_say_so() -> None:
    found = AccountReader().read([row("a", token_json=json.dumps(token())), row("b")], ())
    assert [account.id for account in found.accounts] == ["a"]
    (problem,) = found.problems
    assert (problem.id, problem.reason, problem.sealed) == ("b", "its token is sealed, and there is no key", True)
    assert (problem.provider, problem.email.reveal(), problem.status) == ("google", "a@example.com", "active")


@pytest.mark.parametrize("value", ["x", None, True, [], 10**30, -5])
def test_an_odd_expiry_is_no_problem(value: Any) -> None:
    found = read_one(token_json=seal(token(expiry_timestamp=value)))
    assert found.expires_at == (float(value) if type(value) is int else 0.0)


def test_an_expiry_beyond_all_numbers_hides_no_other() -> None:
    text = json.dumps(token()).replace("1770903599", "1" + "0" * 4000)
    found = AccountReader().read([row("b", token_json=seal(text.encode())), row("a")], (KEY,))
    assert "a" in [account.id for account in found.accounts]


def test_an_account_without_an_access_token_has_an_expired_one() -> None:
    found = read_one(token_json=seal({"refresh_token": "1//a", "expiry_timestamp": 9e9}))
    assert (found.access_token, found.expires_at) == (Secret(""), 0.0)
    assert found.grant.token == Secret("1//a")


def test_an_account_without_a_refresh_token_is_an_account() -> None:
    assert read_one(token_json=seal(token(refresh_token=""))).grant.token == Secret("")
    assert read_one(token_json=seal({"access_token": "ya29.a"})).grant.token == Secret("")


def test_optional_columns_may_be_missing_or_odd() -> None:
    assert read_one().status == "active"
    found = read_one(status=None, name=None, created_at=None, last_used="x", proxy_url=7, quota_json=None)
    assert (found.status, found.name) == ("active", Secret(""))
    assert found.egress is None
    found = read_one(status="expired", name="A", created_at=1, last_used=2.5, provider="anthropic")
    assert (found.status, found.kind) == ("expired", "anthropic")
    assert found.disabled == "provider 'anthropic' is listed, but never used"


def test_the_tokens_own_proxy_wins_over_the_rows() -> None:
    own = seal(token(upstream_proxy_url="http://own"))
    assert read_one(token_json=own, proxy_url="http://row").egress == Secret("http://own")
    assert read_one(proxy_url=" http://row ").egress == Secret("http://row")
    blank = seal(token(upstream_proxy_url=" "))
    assert read_one(token_json=blank, proxy_url="http://row").egress == Secret("http://row")
    assert read_one(proxy_url="").egress is None


@pytest.mark.parametrize(
    ("project", "usable"),
    [
        ("my-project-1", "my-project-1"),
        (" my-project ", "my-project"),
        ("cloud-code", "cloud-code"),
        ("cloud-code-12x", "cloud-code-12x"),
        ("projectsmith", "projectsmith"),
        ("", None),
        ("  ", None),
        (None, None),
        (7, None),
        ("cloud-code-123", None),
        ("Cloud-Code-1", None),
        ("projects", None),
        ("PROJECTS", None),
        ("projects/x", None),
        ("Projects/", None),
    ],
)
def test_projects_that_count_as_missing(project: Any, usable: str | None) -> None:
    assert read_one(token_json=seal(token(project_id=project))).project == usable


def test_quota_is_read_as_fractions_and_epoch_seconds() -> None:
    models = {
        "a": {"percentage": 40, "resetTime": "2026-02-13T00:00:00Z", "later": 1},
        "b": {"percentage": 0, "resetTime": ""},
        "c": {"percentage": 250},
        "d": {"percentage": -3, "resetTime": "soon"},
        "e": {"percentage": "40"},
        "f": 7,
    }
    assert read_one(quota_json=seal({"models": models})).quota == {
        "a": ModelQuota(0.4, 1_770_940_800.0),
        "b": ModelQuota(0.0),
        "c": ModelQuota(1.0),
        "d": ModelQuota(0.0),
    }


@pytest.mark.parametrize("field", [None, "", "garbage", 7, seal({"models": {}}, OTHER), seal(b"{"), "["])
def test_a_bad_quota_counts_as_absent(field: Any) -> None:
    assert read_one(quota_json=field).quota is None


@pytest.mark.parametrize("value", [[], {}, {"models": []}, {"models": None}])
def test_a_quota_of_another_shape_is_empty(value: Any) -> None:
    assert read_one(quota_json=seal(value)).quota == {}


def test_only_changed_rows_are_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = sealed.Unsealer.open

    def watched(self: sealed.Unsealer, field: str) -> bytes:
        opened.append(field)
        return real(self, field)

    monkeypatch.setattr(accounts.Unsealer, "open", watched)
    reader = AccountReader()
    a, b = row("a"), row("b", status="active")
    first = reader.read([a, b], (KEY,))
    assert opened == [a["token_json"], b["token_json"]]
    opened.clear()
    same = reader.read([dict(b), dict(a)], (KEY,))
    assert opened == []
    assert same.accounts[0] is first.accounts[1]
    changed = row("a")
    again = reader.read([changed, b | {"status": "expired"}], (KEY,))
    assert opened == [changed["token_json"]]
    assert [account.status for account in again.accounts] == ["active", "expired"]


def test_a_row_that_was_opened_stays_open_when_its_key_goes() -> None:
    reader, known = AccountReader(), row("a")
    reader.read([known], (KEY,))
    assert len(reader.read([known], ()).accounts) == 1
    assert len(reader.read([row("a")], ()).problems) == 1


def test_a_row_that_could_not_be_opened_is_tried_again() -> None:
    reader, known = AccountReader(), row("a")
    assert len(reader.read([known], (OTHER,)).problems) == 1
    assert len(reader.read([known], (OTHER, KEY)).accounts) == 1


def test_nothing_shows_a_token_an_address_or_a_name() -> None:
    shown = repr(read_one(name="Alice", proxy_url="http://u:hush@h"))
    for hidden in ("ya29", "1//", "example.com", "Alice", "hush"):
        assert hidden not in shown
