"""``why``: what the daemon remembers of a request, as text. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from antigravity_proxy.operator.healthcheck import one_line


def as_text(known: Mapping[str, Any]) -> str:
    """The request, its attempts, and the ranks of the accounts."""
    return "\n".join(_lines(known))


def _lines(known: Mapping[str, Any]) -> Iterator[str]:
    outcome = f"{known['status']}" + (f" {known['error']}" if known["error"] else "")
    yield f"{known['id']}: {outcome}, began {known['began']}, took {known['seconds']} s"
    asked = one_line(known["asked"]) or "no model"
    done = "served by" if known["status"] < 400 else "upstream was to be asked for"
    yield f"asked for {asked} ({known['dialect']} {known['operation']}), {done} {known['model'] or 'nothing'}"
    key = known["key"] or "the operator's"
    yield f"client key: {key}; upstream: {known['upstream'] or 'none was asked'}"
    yield ""
    yield "attempts:" if known["attempts"] else "nobody was asked"
    for each in known["attempts"]:
        status = f" ({each['status']})" if each["status"] else ""
        yield f"  after {each['after']} s  {each['account']}  {each['outcome']}{status}, {each['seconds']} s"
    for board in known["standings"]:
        yield ""
        where = f" at {board['upstream']}" if board["upstream"] else ""
        able = f"{board['couldServe']} of {board['lookedAt']} could serve"
        yield f"for {board['model']}{where}, {able}, just after the choice:"
        for line in board["lines"]:
            place = f"{line['place']}." if line["place"] else "-"
            until = f", until {line['until']}" if line["until"] else ""
            mark = "  (tried)" if line["tried"] else ""
            yield f"  {place:<3} {line['account']}  {one_line(line['why'])}{until}{mark}"
