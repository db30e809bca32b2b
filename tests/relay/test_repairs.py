"""What is remembered of a repair: a field that a model refuses as such, after the request without it was taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity_proxy.canonical.wire import Beta, Quirk, is_lasting
from antigravity_proxy.relay.repairs import KEPT_FOR, MAX_FIXES, MAX_MODELS, Repairs

AT = "Invalid value at 'request.generation_config.stop_sequences[0]'"


@pytest.mark.parametrize(
    ("quirk", "message"),
    [
        (Quirk.NO_STOP_SEQUENCES, "Unknown name \"stopSequences\" at 'request.generation_config': Cannot find field."),
        (Quirk.NO_STOP_SEQUENCES, "stop_sequences is not supported by this model."),
        (Quirk.NO_STOP_SEQUENCES, "Unsupported parameter: 'stop_sequences'"),
        (Quirk.NO_PRESENCE_PENALTY, "Unsupported field: presence_penalty"),
        (Quirk.NO_FREQUENCY_PENALTY, "`frequency_penalty` is not enabled for this model"),
        (Quirk.NO_LOGPROBS, "Logprobs is not supported for the current model."),
        (Quirk.PLAIN_THINKING, "thinking_level is not supported by this model."),
        (Quirk.PLAIN_THINKING, "Unknown name \"thinkingBudget\" at 'request.generation_config.thinking_config'"),
        (Quirk.SHORT_SCHEMA, "Unknown name \"responseJsonSchema\" at 'request.generation_config': Cannot find field."),
        (Quirk.NO_PREFILL, "This model does not support assistant message prefill."),
    ],
)
def test_a_field_that_is_refused_as_such_lasts(quirk: Quirk, message: str) -> None:
    assert is_lasting(quirk, message)


@pytest.mark.parametrize(
    ("quirk", "message"),
    [
        (Quirk.NO_STOP_SEQUENCES, "stop_sequences: each stop sequence must contain non-whitespace"),
        (Quirk.NO_STOP_SEQUENCES, AT),
        (Quirk.NO_STOP_SEQUENCES, "stop_sequences: at most 5, none of them empty"),
        (Quirk.NO_PRESENCE_PENALTY, "presence_penalty is out of range: -2 to 2"),
        (Quirk.SHORT_SCHEMA, "Unknown name \"$ref\" at 'request.generation_config.response_json_schema.properties[0]'"),
        (Quirk.SHORT_SCHEMA, "request.generation_config.response_schema: the schema is nested too deeply"),
        (Quirk.SHORT_SCHEMA, "Unknown name \"x\" at 'response_json_schema': a word is not supported"),
        (Quirk.PLAIN_THINKING, "The thinking budget 5 is invalid: thinking_budget must be at least 128"),
        (Quirk.SMALLER_PICTURE, "image_size 4K is not supported"),
        (Quirk.LOST_SIGNATURES, "thought_signature is not supported"),
        (Quirk.NO_PREFILL, "the conversation must end with a user message"),
    ],
)
def test_what_a_request_wrote_into_a_field_does_not(quirk: Quirk, message: str) -> None:
    assert not is_lasting(quirk, message)


@given(st.text(max_size=200), st.sampled_from(Quirk))
def test_whatever_upstream_repeats_of_a_value_never_lasts(value: str, quirk: Quirk) -> None:
    """Upstream's 400 quotes values; only its own words count. A value that speaks of fields is in quotation marks."""
    spoken = value.replace('"', "").replace("'", "")
    if not any(word in spoken.lower() for word in ("support", "unknown", "enabled", "available")):
        assert not is_lasting(quirk, f"Invalid value at '{quirk.value}' (TYPE_STRING), \"{spoken}\"")


def test_it_is_remembered_for_a_bounded_time_and_number() -> None:
    repairs = Repairs()
    assert repairs.of("m", 0.0) == frozenset()
    repairs.remember("m", Quirk.NO_LOGPROBS, 0.0)
    repairs.remember("m", Quirk.NO_STOP_SEQUENCES, 10.0)
    assert repairs.of("m", 5.0) == {Quirk.NO_LOGPROBS, Quirk.NO_STOP_SEQUENCES}
    assert repairs.of("m", KEPT_FOR + 1) == {Quirk.NO_STOP_SEQUENCES}
    assert list(repairs.all(KEPT_FOR + 1)) == [("m", "stopSequences")]
    for i in range(MAX_MODELS):
        repairs.remember(f"m{i}", Quirk.NO_LOGPROBS, 0.0)
    assert repairs.of("m", 5.0) == frozenset()
    assert len(list(repairs.all(5.0))) == MAX_MODELS
    for i in range(MAX_FIXES + 1):
        repairs.remember("m", Beta(f"b{i}"), 0.0)
    assert len(repairs.of("m", 5.0)) == MAX_FIXES
    assert Beta("b0") not in repairs.of("m", 5.0)
    assert [name for of, name in repairs.all(5.0) if of == "m"] == ["anthropic-beta"]
