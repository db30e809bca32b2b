"""Routes: who can serve a name, in which order, and always by the same model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from antigravity_proxy.canonical.call import Call, OutputFormat, Reasoning, Speech
from antigravity_proxy.canonical.catalogue import CACHED_NAMES, MAX_NAME, Catalogue
from antigravity_proxy.canonical.model_file import BUNDLED
from antigravity_proxy.canonical.offers import Offer, Offers
from antigravity_proxy.canonical.router import Router, Routing
from antigravity_proxy.errors import ModelNotFound

EMBEDDING = [name for name, model in BUNDLED.official["gemini"].items() if model.makes == "vectors"]
ALL = frozenset({"accounts", "gemini", "vertex"})


def route(name: str, router: Router | None = None, **call: object) -> list[tuple[str, str, str]]:
    """Upstream, id and level of each model of the first route."""
    [found, *_] = (router or Router(Catalogue(), Routing(serving=ALL))).routes(Call(name, (), **call))  # type: ignore[arg-type]
    return [(model.upstream, model.id, model.level) for model in found]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "gemini-3.1-pro",
            [
                ("accounts", "gemini-pro-agent", ""),
                ("gemini", "gemini-3.1-pro-preview", "HIGH"),
                ("vertex", "gemini-3.1-pro-preview", "HIGH"),
            ],
        ),
        (
            "gemini-3-flash",
            [
                ("accounts", "gemini-3-flash", ""),
                ("gemini", "gemini-3-flash-preview", ""),
                ("vertex", "gemini-3-flash-preview", ""),
            ],
        ),
        ("gemini-3.8-flash", [("gemini", "gemini-3.8-flash", ""), ("vertex", "gemini-3.8-flash", "")]),
        ("models/gemini-3.8-flash", [("gemini", "gemini-3.8-flash", ""), ("vertex", "gemini-3.8-flash", "")]),
        ("gemini/gemini-3-flash", [("gemini", "gemini-3-flash-preview", "")]),
        ("accounts/gemini-3-flash", [("accounts", "gemini-3-flash", "")]),
        ("claude-opus-4-6", [("accounts", "claude-opus-4-6-thinking", ""), ("vertex", "claude-opus-4-6", "")]),
        ("claude-sonnet-4-5-20250929", [("vertex", "claude-sonnet-4-5@20250929", "")]),
        ("claude-sonnet-4-5", [("vertex", "claude-sonnet-4-5@20250929", "")]),
        ("claude-haiku-4-5", [("vertex", "claude-haiku-4-5@20251001", "")]),
        ("gpt-oss-120b", [("accounts", "gpt-oss-120b-medium", "")]),
    ],
)
def test_who_serves_a_name(name: str, expected: list[tuple[str, str, str]]) -> None:
    assert route(name) == expected


@pytest.mark.parametrize("lacking", ["", "gemini", "vertex"])
@pytest.mark.parametrize("pin", ["", "accounts/", "gemini/", "vertex/"])
def test_an_official_id_is_served_by_nothing_else(lacking: str, pin: str) -> None:
    """Also where one of the two is known not to offer it, and whatever the accounts would answer with."""
    same = {ours: identity for ours, (identity, _) in BUNDLED.same.items()}
    for identity in {*BUNDLED.official["gemini"], *BUNDLED.official["vertex"]} - set(EMBEDDING):
        others = [Offer(each, "") for each in BUNDLED.official[lacking] if each != identity] if lacking else []
        if all(identity not in BUNDLED.official[name] for name in ("gemini", "vertex") if name != lacking):
            continue  # nobody has it: a name like any other
        router = Router(Catalogue(), Routing(serving=ALL, offered={lacking: Offers(models=tuple(others))}))
        try:
            found = route(pin + identity.replace("@", "-"), router)
        except ModelNotFound:
            continue
        assert {same.get(served, served) for _, served, _ in found} == {identity}, found


@pytest.mark.parametrize("name", EMBEDDING)
def test_what_makes_vectors_only_does_not_chat(name: str) -> None:
    with pytest.raises(ModelNotFound, match="/v1/embeddings"):
        route(name)


def test_what_speaks_only_does_not_write() -> None:
    name = "gemini-3.8-flash-tts"
    with pytest.raises(ModelNotFound, match="/v1/audio/speech"):
        route(name)
    spoken = route(name, extra_config={"responseModalities": Raw(b'["AUDIO"]')})
    assert ("gemini", name, "") in spoken


def test_the_depth_that_is_asked_for_is_the_models() -> None:
    assert route("gemini-3.1-pro", reasoning=Reasoning(effort="low"))[1] == (
        "gemini",
        "gemini-3.1-pro-preview",
        "LOW",
    )


def test_the_order_and_its_exceptions() -> None:
    routing = Routing(("gemini", "accounts"), (("gemini-3-*", ("accounts",)),), ALL)
    router = Router(Catalogue(), routing)
    assert [upstream for upstream, *_ in route("gemini-3.1-pro", router)] == ["gemini", "accounts"]
    assert [upstream for upstream, *_ in route("gemini-3-flash", router)] == ["accounts"]


def test_only_accounts_are_as_ever() -> None:
    router = Router(Catalogue())
    assert route("gemini-3.8-flash", router)[0][0] == "accounts"
    assert router.public() == router.catalogue.public()
    assert router.ids("accounts") == router.catalogue.ids
    assert router.find("gpt-4o-mini") is not None
    with pytest.raises(ModelNotFound, match="GEMINI_API_KEYS"):
        router.routes(Call("gemini/gemini-3-flash", ()))
    assert router.first("vertex/x") is None


CALLS = st.builds(
    Call,
    model=st.sampled_from(
        ["gemini-3.1-pro", "gemini-3-flash", "claude-x", "accounts/gemini-3.1-pro", "a/b", "many", "x" * 999]
    ),
    contents=st.just(()),
    web_search=st.booleans(),
    output=st.sampled_from([OutputFormat(), OutputFormat("json"), OutputFormat("image")]),
    reasoning=st.sampled_from([Reasoning(), Reasoning("off"), Reasoning(effort="low"), Reasoning(budget=9000)]),
)
MANY = Catalogue(aliases={"many": ("gemini-3-flash", "claude-sonnet-4-6")})


@given(calls=st.lists(CALLS, min_size=1, max_size=12))
def test_what_is_kept_of_calls_before_is_what_a_call_gets_by_itself(calls: list[Call]) -> None:
    router = Router(MANY)
    assert [router.routes(each) for each in calls] == [Router(MANY).routes(each) for each in calls]
    assert not any(len(name) > MAX_NAME for name, _ in router.plain)


def test_of_very_many_names_the_first_are_kept() -> None:
    router = Router(Catalogue())
    for number in range(CACHED_NAMES + 9):
        router.routes(Call(f"m{number}", ()))
        assert router.knows(f"gpt-{number}-latest")
    assert len(router.plain) == CACHED_NAMES
    assert len(router.known) == CACHED_NAMES
    assert not Router(Catalogue()).knows("m1")


OFFERS = Offers((Offer("gemini-3.8-flash", "Flash", 1000, 500, True), Offer("gemini-9-flash", thinks=False)))


def test_what_is_offered_beats_the_tables() -> None:
    router = Router(Catalogue(), Routing(serving=frozenset({"gemini"}), offered={"gemini": OFFERS}))
    [model] = router.routes(Call("gemini-3.8-flash", ()))[0]
    assert (model.display_name, model.context, model.output) == ("Flash", 1000, 500)
    assert [each.id for each in router.public()] == ["gemini-3.8-flash", "gemini-9-flash"]
    assert router.find("gemini-9-flash") is not None
    assert router.find("gemini-pro") is None
    assert router.knows("gemini-9-flash")
    assert list(router.ids("gemini")) == ["gemini-3.8-flash", "gemini-9-flash"]
    assert route("nobody-knows-this", router) == [("gemini", "gemini-9-flash", "")]
    with pytest.raises(ModelNotFound, match="No upstream here"):
        router.routes(Call("gemini-3.1-pro", ()))
    with pytest.raises(ModelNotFound):
        router.routes(Call("gemini-3-flash", (), output=OutputFormat("image")))


def test_pictures_of_models_that_make_none() -> None:
    found = route("gemini-3-flash", output=OutputFormat("image"))
    assert ("gemini", "gemini-3.1-flash-image", "") in found


def test_an_unknown_name_with_both_official_upstreams_goes_to_the_keys() -> None:
    router = Router(Catalogue(), Routing(serving=frozenset({"gemini", "vertex"})))
    assert route("nobody-knows-this", router) == [("gemini", BUNDLED.official_fallback, "")]


def test_an_operators_alias_may_name_an_upstream() -> None:
    router = Router(Catalogue(aliases={"fast": ("gemini/gemini-3.8-flash", "claude-opus-4-6")}), Routing(serving=ALL))
    routes = router.routes(Call("fast", ()))
    assert [[model.upstream for model in each] for each in routes] == [["gemini"], ["accounts", "vertex"]]
    assert router.catalogue.mapped("x" * 300) is None


def test_claudes_names_with_keys_of_the_gemini_api_alone() -> None:
    """Never another family's by itself: the operator says so, for a client such as Claude Code as it comes."""
    alone = Routing(serving=frozenset({"gemini"}))
    with pytest.raises(ModelNotFound, match="PROXY_MODEL_ALIASES"):
        route("claude-sonnet-4-6", Router(Catalogue(), alone))
    aliased = Router(Catalogue(aliases={"claude-*": ("gemini-3.8-flash",)}), alone)
    assert route("claude-haiku-4-5-20251001", aliased) == [("gemini", "gemini-3.8-flash", "")]


