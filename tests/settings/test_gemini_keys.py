"""Keys of the Gemini API in the environment."""

from __future__ import annotations

import pytest

from antigravity_proxy.settings.gemini_keys import gemini_keys, looks_like_a_key

ONE, TWO = "AIzaSy" + "a" * 33, "AQ." + "b" * 30


def test_commas_and_newlines_and_names() -> None:
    found = gemini_keys(f"team={ONE},\n {TWO}\n")
    assert [(each.name, each.key.reveal()) for each in found] == [("team", ONE), ("gemini-2", TWO)]
    assert all(looks_like_a_key(each.key) for each in found)
    assert gemini_keys("") == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{ONE},{ONE}", "has the key of an earlier one"),
        (f"a={ONE},a={TWO}", "has the name of an earlier one"),
        ("short", "8 to 512 printable"),
        (f"{ONE} {TWO}", "without spaces"),
        ("1//refresh", "a refresh token"),
        ("eyJhbGciOi", "a JWT"),
        ('{"type": 1}', "a JSON file"),
    ],
)
def test_what_is_no_key_is_told_without_it(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as told:
        gemini_keys(text)
    assert ONE not in str(told.value)
    assert "aaaa" not in str(told.value)
