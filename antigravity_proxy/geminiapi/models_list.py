"""The answer of ``models.list`` (official-upstreams.md 7.1): the models that a key's project is offered. Pure."""

from __future__ import annotations

from msgspec import Struct

from antigravity_proxy.canonical.offers import Offer, Offers

#: pages that are read at most, and models in all
MAX_PAGES = 20
_MAX_MODELS = 5000
_LONGEST = 200


class Listed(Struct, frozen=True):
    """A page: what can be chatted with, what makes vectors, what speaks; and the token of the next page."""

    chat: tuple[Offer, ...] = ()
    embedding: tuple[Offer, ...] = ()
    speech: tuple[Offer, ...] = ()
    next_page: str = ""


def page(value: object) -> Listed:
    """Reads a page's JSON value; what does not have the expected form is passed over."""
    fields = value if isinstance(value, dict) else {}
    models = fields.get("models")
    found: dict[str, list[Offer]] = {"chat": [], "embedding": [], "speech": []}
    for each in models[:_MAX_MODELS] if isinstance(models, list) else ():
        if isinstance(each, dict) and (kind := _kind(each)):
            found[kind].append(_offer(each))
    token = fields.get("nextPageToken")
    lists = {kind: tuple(offers) for kind, offers in found.items()}
    return Listed(**lists, next_page=token if isinstance(token, str) else "")


def united(pages: list[Listed]) -> Offers:
    """All that requests may ask for, sorted by id."""
    offers = {offer.id: offer for each in pages for offer in (*each.chat, *each.embedding, *each.speech)}
    return Offers(tuple(offers[identity] for identity in sorted(offers)))


def _kind(model: dict[str, object]) -> str:
    name, methods = model.get("name"), model.get("supportedGenerationMethods")
    if not isinstance(name, str) or not name.startswith("models/") or len(name) > _LONGEST:
        return ""
    if not isinstance(methods, list):
        return ""
    if "embedContent" in methods:
        return "embedding"
    if "generateContent" in methods:
        return "speech" if "-tts" in name else "chat"
    return ""


def _offer(model: dict[str, object]) -> Offer:
    thinks = model.get("thinking")
    return Offer(
        id=str(model["name"]).removeprefix("models/"),
        display_name=_text(model.get("displayName")),
        context=_count(model.get("inputTokenLimit")),
        output=_count(model.get("outputTokenLimit")),
        thinks=thinks if isinstance(thinks, bool) else None,
    )


def _text(value: object) -> str:
    return value[:_LONGEST] if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
