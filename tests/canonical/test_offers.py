"""What several accounts are offered, as one."""

from __future__ import annotations

from antigravity_proxy.canonical.offers import Offer, Offers, united


def test_what_any_account_is_offered_within_every_accounts_limits() -> None:
    one = Offers((Offer("a", "A", 100, 50), Offer("b", thinks=True)), (("x", "a"), ("z", "b")), ("a",))
    other = Offers(
        (Offer("b", "B", 200, None, False), Offer("a", "", None, 40, True), Offer("c")), (("y", "c"),), ("c", "a")
    )
    assert united([one, other]) == Offers(
        (Offer("a", "A", 100, 40, True), Offer("b", "B", 200, None, True), Offer("c")),
        (("x", "a"), ("y", "c"), ("z", "b")),
        ("a", "c"),
    )
    assert united([]) == Offers()
    assert united([one]) == one
    assert hash(one) == hash(united([one]))
