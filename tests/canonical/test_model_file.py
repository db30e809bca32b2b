"""The file of models: what it may say, and how it corrects what this release knows."""

from __future__ import annotations

import re
from pathlib import Path
from time import process_time

import pytest

from antigravity_proxy.canonical.call import Call, Reasoning
from antigravity_proxy.canonical.catalogue import Catalogue
from antigravity_proxy.canonical.model_file import BUNDLED, MAX_ENTRIES, MAX_FILE, ModelsError, parse
from antigravity_proxy.canonical.models import Thinking
from antigravity_proxy.canonical.offers import Offer
from antigravity_proxy.canonical.router import Router, Routing


def test_one_field_of_a_model_is_corrected_and_all_else_stays() -> None:
    table = parse('[accounts."gemini-3-flash"]\noutput = 8192\n')
    assert table.accounts["gemini-3-flash"].output == 8192
    assert table.accounts["gemini-3-flash"].thinking == Thinking(128, 32_768)
    assert (table.told, BUNDLED.told) == ("gemini-3-flash", "")
    unlike = [name for name, model in table.accounts.items() if model != BUNDLED.accounts[name]]
    assert (unlike, table.official, table.same) == (["gemini-3-flash"], BUNDLED.official, BUNDLED.same)
    assert parse("").accounts == BUNDLED.accounts


def test_a_model_is_added_with_names_that_mean_it() -> None:
    table = parse(
        """
        [accounts."gemini-4-flash-tiered"]
        name = "Gemini 4 Flash"
        official = "gemini-4-flash"
        level = "LOW"

        [official."gemini-4-flash"]
        levels = ["HIGH", "LOW"]
        at = ["gemini"]

        [[alias]]
        names = ["house-*", "gpt-5"]
        model = "gemini-4-flash-tiered"
        low = "gemini-3-flash"

        [names]
        fallback = "gemini-4-flash-tiered"
        """
    )
    catalogue = Catalogue(table=table)
    added = catalogue.resolve("gemini-4-flash-tiered")
    assert (added.display_name, added.family, added.generation, added.takes_prefill) == (
        "Gemini 4 Flash", "gemini", 4.0, False,
    )  # fmt: skip
    for name, reasoning, expected in (
        ("house-model", Reasoning(), "gemini-4-flash-tiered"),
        ("gpt-5", Reasoning(), "gemini-4-flash-tiered"),
        ("gpt-5", Reasoning("off"), "gemini-3-flash"),
        ("gpt-5-mini", Reasoning(), "gemini-3-flash"),
        ("no-such-model", Reasoning(), "gemini-4-flash-tiered"),
    ):
        assert catalogue.resolve(name, reasoning).id == expected, name
    assert "gemini-4-flash-tiered" in {model.id for model in catalogue.public()}
    routing = Routing(serving=frozenset({"accounts", "gemini", "vertex"}))
    [route] = Router(catalogue, routing).routes(Call("gemini-4-flash-tiered", ()))
    assert [(model.upstream, model.id, model.level) for model in route] == [
        ("accounts", "gemini-4-flash-tiered", ""),
        ("gemini", "gemini-4-flash", "LOW"),
    ]
    assert route[1].levels == ("LOW", "HIGH")


def test_a_rule_speaks_of_models_that_stand_nowhere() -> None:
    table = parse('[[rule]]\nof = "claude"\nfrom = 6\nbelow = 7\nat = ["vertex"]\ncontext = 500_000\nthinking = false')
    assert table.official_model("claude-opus-6", "vertex").context == 500_000
    assert table.official_model("claude-opus-6", "vertex").thinking is None
    for identity, upstream in (("claude-opus-7", "vertex"), ("claude-opus-5", "vertex"), ("gemini-6-pro", "vertex")):
        assert table.official_model(identity, upstream) == BUNDLED.official_model(identity, upstream)
    assert table.account_model("claude-opus-6").context == 200_000


def test_a_model_that_vertex_has_no_more() -> None:
    table = parse('[official."claude-opus-4-6"]\ngone = true\n')
    assert table.claude_id("claude-opus-4-6") is None
    assert "claude-opus-4-6-thinking" not in table.same
    router = Router(Catalogue(table=table), Routing(serving=frozenset({"accounts", "vertex"})))
    assert [model.upstream for model in router.routes(Call("claude-opus-4-6", ()))[0]] == ["accounts"]


