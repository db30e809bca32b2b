"""Signatures wrapped for clients and back."""

from __future__ import annotations

import pytest

from antigravity_proxy.canonical.models import Family
from antigravity_proxy.dialect.signatures import Kind, Signature, family_of, unwrap, wrap


@pytest.mark.parametrize("kind", ["t", "f", "x"])
@pytest.mark.parametrize("family", ["gemini", "claude"])
def test_a_signature_comes_back_with_its_family_and_kind(family: Family, kind: Kind) -> None:
    wrapped = wrap(family, kind, "c2ln+/==")
    assert wrapped == f"agp1.{family[0]}.{kind}.c2ln+/=="
    assert unwrap(wrapped) == Signature(kind, f"{family}:c2ln+/==")


def test_no_signature_is_never_an_empty_string() -> None:
    assert wrap("gemini", "n") == "agp1.g.n."


@pytest.mark.parametrize(
    "foreign",
    [
        "",
        "EqQBCgIYAhIM",
        "agp1.g.n.",
        "agp1.g.t.",
        "agp1.o.t.c2ln",
        "agp1.g.q.c2ln",
        "agp1.g.t.c2ln\n",
        "agp1.g.t.c2 ln",
        "agp1.g.t",
        "agp2.g.t.c2ln",
    ],
)
def test_what_is_not_ours_or_nothing_is_ignored(foreign: str) -> None:
    assert unwrap(foreign) is None


@pytest.mark.parametrize(
    ("model", "family"), [("claude-sonnet-4-6", "claude"), ("gemini-3-flash", "gemini"), ("", "gemini")]
)
def test_the_family_of_an_upstream_model(model: str, family: Family) -> None:
    assert family_of(model) == family
