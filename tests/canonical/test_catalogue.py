"""Public names and what they mean upstream."""

from __future__ import annotations

import pytest

from antigravity_proxy.canonical.call import Call, Effort, FunctionDeclaration, OutputFormat, Reasoning
from antigravity_proxy.canonical.catalogue import Catalogue, PublicModel
from antigravity_proxy.canonical.content import Content, Part
from antigravity_proxy.canonical.model_file import BUNDLED
from antigravity_proxy.canonical.models import Thinking
from antigravity_proxy.canonical.offers import Offer, Offers

CATALOGUE = Catalogue()


def offering(*names: str) -> Offers:
    return Offers(tuple(map(Offer, names)))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((identity, identity) for identity in BUNDLED.accounts if not identity.startswith("gemini-2.5")),
        ("models/gemini-3-flash", "gemini-3-flash"),
        ("models/google/gemini-3-flash", "gemini-3-flash"),
        ("Anthropic/Claude-Opus-4-6", "claude-opus-4-6-thinking"),
        ("claude-opus-4-20250514", "claude-opus-4-6-thinking"),
        ("claude-opus-4-8", "claude-opus-4-6-thinking"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-6"),
        ("claude-3-7-sonnet-latest", "claude-sonnet-4-6"),
        ("claude-haiku-4-5-20251001", "claude-sonnet-4-6"),
        ("claude-next", "claude-sonnet-4-6"),
        ("gemini-3.1-pro-preview", "gemini-pro-agent"),
        ("gemini-2.5-pro", "gemini-pro-agent"),
        ("gemini-pro-latest", "gemini-pro-agent"),
        ("gemini-3-pro-low", "gemini-3.1-pro-low"),
        ("gemini-2.5-flash", "gemini-3-flash"),
        ("gemini-2.5-flash-lite", "gemini-3.1-flash-lite"),
        ("gemini-flash-lite-latest", "gemini-3.1-flash-lite"),
        ("gemini-3.8-flash", "gemini-3-flash"),
        ("gemini-3-pro-image-preview", "gemini-3-pro-image"),
        ("gemini-2.5-flash-image", "gemini-3.1-flash-image"),
        ("gpt-image-1", "gemini-3.1-flash-image"),
        ("dall-e-3", "gemini-3.1-flash-image"),
        ("openai/gpt-oss-20b", "gpt-oss-120b-medium"),
        ("gpt-5-mini", "gemini-3-flash"),
        ("gpt-5.4-nano", "gemini-3-flash"),
        ("gpt-4o-mini-2024-07-18", "gemini-3-flash"),
        ("gpt-3.5-turbo", "gemini-3-flash"),
        ("whisper-1", "gemini-3-flash"),
        ("gpt-4o-mini-transcribe", "gemini-3-flash"),
        ("gpt-5", "gemini-pro-agent"),
        ("o3", "gemini-pro-agent"),
        ("codex-max", "gemini-pro-agent"),
        ("llama-4", BUNDLED.fallback),
        ("", BUNDLED.fallback),
        ("gemini-" + "pro" * 100_000, BUNDLED.fallback),
    ],
)
def test_a_name_means_this_model(name: str, expected: str) -> None:
    assert CATALOGUE.resolve(name).id == expected


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("gemini-3.5-flash", ("gemini-3-flash-agent", "gemini-3.5-flash-low", "gemini-3.5-flash-extra-low")),
        ("gemini-3.1-pro", ("gemini-pro-agent", "gemini-pro-agent", "gemini-3.1-pro-low")),
        ("gemini-3-flash", ("gemini-3-flash",) * 3),
    ],
)
def test_the_depth_of_thinking_chooses_the_tier(name: str, ids: tuple[str, str, str]) -> None:
    high, medium, low = ids
    for said, expected in (
        (Reasoning(), high),
        (Reasoning("auto", -1), high),
        (Reasoning("on", effort="max"), high),
        (Reasoning("on", 7000), high),
        (Reasoning("on", effort="medium"), medium),
        (Reasoning("on", 6999), medium),
        (Reasoning("on", 2000), medium),
        (Reasoning("on", 1999), low),
        (Reasoning("on", effort="low"), low),
        (Reasoning("on", effort="minimal"), low),
        (Reasoning("off"), low),
    ):
        assert CATALOGUE.resolve(name, said).id == expected, said


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("claude-opus-4-6", "gemini-3-flash"),  # exact, and custom before anthropic
        ("Claude-Sonnet-4-5-20250929", "claude-opus-4-6-thinking"),  # the name without its date
        ("dated-20250101", "gemini-pro-agent"),  # the name with its date first
        ("dated", BUNDLED.fallback),
        ("claude-haiku-4-5", "gemini-3.1-flash-lite"),  # the pattern with most literal characters
        ("claude-instant", "gemini-3-flash"),
        ("gpt-4", "gemini-pro-agent"),  # a public name again
        ("house-model", "gemini-9-ultra"),  # an id that the tables don't know
        ("gemini-3.1-flash-lite", "gemini-2.5-flash"),  # before the id itself; an older one, as it is
    ],
)
def test_the_users_mapping_comes_first(name: str, expected: str) -> None:
    catalogue = Catalogue(
        {
            "claude-opus-4-6": "gemini-3-flash",
            "dated-20250101": "gpt-5",
            "claude-haiku-*": "gemini-3.1-flash-lite",
            "gpt-4": "models/gpt-5",
            "house-model": "gemini-9-ultra",
            "gemini-3.1-flash-lite": "gemini-2.5-flash",
        },
        {
            "claude-opus-4-6": "claude-sonnet-4-6",
            "claude-sonnet-4-5": "claude-opus-4-6-thinking",
            "claude-*": "gemini-3-flash",
        },
    )
    assert catalogue.resolve(name).id == expected


