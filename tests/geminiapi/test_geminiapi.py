"""The Gemini API's wire, and what it tells, without a network."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from antigravity_proxy.canonical.call import Call, OutputFormat, Reasoning
from antigravity_proxy.canonical.content import Content, Part
from antigravity_proxy.canonical.model_file import BUNDLED
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.verdict import Cause, Failure, Scope, Step
from antigravity_proxy.canonical.wire import Access, Quirk
from antigravity_proxy.geminiapi import models_list
from antigravity_proxy.geminiapi.wire import GeminiApi
from antigravity_proxy.generatecontent.days import daily_resets
from antigravity_proxy.generatecontent.thinking import thinking_config
from antigravity_proxy.secret import Secret

ERRORS = json.loads((Path(__file__).parents[1] / "data/official/errors.json").read_text())
WIRE = GeminiApi()
ACCESS = Access(b"https://generativelanguage.googleapis.com/", Secret("AIza-key"), is_key=True)
FLASH = BUNDLED.official["gemini"]["gemini-3.8-flash"]
HELLO = Call("m", (Content("user", (Part(text="Hello"),)),), system=("Be brief.",))


def test_a_stream_is_asked_for_with_the_key_in_a_header_alone() -> None:
    prepared = WIRE.prepare(HELLO, FLASH, frozenset(), "-7")
    sent = prepared.request(ACCESS)
    assert sent.url == (
        b"https://generativelanguage.googleapis.com/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse"
    )
    assert sent.fields == b"\r\nx-goog-api-key: AIza-key"
    assert "sessionId" not in json.loads(sent.body)
    assert (prepared.model, prepared.opening) == (FLASH, "-7")
    assert prepared.restorer() is None  # nothing was changed
    assert prepared.events() is not prepared.events()


def test_a_picture_comes_whole() -> None:
    image = BUNDLED.official["gemini"]["gemini-3.1-flash-image"]
    call = Call("m", HELLO.contents, output=OutputFormat("image"))
    sent = WIRE.prepare(call, image, frozenset(), "").request(ACCESS)
    assert sent.url.endswith(b":generateContent")
    assert json.loads(sent.body)["generationConfig"] == {"responseModalities": ["TEXT", "IMAGE"]}


def test_the_count_is_of_everything_and_taken_as_it_is() -> None:
    count = WIRE.count(HELLO, FLASH)
    sent = count.request(ACCESS)
    inner = json.loads(sent.body)["generateContentRequest"]
    assert (inner["model"], inner["systemInstruction"]["parts"]) == ("models/gemini-3.8-flash", [{"text": "Be brief."}])
    assert [count.read(answer) for answer in (b'{"totalTokens": 11}', b'{"totalTokens": -1}', b"{")] == [11, 0, 0]


def test_a_refused_field_has_its_quirk() -> None:
    assert WIRE.fixes_for(FLASH, "stopSequences: no") == {Quirk.NO_STOP_SEQUENCES}
    assert WIRE.verdict(Cause.SILENT).cause is Cause.SILENT


@pytest.mark.parametrize(
    ("reasoning", "level"),
    [
        (Reasoning("off"), "LOW"),
        (Reasoning(effort="minimal"), "LOW"),
        (Reasoning(effort="low"), "LOW"),
        (Reasoning(effort="medium"), "MEDIUM"),
        (Reasoning(effort="max"), "HIGH"),
        (Reasoning(budget=3000), "MEDIUM"),
        (Reasoning(), ""),
        (Reasoning("auto", budget=-1), ""),
    ],
)
def test_depth_is_a_level(reasoning: Reasoning, level: str) -> None:
    found = thinking_config(reasoning, FLASH)
    assert found is not None
    assert (found.thinking_level, found.thinking_budget) == (level, None)


def test_a_name_that_means_a_depth_keeps_it() -> None:
    found = thinking_config(Reasoning(effort="low"), BUNDLED.official_model("gemini-3.1-pro-preview", "gemini", "HIGH"))
    assert found is not None
    assert found.thinking_level == "HIGH"


def test_models_that_no_table_knows_and_makers() -> None:
    assert BUNDLED.official_model("gemini-5-flash", "gemini").levels == ("LOW", "MEDIUM", "HIGH")
    assert BUNDLED.official_model("gemini-2.0-flash", "gemini").levels == ()
    assert BUNDLED.official_model("gemini-3.8-flash", "vertex").maker == "gemini@vertex"
    assert BUNDLED.official["gemini"]["gemini-3.8-flash"].mixes_tools
    assert not Model("x", "claude", "x").mixes_tools
    assert BUNDLED.newest_flash(["gemini-3.6-flash", "gemini-3.8-flash-tts"]) == "gemini-3.6-flash"


CAUSES = {
    "O1-limit-zero": (Cause.NO_ACCESS, Scope.GROUP_MODEL),
    "O2-per-day": (Cause.QUOTA, Scope.GROUP_MODEL),
    "O3-per-minute": (Cause.RATE_LIMIT, Scope.GROUP_MODEL),
    "O4-prepay": (Cause.SPENT, Scope.GROUP),
    "O6-bare": (Cause.EXHAUSTED, Scope.GROUP_MODEL),
    "O10-key-invalid": (Cause.BAD_KEY, Scope.ACCOUNT),
    "O11-key-kind": (Cause.BAD_KEY, Scope.UNTIL_CHANGED),
    "O13-service-blocked": (Cause.KEY_RESTRICTED, Scope.UNTIL_CHANGED),
    "O13-referrer": (Cause.KEY_RESTRICTED, Scope.UNTIL_CHANGED),
    "O14-ip": (Cause.KEY_RESTRICTED, Scope.ACCOUNT),
    "O15-suspended": (Cause.BAD_KEY, Scope.GROUP_UNTIL_CHANGED),
    "O15-leaked": (Cause.BAD_KEY, Scope.UNTIL_CHANGED),
    "O16-service-disabled": (Cause.API_DISABLED, Scope.GROUP),
    "O17-billing": (Cause.NO_BILLING, Scope.GROUP),
    "O18-user-project": (Cause.WRONG_PROJECT, Scope.ACCOUNT),
    "O21-forbidden": (Cause.FORBIDDEN, Scope.ACCOUNT),
    "O22-location": (Cause.BAD_LOCATION, Scope.ACCOUNT),
    "O24-no-model": (Cause.NO_SUCH_MODEL, Scope.UPSTREAM_MODEL),
    "O26-foreign-file": (Cause.FOREIGN_FILE, Scope.NONE),
    "O27-signature": (Cause.BAD_SIGNATURE, Scope.NONE),
    "O27-overflow": (Cause.CONTEXT_OVERFLOW, Scope.NONE),
    "O28-two-credentials": (Cause.OUR_FAULT, Scope.NONE),
    "O28-unknown-name": (Cause.OUR_FAULT, Scope.NONE),
    "O29-overloaded": (Cause.NO_CAPACITY, Scope.UPSTREAM_MODEL),
    "O30-internal": (Cause.UPSTREAM_ERROR, Scope.LAST_IN_ORDER),
    "O31-deadline": (Cause.UPSTREAM_ERROR, Scope.LAST_IN_ORDER),
}


@pytest.mark.parametrize("row", CAUSES)
def test_what_each_row_means(row: str) -> None:
    example = ERRORS[row]
    found = WIRE.judge(WIRE.read_failure(json.dumps(example["body"]).encode(), 0.0, http_status=example["http"]))
    assert (found.cause, found.scope) == CAUSES[row]


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (Failure(429, message="Your project reached its spending limit"), Cause.SPENT),
        (Failure(429, quota_ids=("SpendPerMonth",)), Cause.SPENT),
        (Failure(429, limits=("0",)), Cause.NO_ACCESS),
        (Failure(429, message="limit: 0.5, limit: 05"), Cause.EXHAUSTED),
        (Failure(403, reason="SECURITY_POLICY_VIOLATED"), Cause.FORBIDDEN),
        (Failure(404, message="cachedContents/abc not found"), Cause.FOREIGN_FILE),
        (Failure(400, status="INVALID_ARGUMENT", message="no such field"), Cause.BAD_REQUEST),
    ],
)
def test_rows_without_an_example(failure: Failure, cause: Cause) -> None:
    assert WIRE.judge(failure).cause is cause


def test_o2_a_short_delay_is_not_believed_and_a_long_one_is() -> None:
    body = json.dumps(ERRORS["O2-per-day"]["body"])
    noon = datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()
    short = WIRE.judge(WIRE.read_failure(body.encode(), noon, http_status=429))
    assert (short.delay, short.resets) == (None, (12 * 3600 + 60.0, 20 * 3600 + 60.0))
    long = WIRE.judge(
        WIRE.read_failure(body.replace("22.4s", "").replace("22s", "35640s").encode(), noon, http_status=429)
    )
    assert (long.delay, long.resets) == (35640.0, ())
    assert short.step is Step.NEXT_ACCOUNT


@pytest.mark.parametrize(
    ("moment", "hours"),
    [
        (datetime(2026, 7, 1, 0, tzinfo=UTC), (7.0, 24.0)),
        (datetime(2026, 1, 1, 0, tzinfo=UTC), (8.0, 24.0)),
        (datetime(2026, 3, 8, 10, tzinfo=UTC), (14.0, 21.0)),
        (datetime(2026, 11, 1, 9, tzinfo=UTC), (15.0, 23.0)),
    ],
)
def test_midnights(moment: datetime, hours: tuple[float, float]) -> None:
    assert tuple((each - 60) / 3600 for each in daily_resets(moment.timestamp())) == hours
    assert daily_resets(datetime(2026, 7, 1, 23, 59, tzinfo=UTC).timestamp())[0] == 900.0


def test_a_page_of_models() -> None:
    def model(name: object, methods: object, **fields: object) -> dict[str, object]:
        return {"name": name, "supportedGenerationMethods": methods} | fields

    found = models_list.page(
        {
            "models": [
                model(
                    "models/a",
                    ["generateContent"],
                    displayName="A",
                    inputTokenLimit=5,
                    outputTokenLimit=0,
                    thinking=True,
                ),
                model("models/b-tts", ["generateContent"], displayName=1, inputTokenLimit=True),
                model("models/c", ["embedContent"]),
                model("models/live", ["bidiGenerateContent"]),
                model("x", ["generateContent"]),
                model("models/" + "x" * 300, ["generateContent"]),
                model("models/d", "generateContent"),
                model(1, []),
                7,
            ],
            "nextPageToken": "more",
        }
    )
    assert [[each.id for each in kind] for kind in (found.chat, found.speech, found.embedding)] == [
        ["a"],
        ["b-tts"],
        ["c"],
    ]
    assert (found.chat[0].context, found.chat[0].output, found.chat[0].thinks) == (5, None, True)
    assert found.next_page == "more"
    assert [each.id for each in models_list.united([found]).models] == ["a", "b-tts", "c"]
    for odd in (None, [], {"models": {}}, {"nextPageToken": 1}):
        assert models_list.page(odd) == models_list.Listed()