def test_a_name_with_many_wildcards_costs_time_that_grows_with_its_length_alone() -> None:
    catalogue = Catalogue(table=parse(f'[[alias]]\nnames = ["{"a*" * 90}b"]\nmodel = "gemini-3-flash"\n'))
    began = process_time()
    catalogue.resolve("a" * 200)
    assert process_time() - began < 0.1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x", "it is not TOML: Expected '='"),
        ("\n\n[nonsense]\n", "line 3: 'nonsense' is unknown; [names], [[alias]]"),
        ("names = 1", "line 1 (names): it is not a table"),
        ("accounts = 3", "line 1: 'accounts' is not a table"),
        ("alias = {}", "line 1: 'alias' is not a list"),
        ("accounts.x = 3", "line 1 (accounts.x): it is not a table"),
        (
            '\n[accounts."gemini-3-flash"]\n\ncontxt = 1',
            "line 4 (accounts.gemini-3-flash): 'contxt' is unknown; acc",
        ),
        ('[accounts."gemini-3-flash"]\n"a b" = 1', "a name that can't be one is unknown"),
        ('[accounts."gemini-3-flash"]\ncontext = "4"', "line 2 (accounts.gemini-3-flash): 'context' takes a number of"),
        ('[accounts."gemini-3-flash"]\ncontext = -1', "'context' takes a number of tokens"),
        ('[accounts."gemini-3-flash"]\noutput = 1.5', "'output' takes a number of tokens"),
        ('[accounts."gemini-3-flash"]\ntakes_prefill = 1', "'takes_prefill' takes true or false"),
        ('[accounts."gemini-3-flash"]\nthinking = true', "'thinking' takes false, or {minimum"),
        ('[accounts."gemini-3-flash"]\nthinking = {minimum = 1}', "'thinking' takes false, or {minimum"),
        ('[accounts."gemini-3-flash"]\nthinking = {minimum = 2, maximum = 1}', "'thinking' has a minimum above"),
        ('[accounts."gemini-3-flash"]\nthinking = {minimum = 2, maximum = 5, fixed = 6}', "'fixed' outside"),
        ('[accounts."gemini-3-flash"]\ngeneration = nan', "'generation' takes a number such as 3.5"),
        ('[accounts."gemini-3-flash"]\nname = "a\\nb"', "'name' takes a text in one line"),
        ('[accounts."gemini-3-flash"]\nofficial = "gemini-3-flsh"', '[official."gemini-3-flsh"] would add it'),
        ('[accounts."Gemini-3"]\n', "line 1: 'Gemini-3' is not a model's id, which has small letters"),
        ('[official."claude-opus-5"]\nat = ["accounts"]', "line 2 (official.claude-opus-5): 'at' takes a list"),
        ('[official."gemini-3.8-flash"]\ngone = true', "(names): there is no model 'gemini-3.8-flash'"),
        ('[[rule]]\nof = "gpt"', "line 2 (rule): 'of' takes gemini, claude or gpt-oss"),
        ('[[rule]]\n[[rule]]\nfrom = "3"', "line 3 (rule): 'from' takes a generation such as 3.5"),
        ('[[alias]]\nnames = ["x"]', "line 1 (alias): 'model' is missing: a model's id"),
        ('[[alias]]\nnames = []\nmodel = "gemini-3-flash"', "line 2 (alias): 'names' takes a list of patterns"),
        ('[[alias]]\nnames = ["x"]\nmodel = "nothing"', "line 3 (alias): there is no model 'nothing'"),
        ('[names]\nsearch = "nothing"', "line 2 (names): there is no model 'nothing'"),
        ("[[rule]]\n" * (MAX_ENTRIES + 1), f"it holds more than {MAX_ENTRIES} models"),
        ("a = " + "[" * 5000, "it is not TOML"),
    ],
)
def test_a_mistake_is_told_in_one_line_with_its_place(text: str, words: str) -> None:
    with pytest.raises(ModelsError) as raised:
        parse(text)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 600


def test_the_largest_file_is_read_in_a_moment() -> None:
    entries = "".join(f'[accounts."m-{i}"]\ncontext = {i}\n' for i in range(MAX_ENTRIES))
    assert len(entries) < MAX_FILE
    began = process_time()
    table = parse(entries)
    assert process_time() - began < 1.0
    assert table.told.endswith(f"m-19 and {MAX_ENTRIES - 20} more")


def test_upstreams_word_beats_the_bundled_file_and_the_operators_beats_that() -> None:
    table = parse(
        '[accounts."gemini-3-flash"]\noutput = 5\n'
        '[official."gemini-3.8-flash"]\nthinking = {minimum = 1, maximum = 9}\n'
    )
    offer = Offer("", "Told", 7, 7, thinks=False)
    corrected = table.as_offered(table.accounts["gemini-3-flash"], offer)
    assert (corrected.display_name, corrected.context, corrected.output) == ("Told", 7, 5)
    assert BUNDLED.as_offered(BUNDLED.accounts["gemini-3-flash"], offer).output == 7
    assert table.official_model("gemini-3.8-flash", "gemini", "", offer).thinking == Thinking(1, 9)
    assert table.official_model("gemini-3.8-flash", "vertex", "", offer).output == 7
    assert table.official_model("gemini-3.7-flash", "gemini", "", offer).thinking is None


def test_the_references_examples_are_files_that_are_taken() -> None:
    text = (Path(__file__).parents[2] / "docs/reference/models.md").read_text()
    examples = re.findall(r"```toml\n(.*?)```", text, re.S)
    assert len(examples) == 3
    assert all(parse(example).corrected for example in examples)
