"""Kept configurations are those that would be made anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.models import MODELS

from antigravity_proxy.canonical.call import Call, Reasoning, Sampling
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.wire import Quirk
from antigravity_proxy.generatecontent.config import KEPT, generation_config, kept_config, plain_config

#: upstream reads -0.0 as the 0.0 that it equals
NUMBERS = st.none() | st.floats(-3, 3).map(lambda number: number + 0.0)
COUNTS = st.none() | st.integers(-1, 100_000)
SAMPLINGS = st.builds(
    Sampling,
    temperature=NUMBERS,
    top_p=NUMBERS,
    top_k=COUNTS,
    max_output_tokens=COUNTS,
    stop_sequences=st.just(()) | st.just(("a", "b")),
    seed=st.none() | st.just(7),
    presence_penalty=NUMBERS,
    frequency_penalty=NUMBERS,
    response_logprobs=st.booleans(),
    logprobs=COUNTS,
)
REASONINGS = st.builds(
    Reasoning,
    st.sampled_from(["default", "off", "on", "auto"]),
    COUNTS,
    st.none() | st.sampled_from(["none", "low", "high", "max"]),
    st.booleans(),
)


@given(
    SAMPLINGS,
    REASONINGS,
    st.sampled_from(list(MODELS.values())),
    st.frozensets(st.sampled_from(list(Quirk)), max_size=2),
    st.booleans(),
)
def test_a_kept_one_is_what_would_be_made(
    sampling: Sampling, reasoning: Reasoning, model: Model, quirks: frozenset[Quirk], may_think: bool
) -> None:
    call = Call("m", (), sampling=sampling, reasoning=reasoning)
    made = bytes(plain_config(sampling, reasoning, model, quirks, may_think))
    for _ in range(2):
        assert bytes(generation_config(call, model, quirks, may_think=may_think, tools=False, system=[])) == made


def test_so_many_are_kept_and_none_with_a_clients_words() -> None:
    kept_config.cache_clear()
    for number in range(1, KEPT + 10):
        call = Call("m", (), sampling=Sampling(max_output_tokens=number, stop_sequences=("word",) * (number % 2)))
        generation_config(call, MODELS["gemini-3-flash"], frozenset(), may_think=True, tools=False, system=[])
    assert kept_config.cache_info().currsize == (KEPT + 9) // 2
    for number in range(1, 3 * KEPT):
        call = Call("m", (), sampling=Sampling(max_output_tokens=number))
        generation_config(call, MODELS["gemini-3-flash"], frozenset(), may_think=True, tools=False, system=[])
    assert kept_config.cache_info().currsize == KEPT
