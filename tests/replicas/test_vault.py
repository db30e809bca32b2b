"""What Redis may see: names that say nothing, seals that only this volume opens."""

from __future__ import annotations

from antigravity_proxy.replicas.vault import Vault

MASTER, OTHER = b"m" * 32, b"o" * 32


def test_a_seal_opens_for_its_account_and_use_alone() -> None:
    vault = Vault(MASTER)
    sealed = vault.seal("a", "t", b"ya29.secret")
    assert b"ya29" not in sealed
    assert vault.open("a", "t", sealed) == b"ya29.secret"
    assert Vault(MASTER).open("a", "t", sealed) == b"ya29.secret"
    assert vault.open("b", "t", sealed) is None
    assert vault.open("a", "p", sealed) is None
    assert Vault(OTHER).open("a", "t", sealed) is None


def test_no_two_seals_are_alike_and_every_changed_byte_is_noticed() -> None:
    vault = Vault(MASTER)
    sealed = vault.seal("a", "t", b"x")
    assert vault.seal("a", "t", b"x") != sealed
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        assert vault.open("a", "t", bytes(changed)) is None
    for length in range(len(sealed)):
        assert vault.open("a", "t", sealed[:length]) is None


def test_names_are_the_same_at_every_replica_and_say_nothing() -> None:
    one, two, other = Vault(MASTER), Vault(MASTER), Vault(OTHER)
    assert one.account("someone@example.com") == two.account("someone@example.com")
    assert one.account("a") != other.account("a")
    assert one.session(b"s") == two.session(b"s") != other.session(b"s")
    assert one.signature(b"s") == two.signature(b"s") != other.signature(b"s")
    assert len(one.signature(b"s")) == 22
    assert one.namespace == two.namespace != other.namespace
    assert one.namespace.startswith("antigravity:3:")
    assert "someone" not in one.account("someone@example.com")
    assert len(one.account("a")) == 22
    assert len(one.session(b"s" * 16)) == 16
    assert MASTER.hex()[:8] not in one.namespace