@pytest.mark.parametrize(
    ("identity", "family", "generation", "image", "thinks"),
    [
        ("gemini-3.9-flash", "gemini", 3.9, False, True),
        ("gemini-4-pro-image", "gemini", 4.0, True, False),
        ("claude-opus-5", "claude", 5.0, False, True),
        ("gpt-oss-20b", "gpt-oss", 0.0, False, False),
        ("something", "gemini", 3.0, False, True),
    ],
)
def test_a_model_that_the_tables_do_not_know_has_its_familys_manners(
    identity: str, family: str, generation: float, image: bool, thinks: bool
) -> None:
    catalogue = Catalogue(offers=offering(identity))
    model = catalogue.resolve(identity)
    assert (model.id, model.family, model.generation, model.image) == (identity, family, generation, image)
    assert (model.thinking is not None) is thinks
    assert catalogue.find(identity) is not None


def test_what_is_offered_decides() -> None:
    catalogue = Catalogue(
        {"mine": "gemini-pro-agent"},
        offers=offering(
            "gemini-2.5-flash",
            "claude-sonnet-4-6",
            "gemini-3.9-flash",
            "gemini-3-pro-image",
            "gemini-exp-latest",
            "chat_20706",
            "tab_x",
        ),
    )
    expected = {
        "gemini-2.5-flash": "gemini-2.5-flash",
        "gemini-3.9-flash": "gemini-3.9-flash",
        "google/Gemini-exp-latest": "gemini-exp-latest",
        "claude-opus-4-6": "claude-sonnet-4-6",
        "gemini-3-flash": "gemini-2.5-flash",
        "gemini-3.1-flash-image": "gemini-3-pro-image",
        "mine": "gemini-2.5-flash",
        "gpt-oss-120b": "gpt-oss-120b-medium",  # nothing of its family is offered: upstream will say so
    }
    assert {name: catalogue.resolve(name).id for name in expected} == expected
    listed = {model.id for model in catalogue.public()}
    assert {"gemini-2.5-flash", "gemini-3.9-flash", "mine", "gpt-5"} <= listed
    assert not listed & {"chat_20706", "tab_x", "gemini-pro-agent"}
    assert catalogue.ids == (
        "claude-sonnet-4-6",
        "gemini-2.5-flash",
        "gemini-3-pro-image",
        "gemini-3.9-flash",
        "gemini-exp-latest",
    )


def test_a_name_that_leads_to_nothing_offered_is_not_shown() -> None:
    listed = {model.id for model in Catalogue({"mine": "gpt-oss"}, offers=offering("gemini-3-flash")).public()}
    assert listed == {"gemini-3-flash", "gemini-3.1-pro", "gemini-3.5-flash", "gpt-5", "gpt-5-mini", "mine"}


def test_without_a_word_from_upstream_the_tables_count() -> None:
    for offers in (Offers(), offering("chat_1")):
        catalogue = Catalogue(offers=offers)
        assert catalogue.ids == tuple(sorted(BUNDLED.accounts))
        assert catalogue.resolve("gemini-pro").id == "gemini-pro-agent"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gemini-old", "gemini-3.9-pro"),  # two hops
        ("gemini-3.1-pro-high", "gemini-3.9-pro"),  # what the tables say has been replaced
        ("mine", "gemini-3.9-pro"),
        ("gemini-a", "gemini-3-flash"),  # too many hops: the first offered one of its kind
        ("gemini-ring", "gemini-3-flash"),
        ("gemini-3-flash", "gemini-3-flash"),  # still offered, so not forwarded
        ("claude-2", "claude-9"),  # what replaced it is not offered, but its family is
    ],
)
def test_a_replaced_id_leads_to_its_successor(name: str, expected: str) -> None:
    replaced = {
        "gemini-old": "gemini-less-old",
        "gemini-less-old": "gemini-3.9-pro",
        "gemini-pro-agent": "gemini-3.9-pro",
        "gemini-3-flash": "gemini-3.9-pro",
        "gemini-a": "gemini-b",
        "gemini-b": "gemini-c",
        "gemini-c": "gemini-d",
        "gemini-d": "gemini-3.9-pro",
        "gemini-ring": "gemini-ring",
        "claude-2": "claude-3",
    }
    offers = Offers(offering("claude-9", "gemini-3-flash", "gemini-3.9-pro").models, tuple(replaced.items()))
    assert Catalogue({"mine": "gemini-old"}, offers=offers).resolve(name).id == expected


