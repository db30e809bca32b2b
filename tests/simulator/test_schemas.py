"""Schemas outside the service's subset are refused; what our cleaning makes of any schema is inside it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity_proxy.generatecontent.schema import clean_parameters, clean_response
from antigravity_proxy.simulator.schemas import (
    CLAUDE_KEYWORDS,
    JSON_KEYWORDS,
    KEYWORDS,
    RESPONSE_KEYWORDS,
    check_schema,
)
from antigravity_proxy.simulator.wire import Refused

STRING = {"type": "string"}


@pytest.mark.parametrize(
    "schema",
    [
        STRING,
        {"type": "STRING", "enum": ["a"], "description": "d", "nullable": True},
        {"type": "array", "items": {"type": "integer"}},
        {"type": "object", "properties": {"title": STRING}, "required": ["title"], "propertyOrdering": ["title"]},
    ],
)
def test_the_subset_is_taken(schema: dict[str, Any]) -> None:
    check_schema(schema, "p", KEYWORDS)


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (None, "a schema is expected"),
        (True, "a schema is expected"),
        ({}, "TYPE_ENUM"),
        ({"type": ["string", "null"]}, "TYPE_ENUM"),
        ({"type": "null"}, "TYPE_ENUM"),
        ({"type": "string", "minLength": 1}, 'Unknown name "minLength"'),
        ({"type": "object", "additionalProperties": False}, 'Unknown name "additionalProperties"'),
        ({"anyOf": [STRING]}, 'Unknown name "anyOf"'),
        ({"$ref": "#/a"}, 'Unknown name "$ref"'),
        ({"type": "array"}, "items: missing field"),
        ({"type": "array", "items": True}, "a schema is expected"),
        ({"type": "array", "items": {"type": "x"}}, "p.items.type"),
        ({"type": "integer", "enum": [1]}, "only non-empty strings"),
        ({"type": "string", "enum": [""]}, "only non-empty strings"),
        ({"type": "string", "enum": []}, "only non-empty strings"),
        ({"type": "string", "enum": "a"}, "Invalid value at 'p.enum'"),
        ({"type": "string", "description": 1}, "Invalid value at 'p.description'"),
        ({"type": "string", "nullable": "yes"}, "Invalid value at 'p.nullable'"),
        ({"type": "string", "properties": {"a": STRING}}, "only allowed for OBJECT"),
        ({"type": "object", "properties": [STRING]}, "Invalid value at 'p.properties'"),
        ({"type": "object", "properties": {"a": {}}}, "p.properties[a].type"),
        ({"type": "object", "required": ["a"]}, "property is not defined"),
        ({"type": "object", "required": True}, "Invalid value at 'p.required'"),
        ({"type": "object", "properties": {"a": STRING}, "propertyOrdering": ["b"]}, "property is not defined"),
    ],
)
def test_the_rest_is_refused(schema: Any, told: str) -> None:
    with pytest.raises(Refused) as found:
        check_schema(schema, "p", KEYWORDS)
    assert told in str(found.value)


def test_structured_output_may_say_more() -> None:
    schema = {
        "anyOf": [
            {"type": "array", "items": STRING, "minItems": 1, "maxItems": 2},
            {"type": "number", "minimum": 0, "maximum": 1.5},
            {"type": "object", "additionalProperties": False},
            {"type": "string", "format": "date"},
            {"type": "object", "additionalProperties": STRING},
            {"type": "array", "prefixItems": [STRING]},
            {"$ref": "#/$defs/n"},
            {"type": "null"},
        ],
        "$defs": {"n": STRING},
    }
    check_schema(schema, "p", JSON_KEYWORDS)
    for wrong in ({"anyOf": []}, {"type": "object", "additionalProperties": True}, {"anyOf": [{"type": "x"}]}):
        with pytest.raises(Refused):
            check_schema(wrong, "p", JSON_KEYWORDS)


def test_depth_has_an_end() -> None:
    schema: dict[str, Any] = STRING
    for _ in range(50):
        schema = {"type": "array", "items": schema}
    with pytest.raises(Refused, match="nested too deeply"):
        check_schema(schema, "p", KEYWORDS)


NAMES = ["type", "properties", "items", "required", "description", "enum", "nullable", "propertyOrdering", "anyOf"]
NAMES += ["oneOf", "allOf", "$ref", "$defs", "const", "prefixItems", "not", "title", "default", "additionalProperties"]
WORDS = ["string", "object", "array", "null", "integer", "", "#", "#/properties/a", "#/$defs/a", "x"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*NAMES, "a", "b"]), inner, max_size=6),
    max_leaves=25,
)


@given(JSON)
def test_what_cleaning_makes_of_any_schema_is_taken(schema: Any) -> None:
    check_schema(clean_parameters(schema)[0], "p", KEYWORDS)
    check_schema(clean_parameters(schema, ordering=False)[0], "p", CLAUDE_KEYWORDS)
    check_schema(clean_response(schema), "p", JSON_KEYWORDS)
    check_schema(clean_response(schema, short=True), "p", RESPONSE_KEYWORDS)


@given(JSON)
def test_nothing_but_a_refusal_comes_of_any_json(schema: Any) -> None:
    with suppress(Refused):
        check_schema(schema, "p", JSON_KEYWORDS | {*NAMES})
