"""A stored response outside its process: its own part alone, and what it goes on with by name."""

from __future__ import annotations

from msgspec import Raw

from antigravity_proxy.responses.items import Items, text_length
from antigravity_proxy.responses.record import read_record, record_of
from antigravity_proxy.responses.store import ResponseStore, StoredResponse


def kept(store: ResponseStore, identity: str, text: bytes, before: Items | None = None) -> StoredResponse:
    own = [Raw(text)]
    response = store.begin(b"me", before, own, text_length(own), 0)
    store.finish(response, identity, [Raw(b'"said"')], 6, {}, 2)
    return response


def test_what_a_record_holds() -> None:
    store = ResponseStore(1 << 20)
    first = kept(store, "resp_1", b'"a"')
    for before, after_answer in ((first.said, True), (first.asked, False)):
        record = read_record(record_of(kept(store, "resp_2", b'"b"', before), b"{}"))
        assert record is not None
        assert (record.parent, record.after_answer, record.document, record.deleted) == (
            "resp_1",
            after_answer,
            b"{}",
            False,
        )
        assert (record.items, record.said) == ([Raw(b'"b"')], [Raw(b'"said"')])


def test_what_goes_on_with_no_response_is_whole() -> None:
    store = ResponseStore(1 << 20)
    waiting = store.begin(b"me", None, [Raw(b'"a"')], 3, 0)
    record = read_record(record_of(kept(store, "resp_2", b'"b"', waiting.asked), b"{}", deleted=True))
    assert record is not None
    assert (record.parent, record.own, record.deleted) == ("", [b'"a"', b'"b"'], True)
    unanswered = read_record(record_of(waiting, b"{}"))
    assert unanswered is not None
    assert unanswered.output == []


def test_nonsense_is_none() -> None:
    assert read_record(b"nonsense") is None
    assert read_record(b"") is None