def test_what_upstream_says_of_a_model_beats_the_tables() -> None:
    offers = Offers(
        (
            Offer("claude-sonnet-4-6", "Sonnet", output=32_000),
            Offer("gemini-3-flash", context=500_000, thinks=False),
            Offer("gemini-plain", "Plain", 1000, 100, thinks=False),
        )
    )
    catalogue = Catalogue(offers=offers)
    sonnet, flash, plain = map(catalogue.resolve, ("claude-sonnet-4-5", "gemini-3-flash", "gemini-plain"))
    assert (sonnet.display_name, sonnet.context, sonnet.output) == ("Sonnet", 200_000, 32_000)
    assert (flash.display_name, flash.context, flash.output) == ("Gemini 3 Flash", 500_000, 65_536)
    assert flash.thinking == Thinking(128, 32_768)
    assert (plain.display_name, plain.context, plain.output, plain.thinking) == ("Plain", 1000, 100, None)
    assert catalogue.find("gemini-plain") == PublicModel("gemini-plain", "google", "Plain", 1000, 100, False)


def test_web_search_goes_to_a_model_that_can_search() -> None:
    contents = (Content("user", (Part(text="?"),)),)
    tool = FunctionDeclaration("f")
    for call, expected in (
        (Call("claude-opus-4-6", contents), "claude-opus-4-6-thinking"),
        (Call("claude-opus-4-6", contents, web_search=True), BUNDLED.search),
        (Call("gemini-3-pro-image", contents, web_search=True), BUNDLED.search),
        (Call("claude-opus-4-6", contents, web_search=True, tools=(tool,)), "claude-opus-4-6-thinking"),
        (Call("gemini-3.1-pro", contents, web_search=True), "gemini-pro-agent"),
    ):
        assert CATALOGUE.serving(call)[0].id == expected


def test_what_can_search_is_as_upstream_says() -> None:
    names = offering("gemini-3-flash", "gemini-4-flash", "gemini-pro-agent").models
    call = Call("gemini-3.1-pro", (), web_search=True)
    for able, expected in (
        (("gemini-3-flash", "gemini-4-flash"), "gemini-3-flash"),
        (("gemini-pro-agent",), "gemini-pro-agent"),
        (("gemini-4-flash", "not-offered"), "gemini-4-flash"),
        (("not-offered",), "gemini-pro-agent"),
    ):
        assert Catalogue(offers=Offers(names, searching=able)).serving(call)[0].id == expected


def test_a_picture_is_asked_of_a_model_that_makes_some() -> None:
    def serving(name: str, catalogue: Catalogue = CATALOGUE) -> str:
        return catalogue.serving(Call(name, (), output=OutputFormat("image")))[0].id

    assert serving("gemini-3-flash") == serving("nonsense") == serving("gpt-image-1") == BUNDLED.pictures
    assert serving("gemini-3-pro-image-4k") == "gemini-3-pro-image"
    assert (
        serving("nonsense", Catalogue(offers=offering("gemini-3-flash", "gemini-3-pro-image"))) == "gemini-3-pro-image"
    )


def test_the_list_is_sorted_and_has_ids_aliases_and_the_users_names() -> None:
    catalogue = Catalogue({"house-model": "claude-opus-4-6", "any-*": "gpt-5", "o9": "gpt-5"})
    names = [model.id for model in catalogue.public()]
    assert names == sorted(set(names))
    assert {*BUNDLED.accounts, "gpt-5", "house-model"} <= set(names)
    assert "any-*" not in names
    assert catalogue.find("house-model") == PublicModel(
        "house-model", "google", "house-model (Claude Opus 4.6)", 200_000, 64_000, True
    )
    owners = {name: model.owner for name in names if (model := catalogue.find(name)) is not None}
    assert (owners["gpt-oss-120b-medium"], owners["o9"], owners["claude-sonnet-4-6"]) == (
        "openai",
        "openai",
        "anthropic",
    )
    assert catalogue.find("any-*") is None