def test_claudes_names_on_vertex() -> None:
    assert BUNDLED.claude_id("claude-haiku-4-5-20251001") == "claude-haiku-4-5@20251001"
    assert BUNDLED.claude_id("claude-sonnet-4-6-20991231") == "claude-sonnet-4-6"
    assert BUNDLED.claude_id("claude-2") is None


def test_what_only_official_upstreams_can() -> None:
    router = Router(Catalogue(aliases={"vec": ("gemini/gemini-embedding-2",)}), Routing(serving=ALL))
    for name in ("vec", "gemini-embedding-2"):
        model, *others = router.special(name, "vectors")
        assert (model.upstream, model.id, model.thinking) == ("gemini", "gemini-embedding-2", None)
        assert [other.upstream for other in others] == ([] if name == "vec" else ["vertex"])
    with pytest.raises(ModelNotFound, match="ask for gemini-embedding-001, gemini-embedding-2"):
        router.special("text-embedding-3-small", "vectors")
    with pytest.raises(ModelNotFound, match="set GEMINI_API_KEYS"):
        Router(Catalogue()).special("x", "vectors")
    offered = Router(Catalogue(), Routing(serving=ALL - {"vertex"}, offered={"gemini": OFFERS}))
    with pytest.raises(ModelNotFound, match="no model that is offered"):
        offered.special("x", "speech")
    assert len(offered.public()) == len(offered.public())


