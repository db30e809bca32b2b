"""Upstream's offer, as ``fetchAvailableModels`` reports it: of one account, or of all together. Pure data."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace


class ModelQuota(Struct, frozen=True, gc=False):
    """An account's last known quota for a model: 0 to 1, and when it resets in epoch seconds."""

    remaining: float
    resets_at: float | None = None


class Offer(Struct, frozen=True):
    """A model that upstream offers by its id. Context and output in tokens; None or empty: it doesn't say."""

    id: str
    display_name: str = ""
    context: int | None = None
    output: int | None = None
    thinks: bool | None = None


class Offers(Struct, frozen=True):
    """All of them, sorted by id. ``forwarded``: old ids with their successors; ``searching``: ids that can search.

    Hashable, so that equal ones of many accounts are kept once.
    """

    models: tuple[Offer, ...] = ()
    forwarded: tuple[tuple[str, str], ...] = ()
    searching: tuple[str, ...] = ()


class Available(Struct, frozen=True):
    """One account's answer: its models, and its quotas by model, as far as they are reported."""

    offers: Offers
    quotas: Mapping[str, ModelQuota]


def united(every: Collection[Offers]) -> Offers:
    """The joint offer of all accounts.

    A model's limits are the smallest that are reported: every account keeps to those.
    """
    models: dict[str, Offer] = {}
    for offers in every:
        for offer in offers.models:
            known = models.get(offer.id)
            models[offer.id] = offer if known is None else _joined(known, offer)
    return Offers(
        tuple(models[name] for name in sorted(models)),
        tuple(sorted(dict(pair for offers in every for pair in offers.forwarded).items())),
        tuple(sorted({name for offers in every for name in offers.searching})),
    )


def _joined(one: Offer, other: Offer) -> Offer:
    return replace(
        one,
        display_name=min(filter(None, (one.display_name, other.display_name)), default=""),
        context=_smaller((one.context, other.context)),
        output=_smaller((one.output, other.output)),
        thinks=other.thinks if one.thinks is None else one.thinks,
    )


def _smaller(told: Iterable[int | None]) -> int | None:
    return min((each for each in told if each is not None), default=None)
