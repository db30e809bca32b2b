"""Public names and what they mean upstream."""

from __future__ import annotations

import pytest

from antigravity_proxy.canonical.call import Call, FunctionDeclaration, OutputFormat, Reasoning
from antigravity_proxy.canonical.content import Content, Part
from antigravity_proxy.canonical.models import FALLBACK, IMAGE_MODEL, MODELS, SEARCH_MODEL, Catalogue, PublicModel

CATALOGUE = Catalogue()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((identity, identity) for identity in MODELS if not identity.startswith("gemini-2.5")),
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
        ("llama-4", FALLBACK),
        ("", FALLBACK),
        ("gemini-" + "pro" * 100_000, FALLBACK),
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
        ("dated", FALLBACK),
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
        ("claude-opus-5", "claude", 0.0, False, True),
        ("gpt-oss-20b", "gpt-oss", 0.0, False, False),
        ("something", "gemini", 3.0, False, True),
    ],
)
def test_a_model_that_the_tables_do_not_know_has_its_familys_manners(
    identity: str, family: str, generation: float, image: bool, thinks: bool
) -> None:
    catalogue = Catalogue(offered={identity})
    model = catalogue.resolve(identity)
    assert (model.id, model.family, model.generation, model.image) == (identity, family, generation, image)
    assert (model.thinking is not None) is thinks
    assert catalogue.find(identity) is not None


def test_what_is_offered_decides() -> None:
    catalogue = Catalogue(
        {"mine": "gemini-pro-agent"},
        offered=[
            "gemini-2.5-flash",
            "claude-sonnet-4-6",
            "gemini-3.9-flash",
            "gemini-3-pro-image",
            "chat_20706",
            "tab_x",
        ],
    )
    expected = {
        "gemini-2.5-flash": "gemini-2.5-flash",
        "gemini-3.9-flash": "gemini-3.9-flash",
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


def test_web_search_goes_to_a_model_that_can_search() -> None:
    contents = (Content("user", (Part(text="?"),)),)
    tool = FunctionDeclaration("f")
    for call, expected in (
        (Call("claude-opus-4-6", contents), "claude-opus-4-6-thinking"),
        (Call("claude-opus-4-6", contents, web_search=True), SEARCH_MODEL),
        (Call("gemini-3-pro-image", contents, web_search=True), SEARCH_MODEL),
        (Call("claude-opus-4-6", contents, web_search=True, tools=(tool,)), "claude-opus-4-6-thinking"),
        (Call("gemini-3.1-pro", contents, web_search=True), "gemini-pro-agent"),
    ):
        assert CATALOGUE.serving(call).id == expected


def test_a_picture_is_asked_of_a_model_that_makes_some() -> None:
    def serving(name: str, catalogue: Catalogue = CATALOGUE) -> str:
        return catalogue.serving(Call(name, (), output=OutputFormat("image"))).id

    assert serving("gemini-3-flash") == serving("nonsense") == serving("gpt-image-1") == IMAGE_MODEL
    assert serving("gemini-3-pro-image-4k") == "gemini-3-pro-image"
    assert serving("nonsense", Catalogue(offered=("gemini-3-flash", "gemini-3-pro-image"))) == "gemini-3-pro-image"


def test_the_list_is_sorted_and_has_ids_aliases_and_the_users_names() -> None:
    catalogue = Catalogue({"house-model": "claude-opus-4-6", "any-*": "gpt-5", "o9": "gpt-5"})
    names = [model.id for model in catalogue.public()]
    assert names == sorted(set(names))
    assert {*MODELS, "gpt-5", "house-model"} <= set(names)
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


def test_the_families_manners() -> None:
    manners = {
        name: (model.takes_prefill, model.needs_signatures, model.reads_media_in_results)
        for name in (
            "gemini-3-flash",
            "gemini-2.5-pro",
            "gemini-3.6-flash-high",
            "gemini-3-pro-image",
            "claude-sonnet-4-6",
        )
        if (model := MODELS[name])
    }
    assert manners == {
        "gemini-3-flash": (True, True, True),
        "gemini-2.5-pro": (True, False, False),
        "gemini-3.6-flash-high": (False, True, True),
        "gemini-3-pro-image": (True, False, True),
        "claude-sonnet-4-6": (False, False, False),
    }
