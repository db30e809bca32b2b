"""What is drawn anew, and that much of it is drawn over several turns."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from antigravity_proxy.admin import page
from antigravity_proxy.admin.markup import filled, flat, hole, tags
from antigravity_proxy.admin.page import Fragment, FragmentCache


class Canvas:
    """Fragments that count how often they are drawn."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.cache = FragmentCache(self.clock)
        self.drawn: list[str] = []

    def fragment(self, identity: str, shows: object = 0, parts: tuple[str, ...] = ()) -> Fragment:
        def draw() -> object:
            self.drawn.append(identity)
            return tags.p(hole("parts") if parts else str(shows), id=identity)

        return Fragment(identity, shows, draw, parts)  # type: ignore[arg-type]

    def texts(self, fragments: Iterable[Fragment], *, anew: bool = False) -> dict[str, str]:
        done: list[dict[str, str]] = []
        Deferred.fromCoroutine(self.cache.texts(fragments, anew=anew)).addCallback(done.append)
        while not done:
            assert self.clock.getDelayedCalls()
            self.clock.advance(0)
        return done[0]


def test_what_shows_the_same_is_not_drawn_again_unless_that_is_wanted() -> None:
    canvas = Canvas()
    assert canvas.texts([canvas.fragment("a", 1), canvas.fragment("b", 1)]) == {
        "a": '<p id="a">1</p>',
        "b": '<p id="b">1</p>',
    }
    assert canvas.texts([canvas.fragment("a", 1), canvas.fragment("b", 2)])["b"] == '<p id="b">2</p>'
    assert canvas.drawn == ["a", "b", "b"]
    canvas.texts([canvas.fragment("a", 1)], anew=True)
    assert canvas.drawn == ["a", "b", "b", "a"]


def test_parts_stand_in_their_whole_as_they_are_now() -> None:
    canvas = Canvas()
    whole = canvas.fragment("list", ("a", "b"), ("a", "b"))
    for shows in (1, 2):
        texts = canvas.texts([canvas.fragment("a", shows), canvas.fragment("b", 0), whole])
        assert texts["list"] == f'<p id="list"><p id="a">{shows}</p><p id="b">0</p></p>'
    assert canvas.drawn == ["a", "b", "list", "a"]


def test_many_are_drawn_over_several_turns() -> None:
    canvas = Canvas()
    fragments = [canvas.fragment(str(number)) for number in range(2 * page.AT_ONCE + 1)]
    running = Deferred.fromCoroutine(canvas.cache.texts(fragments))
    assert len(canvas.drawn) == page.AT_ONCE
    assert not running.called
    canvas.clock.advance(0)
    assert len(canvas.drawn) == len(fragments)
    assert running.called


def test_what_is_remembered_is_bounded() -> None:
    canvas = Canvas()
    for number in range(3 * page.MOST):
        canvas.texts([canvas.fragment(str(number))])
        assert len(canvas.cache._drawn) <= page.MOST


def test_text_is_never_a_hole() -> None:
    html = flat(tags.p("<!--hole parts-->", hole("parts"), title="<!--hole parts-->"))
    assert filled(html, {"parts": "<!--hole parts-->"}).count("<!--hole parts-->") == 1
