"""Signatures and their makers."""

from __future__ import annotations

import pytest

from antigravity_proxy.canonical.models import Family
from antigravity_proxy.canonical.signature import bare, made_by


@pytest.mark.parametrize(
    ("signature", "family", "sent"),
    [
        (made_by("claude", "c2ln"), "claude", "c2ln"),
        (made_by("claude", "c2ln"), "gemini", ""),
        (made_by("gemini", "c2ln"), "gemini", "c2ln"),
        (made_by("gemini", "c2ln"), "gpt-oss", ""),
        ("c2ln", "gemini", "c2ln"),
        ("c2ln", "claude", "c2ln"),
        ("", "claude", ""),
    ],
)
def test_a_signature_goes_back_to_its_maker_alone(signature: str, family: Family, sent: str) -> None:
    assert bare(signature, family) == sent