def test_names_of_clients_do_not_fill_the_memory() -> None:
    catalogue = Catalogue()
    for i in range(3000):
        catalogue.resolve(f"no-such-model-{i}")
    catalogue.resolve("x" * 201)
    assert len(catalogue._resolved) <= 1024
    assert catalogue.resolve("gemini-3.1-pro").id == "gemini-pro-agent"


OFFERED = (
    "gemini-3.8-flash-high", "gemini-3.8-flash-medium", "gemini-3.8-flash-low", "gemini-3-flash", "gemini-pro-agent",
    "gemini-3.1-pro-low", "claude-opus-4-7-thinking", "claude-sonnet-4-6", "gemini-4-pro-tiered",
    "gemini-4-flash-lite-preview",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "effort", "expected"),
    [
        # whatever stands before a name
        ("vertex_ai/claude-opus-4-5", None, "claude-opus-4-7-thinking"),
        ("antigravity/gemini-3-flash", None, "gemini-3-flash"),
        ("openrouter/anthropic/claude-opus-4.5", None, "claude-opus-4-7-thinking"),
        ("models/gemini-3-flash", None, "gemini-3-flash"),
        ("openrouter/anthropic/claude-sonnet-4.5:thinking", None, "claude-sonnet-4-6"),
        ("claude-sonnet-4-5@20250929", None, "claude-sonnet-4-6"),
        # a kind, wherever it stands
        ("opus", None, "claude-opus-4-7-thinking"),
        ("claude-4-opus", None, "claude-opus-4-7-thinking"),
        ("claude-3-7-sonnet-latest", None, "claude-sonnet-4-6"),
        ("sonnet", None, "claude-sonnet-4-6"),
        ("haiku", None, "claude-sonnet-4-6"),
        # a generation and a kind, by the depth that is asked for
        ("gemini-3.8-flash", None, "gemini-3.8-flash-high"),
        ("gemini-3.8-flash", "medium", "gemini-3.8-flash-medium"),
        ("gemini-3.8-flash", "low", "gemini-3.8-flash-low"),
        ("gemini-3.8-flash-low", "high", "gemini-3.8-flash-low"),
        ("gemini-3.8-flash-preview", "medium", "gemini-3.8-flash-medium"),
        ("gemini-3.1-pro", "low", "gemini-3.1-pro-low"),
        ("gemini-3.1-pro-preview", None, "gemini-pro-agent"),
        ("gemini-4-pro", None, "gemini-4-pro-tiered"),
        ("gemini-4-flash-lite", None, "gemini-4-flash-lite-preview"),
        # what is not offered becomes one of its kind, never of another
        ("gemini-3.9-flash-high", None, "gemini-3-flash"),
        ("gemini-3.7-flash-high", None, "gemini-3.8-flash-high"),
        ("gemini-9-pro", None, "gemini-pro-agent"),
        ("gemini-2.5-flash-lite", None, "gemini-4-flash-lite-preview"),
    ],
)
def test_a_name_keeps_its_generation_kind_and_depth(name: str, effort: Effort | None, expected: str) -> None:
    catalogue = Catalogue(offers=offering(*OFFERED))
    reasoning = Reasoning() if effort is None else Reasoning("on", effort=effort)
    assert catalogue.resolve(name, reasoning).id == expected
    assert catalogue.knows(name)
    found = catalogue.find(name)
    assert found is not None
    assert found.id == name


@pytest.mark.parametrize("name", ["llama-3-70b", "meta-llama/llama-3-70b", "x" * 300, "", "gemini", "claud"])
def test_a_name_of_nothing_is_served_and_known_for_it(name: str) -> None:
    catalogue = Catalogue(offers=offering(*OFFERED))
    assert catalogue.resolve(name).id == "gemini-3-flash"
    assert not catalogue.knows(name)
    assert catalogue.find(name) is None


def test_the_operators_aliases_are_stronger_and_may_be_chains() -> None:
    aliases = {
        "best": ("claude-opus-4-8", "gemini-3.1-pro"),
        "gpt-*": ("gemini-3-flash",),
        "fast": ("gemini-3.8-flash",),
    }
    catalogue = Catalogue({"gpt-5": "claude-opus-4-6", "fast": "opus"}, None, offering(*OFFERED), aliases)
    call = Call("best", ())
    assert [model.id for model in catalogue.serving(call)] == ["claude-opus-4-7-thinking", "gemini-pro-agent"]
    assert catalogue.resolve("fast", Reasoning("on", effort="low")).id == "gemini-3.8-flash-low"
    assert catalogue.resolve("openrouter/best").id == "claude-opus-4-7-thinking"
    assert catalogue.resolve("gpt-4o").id == "gemini-3-flash"
    assert catalogue.resolve("gpt-5").id == "gemini-3-flash"
    assert {"best", "fast"} <= {model.id for model in catalogue.public()}