def test_speech_is_asked_for_by_a_call() -> None:
    router = Router(Catalogue(), Routing(serving=ALL))
    assert route("gemini-3.8-flash-tts", router, speech=Speech("Kore")) == [
        ("gemini", "gemini-3.8-flash-tts", ""),
        ("vertex", "gemini-3.8-flash-tts", ""),
    ]


def test_a_picture_of_a_model_that_makes_none_is_made_by_one_that_does() -> None:
    models = route("gemini-3.8-flash", Router(Catalogue(), Routing(serving=ALL)), output=OutputFormat(kind="image"))
    assert [each for each in models if each[0] != "accounts"]
    assert all("image" in id for upstream, id, _ in models if upstream != "accounts")


@pytest.mark.parametrize(
    ("field", "first"),
    [
        ("cachedContent", "gemini"),
        ("continuationToken", "gemini"),
        ("modelArmorConfig", "gemini"),
        ("labels", "accounts"),
    ],
)
def test_no_account_answers_without_what_a_request_rests_on(field: str, first: str) -> None:
    given = {field: Raw(b'"x"')}
    assert route("gemini-3-flash", official=given)[0][0] == first
    assert route("gemini-3-flash", Router(Catalogue()), official=given) == [("accounts", "gemini-3-flash", "")]
