"""What is kept of responses, for whom, for how long, and how many bytes it takes."""

from __future__ import annotations

import tracemalloc
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from antigravity_proxy.responses.items import Items, text_length
from antigravity_proxy.responses.store import KEPT_FOR, ResponseStore, StoredResponse

ME, OTHER = b"me", b"other"
MEGABYTE = 1 << 20


def items(*texts: str) -> list[Raw]:
    return [Raw(text.encode()) for text in texts]


def keep(
    store: ResponseStore,
    identity: str,
    *texts: str,
    after: StoredResponse | None = None,
    owner: bytes = ME,
    now: float = 0.0,
    output: str = "{}",
) -> StoredResponse:
    own, said = items(*texts), items(output)
    before = after.said if after is not None else None
    response = store.begin(owner, before, own, text_length(own), now)
    store.finish(response, identity, said, text_length(said), {"id": identity}, 10)
    return response


def texts_of(chain: Items | None) -> list[str]:
    assert chain is not None
    return [bytes(item).decode() for item in chain]


def test_a_chain_reads_as_the_whole_conversation() -> None:
    store = ResponseStore(MEGABYTE)
    first = keep(store, "resp_1", '"a"', output='"A"')
    second = keep(store, "resp_2", '"b"', '"c"', after=first, output='"B"')
    assert texts_of(second.asked) == ['"a"', '"A"', '"b"', '"c"']
    assert texts_of(second.said) == ['"a"', '"A"', '"b"', '"c"', '"B"']
    assert (second.asked.count, second.asked.length) == (4, 12)


def test_it_is_its_owners_alone() -> None:
    store = ResponseStore(MEGABYTE)
    kept = keep(store, "resp_1", "1")
    assert store.take(ME, "resp_1", 0) is kept
    assert store.take(OTHER, "resp_1", 0) is None
    assert store.take(ME, "resp_2", 0) is None


def test_an_hour_after_its_last_use_it_is_gone() -> None:
    store = ResponseStore(MEGABYTE)
    keep(store, "resp_1", "1")
    assert store.take(ME, "resp_1", KEPT_FOR - 1) is not None
    store.expire(KEPT_FOR + 1)
    assert store.take(ME, "resp_1", 2 * KEPT_FOR - 2) is not None
    assert store.take(ME, "resp_1", 3 * KEPT_FOR) is None
    store.expire(3 * KEPT_FOR)
    assert (len(store), store.size) == (0, 0)


def test_what_is_dropped_is_gone_but_not_for_what_follows_it() -> None:
    store = ResponseStore(MEGABYTE)
    first = keep(store, "resp_1", '"a"', output='"A"')
    second = keep(store, "resp_2", '"b"', after=first, output='"B"')
    store.drop(first)
    store.drop(first)
    assert store.take(ME, "resp_1", 0) is None
    assert texts_of(second.said) == ['"a"', '"A"', '"b"', '"B"']
    store.drop(second)
    assert (len(store), store.size) == (0, 0)


def test_one_under_way_counts_and_may_be_let_go() -> None:
    store = ResponseStore(20_000)
    waiting = store.begin(ME, None, items("1" * 10_000), 10_000, 0)
    assert store.size > 10_000
    keep(store, "resp_2", "2" * 10_000)
    assert store.size <= 20_000
    store.finish(waiting, "resp_1", items("1"), 1, {}, 10)  # too late
    assert store.take(ME, "resp_1", 0) is None
    assert store.take(ME, "resp_2", 0) is not None


def test_nothing_is_kept_of_what_is_larger_than_all() -> None:
    store = ResponseStore(10_000)
    keep(store, "resp_1", "1" * 20_000)
    assert (len(store), store.size) == (0, 0)


def test_the_longest_unused_goes_first() -> None:
    store = ResponseStore(40_000)
    for n in range(3):
        keep(store, f"resp_{n}", "1" * 8_000)
    store.take(ME, "resp_0", 1)
    keep(store, "resp_3", "1" * 8_000)
    assert [n for n in range(4) if store.take(ME, f"resp_{n}", 1)] == [0, 2, 3]


def test_who_keeps_much_pushes_out_nobody_elses() -> None:
    store = ResponseStore(100_000)
    keep(store, "resp_mine", "1" * 1000)
    for n in range(200):
        keep(store, f"resp_{n}", "1" * 8_000, owner=OTHER)
    assert store.take(ME, "resp_mine", 0) is not None
    assert store.size <= 100_000


def test_a_chain_of_fifty_turns_costs_its_length_once() -> None:
    def chain(turns: int) -> ResponseStore:
        store, last = ResponseStore(64 * MEGABYTE), None
        for n in range(turns):
            last = keep(store, f"resp_{n}", f'"{n}{"x" * 20_000}"', after=last, output=f'"{n}{"y" * 500}"')
        return store

    chain(1)
    tracemalloc.start()
    store = chain(50)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 50 * 20_500 <= used <= store.size <= 50 * 25_000


def test_a_very_long_chain_is_let_go_without_recursion() -> None:
    store, last = ResponseStore(1 << 40), None
    for n in range(30_000):
        last = keep(store, f"resp_{n}", "1", after=last)
    assert last is not None
    assert last.said is not None
    assert last.said.count == 60_000
    store.limit = 0
    keep(store, "resp_2", "1")
    del last
    assert (len(store), store.size) == (0, 0)


def test_an_owner_may_be_forgotten() -> None:
    store = ResponseStore(MEGABYTE)
    keep(store, "resp_1", "1")
    keep(store, "resp_2", "2", owner=OTHER)
    store.forget(ME)
    store.forget(ME)
    assert store.take(ME, "resp_1", 0) is None
    assert store.take(OTHER, "resp_2", 0) is not None


def test_what_begins_with_a_chain() -> None:
    store = ResponseStore(MEGABYTE)
    first = keep(store, "resp_1", '"a"', output='"A"')
    chain = keep(store, "resp_2", '"b"', after=first).asked
    assert chain.begins(items('"a"', '"A"', '"b"'))
    assert chain.begins(items('"a"', '"A"', '"b"', '"c"'))
    assert not chain.begins(items('"a"', '"A"'))
    assert not chain.begins(items('"a"', '"B"', '"b"'))


@given(
    st.lists(st.tuples(st.sampled_from(["keep", "branch", "drop", "take"]), st.integers(0, 9), st.integers(0, 3000)))
)
def test_the_count_of_bytes_is_that_of_what_is_there(steps: list[tuple[str, int, int]]) -> None:
    known: list[StoredResponse]
    store, known, now = ResponseStore(30_000), [], 0.0
    for what, which, size in steps:
        now += 1
        chosen: Any = known[which % len(known)] if known else None
        if what == "drop" and chosen is not None:
            store.drop(chosen)
        elif what == "take" and chosen is not None:
            store.take(chosen.owner, chosen.identity, now)
        else:
            owner = ME if size % 2 or what == "branch" else OTHER
            after = chosen if what == "branch" and chosen is not None and chosen.owner == owner else None
            known.append(keep(store, f"resp_{len(known)}", "1" * size, after=after, owner=owner, now=now))
        alive = [r for r in known if store.take(r.owner, r.identity, now) is r]
        links = {id(link): link for r in alive for link in r.said.links()}
        expected = sum(r.document_size for r in alive) + sum(link.size for link in links.values())
        assert store.size == expected <= 30_000
