"""Schema cleaning, keyword by keyword, and for any JSON whatever."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity_proxy.generatecontent.schema import MAX_HINT, clean_parameters, clean_response

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
ANY = {"type": "string", "description": "any JSON value"}
STR = {"type": "string"}
INT = {"type": "integer"}
NULL = {"type": "null"}
LIST = {"type": "array", "items": STR}


def cleaned(prop: Any, **root: Any) -> Any:
    """A property's schema, cleaned."""
    schema, wrapped = clean_parameters({"type": "object", "properties": {"p": prop}, **root})
    assert not wrapped
    return schema.get("properties", {}).get("p")


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        # types
        ({"type": "STRING"}, STR),
        ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
        ({"type": ["integer", "string"]}, {"type": "integer", "description": "(accepts: integer or string)"}),
        (NULL, {"type": "string", "nullable": True}),
        ({"type": 7}, ANY),
        ({"type": "file"}, ANY),
        ({}, ANY),
        ({"description": "Free"}, {"type": "string", "description": "Free (any JSON value)"}),
        (True, ANY),
        (None, ANY),
        (False, None),
        ({"properties": {"a": STR}}, {"type": "object", "properties": {"a": STR}}),
        ({"items": STR}, {"type": "array", "items": STR}),
        ({"nullable": True, "type": "number"}, {"type": "number", "nullable": True}),
        # dropped
        (
            {"type": "string", "title": "T", "default": "d", "examples": ["e"], "readOnly": True, "x-y": 1, "$id": "i"},
            STR,
        ),
        ({"type": "string", "if": {}, "then": {}, "patternProperties": {"a": STR}, "contains": STR}, STR),
        # const and enum
        ({"const": "a"}, {"type": "string", "enum": ["a"]}),
        ({"const": 3}, {"type": "integer", "description": "(one of: 3)"}),
        ({"const": True}, {"type": "boolean", "description": "(one of: true)"}),
        ({"const": None}, {"type": "string", "nullable": True}),
        ({"const": {"a": 1}}, {"type": "string", "description": "(one of: an object)"}),
        ({"const": [1]}, {"type": "string", "description": "(one of: a list)"}),
        (
            {"enum": ["b", "a", "b", None, ""]},
            {"type": "string", "enum": ["b", "a"], "nullable": True, "description": '(or: "")'},
        ),
        ({"enum": [1, 2, 3]}, {"type": "integer", "description": "(one of: 1, 2, 3)"}),
        ({"enum": [1, 2.5]}, {"type": "number", "description": "(one of: 1, 2.5)"}),
        ({"enum": ["a", 1]}, {"type": "string", "description": "(one of: a, 1)"}),
        ({"enum": [True, False]}, {"type": "boolean", "description": "(one of: true, false)"}),
        ({"type": "integer", "enum": ["a"]}, {"type": "string", "enum": ["a"]}),
        ({"enum": [""]}, STR),
        ({"enum": "a"}, ANY),
        # constraints
        ({**INT, "minimum": 1, "maximum": 9}, {**INT, "description": "(minimum: 1, maximum: 9)"}),
        ({"type": "string", "format": "uri", "description": "D"}, {"type": "string", "description": "D (format: uri)"}),
        ({**LIST, "uniqueItems": True}, {**LIST, "description": "(uniqueItems: true)"}),
        ({"type": "string", "minLength": None, "pattern": ["a"]}, STR),
        ({"type": "string", "not": {"const": "a"}}, {"type": "string", "description": "(not everything of this type)"}),
        # objects
        ({"type": "object", "additionalProperties": False}, {"type": "object"}),
        ({"additionalProperties": INT}, {"type": "object", "description": "(map of string to integer)"}),
        (
            {"type": "object", "properties": {"a": STR}, "additionalProperties": INT},
            {"type": "object", "properties": {"a": STR}, "description": "(other properties: integer)"},
        ),
        (
            {"type": "object", "properties": {"a": STR, "b": False}, "required": ["b", "a", "gone", 3, "a"]},
            {"type": "object", "properties": {"a": STR}, "required": ["a"]},
        ),
        ({"type": "object", "properties": {"a": STR}, "required": "a"}, {"type": "object", "properties": {"a": STR}}),
        ({"type": "object", "properties": {"a": False}}, {"type": "object"}),
        (
            {"properties": {"a": {"type": "string", "required": True}, "b": {"type": "string", "required": False}}},
            {"type": "object", "properties": {"a": STR, "b": STR}, "required": ["a"]},
        ),
        (
            {"properties": {"a": STR, "b": STR}, "propertyOrdering": ["b", "a", "c"]},
            {"type": "object", "properties": {"a": STR, "b": STR}, "propertyOrdering": ["b", "a"]},
        ),
        # arrays
        ({"type": "array"}, {"type": "array", "items": STR}),
        ({"type": "array", "items": True}, {"type": "array", "items": STR}),
        ({"type": "array", "items": {}}, {"type": "array", "items": STR}),
        ({"type": "array", "items": []}, {"type": "array", "items": STR}),
        (
            {"items": [INT, STR]},
            {
                "type": "array",
                "items": {**INT, "description": "(or: string)"},
                "description": "(tuple of integer, string)",
            },
        ),
        ({"prefixItems": [STR], "items": False}, {"type": "array", "items": STR, "description": "(tuple of string)"}),
        # alternatives
        ({"anyOf": [INT, NULL]}, {"type": "integer", "nullable": True}),
        ({"oneOf": [INT, {"const": None}]}, {"type": "integer", "nullable": True}),
        (
            {"anyOf": [STR, {"type": "array", "items": STR}, {"properties": {"a": STR}}, {"type": "object"}]},
            {
                "type": "object",
                "properties": {"a": STR},
                "description": "(or: string, array) (other properties: any JSON value)",
            },
        ),
        ({"anyOf": [STR, INT]}, {"type": "string", "description": "(or: integer)"}),
        (
            {"anyOf": [{"type": ["number", "string", "null"]}, {"type": "array", "items": STR}]},
            {**LIST, "nullable": True, "description": "(or: number, string)"},
        ),
        (
            {"anyOf": [{"type": ["string", "boolean"]}, INT]},
            {"type": "string", "description": "(or: boolean, integer)"},
        ),
        (
            {"anyOf": [{"const": "C"}, {"enum": ["F", "K"]}, NULL]},
            {"type": "string", "enum": ["C", "F", "K"], "nullable": True},
        ),
        ({"anyOf": [{"const": "C"}, {"const": 1}]}, {"type": "string", "enum": ["C"], "description": "(or: integer)"}),
        ({"anyOf": [NULL]}, {"type": "string", "nullable": True, "description": "any JSON value"}),
        ({"anyOf": []}, ANY),
        ({"anyOf": "a"}, ANY),
        ({"anyOf": [3]}, ANY),
        (
            {"description": "Outer", "anyOf": [{"type": "string", "description": "Inner"}]},
            {"type": "string", "description": "Outer"},
        ),
        (  # alternatives that only say what is required
            {"properties": {"a": STR, "b": STR}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
            {"type": "object", "properties": {"a": STR, "b": STR}},
        ),
        (
            {"properties": {"a": STR}, "required": ["a"], "oneOf": [{"properties": {"b": STR}, "required": ["b"]}]},
            {"type": "object", "properties": {"b": STR, "a": STR}, "required": ["a", "b"]},
        ),
        ({"anyOf": [{"anyOf": [INT, NULL]}, NULL]}, {"type": "integer", "nullable": True}),
        (
            {
                "allOf": [
                    {"properties": {"a": STR}, "required": ["a"], "description": "first"},
                    {"properties": {"a": INT, "b": STR}, "required": ["b"], "description": "second"},
                    7,
                    {"allOf": [{"type": "object"}]},
                ]
            },
            {"type": "object", "properties": {"b": STR, "a": STR}, "required": ["a", "b"], "description": "first"},
        ),
        ({"allOf": 3, "type": "string"}, STR),
    ],
)
def test_a_keyword_becomes(schema: Any, expected: Any) -> None:
    before = copy.deepcopy(schema)
    assert cleaned(schema) == expected
    assert schema == before


def test_references_are_written_out() -> None:
    definitions = {
        "a/b~c": {"type": "string", "description": "from there"},
        "list": [INT],
        "chain": {"$ref": "#/$defs/a~1b~0c"},
        "node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}},
        "both": {
            "allOf": [
                {"$ref": "#/$defs/node"},
                {"$ref": "#/$defs/both"},
                {"properties": {"b": {"$ref": "#/$defs/both"}, "c": {"type": "integer", "minimum": 1}}},
            ]
        },
    }

    def ref(pointer: str, **siblings: Any) -> Any:
        return cleaned({"$ref": pointer, **siblings}, **{"$defs": definitions})

    assert ref("#/$defs/a~1b~0c") == {"type": "string", "description": "from there"}
    assert ref("#/%24defs/a~1b~0c") == {"type": "string", "description": "from there"}
    assert ref("#/$defs/chain", description="here") == {"type": "string", "description": "here"}
    assert ref("#/$defs/list/0") == INT
    nested = {"type": "object", "description": "node, nested"}
    assert ref("#/$defs/node") == {"type": "object", "properties": {"next": nested}}
    assert ref("#/$defs/both") == {
        "type": "object",
        "properties": {
            "b": {"type": "object", "description": "both, nested"},
            "c": {"type": "integer", "description": "(minimum: 1)"},
            "next": nested,
        },
    }
    for dead in ("#/$defs/gone", "#/$defs/list/1", "#/$defs/list/x", "#/$defs/list", "#/type/x", "other.json#/gone"):
        assert ref(dead) == {"type": "object", "description": f"{dead.rpartition('/')[2]}, nested"}
    whole = ref("#")
    assert whole["properties"]["p"] == {"type": "object", "description": "value, nested"}
    assert cleaned({"$ref": 3}) == ANY


def chained(hops: int, end: Any) -> dict[str, Any]:
    links = {f"n{i}": {"$ref": f"#/$defs/n{i + 1}"} for i in range(hops - 1)}
    return {"$defs": {**links, f"n{hops - 1}": end}}


def test_a_long_chain_of_references_ends_in_its_type() -> None:
    """Past 32 hops a reference isn't followed; its outline is given."""
    ref = {"$ref": "#/$defs/n0"}
    assert cleaned(ref, **chained(32, STR)) == STR
    assert cleaned(ref, **chained(33, STR)) == {"type": "string", "description": "n32, nested"}
    nested = cleaned(ref, **chained(33, {"type": ["array", "integer"], "items": STR}))
    assert nested == {"type": "array", "items": STR, "description": "n32, nested (or: integer)"}
    assert cleaned(ref, **chained(5000, STR)) == {"type": "object", "description": "n32, nested"}


def test_what_stands_within_itself_beside_other_alternatives_keeps_its_tag() -> None:
    node = {
        "anyOf": [
            {"properties": {"op": {"const": "is"}, "value": STR}, "required": ["op", "value"]},
            {"properties": {"op": {"const": "not"}, "of": {"$ref": "#/$defs/node"}}, "required": ["op", "of"]},
            {
                "properties": {
                    "op": {"const": "all"},
                    "of": {"type": "array", "items": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
                    "never": False,
                    "any": {},
                    "also": {"$ref": "#/$defs/gone"},
                },
            },
        ]
    }
    either = {"anyOf": [{"$ref": "#/$defs/node"}, {"properties": {"op": {"const": "none"}}}]}
    found = cleaned(either, **{"$defs": {"node": {"anyOf": [*node["anyOf"], {"properties": {"deep": either}}]}}})
    deep = found["properties"]["deep"]["properties"]
    assert deep["op"] == {"type": "string", "enum": ["is", "not", "all", "none"]}
    assert deep["of"] == {"type": "object", "description": "(or: array)"}
    assert deep["any"] == ANY
    assert "never" not in deep


def test_properties_named_like_keywords_stay() -> None:
    names = ["default", "title", "format", "$ref", "const", "enum", "type", "anyOf", "required", "properties", "$defs"]
    schema, _ = clean_parameters({"type": "object", "properties": dict.fromkeys(names, STR), "required": names})
    assert schema == {"type": "object", "properties": dict.fromkeys(names, STR), "required": names}


@pytest.mark.parametrize(
    "schema",
    [LIST, STR, True, None, 3, "x", {"anyOf": [STR, INT]}],
)
def test_a_root_that_is_no_object_is_wrapped(schema: Any) -> None:
    found, wrapped = clean_parameters(schema)
    assert wrapped
    assert found["type"] == "object"
    assert list(found["properties"]) == found["required"] == ["input"]


def test_a_root_that_refers_to_nothing_is_an_object() -> None:
    assert clean_parameters({"$ref": "#/x", "type": "string"}) == (
        {"type": "object", "description": "x, nested"},
        False,
    )


@pytest.mark.parametrize(
    "schema", [{}, {"$schema": "x", "title": "T"}, {"additionalProperties": False}, {"type": "object"}]
)
def test_a_root_that_says_no_type_is_an_object(schema: Any) -> None:
    assert clean_parameters(schema) == ({"type": "object"}, False)


def test_the_order_of_properties_can_be_left_out() -> None:
    schema = {"type": "object", "properties": {"a": STR}, "propertyOrdering": ["a"]}
    assert clean_parameters(schema, ordering=False) == ({"type": "object", "properties": {"a": STR}}, False)


def test_hints_are_cut() -> None:
    described = cleaned({"type": "string", "pattern": "x" * 1000, "description": "D"})["description"]
    assert described.startswith("D (pattern: xxx")
    assert len(described) == len("D ") + MAX_HINT


def test_the_example_is_cleaned_as_it_says() -> None:
    asked = json.loads((GOLDEN / "turn2.openai-chat.request.json").read_bytes())
    sent = json.loads((GOLDEN / "turn2.upstream.from-openai-chat.json").read_bytes())
    schema, wrapped = clean_parameters(asked["tools"][0]["function"]["parameters"])
    assert not wrapped
    assert schema == sent["request"]["tools"][0]["functionDeclarations"][0]["parameters"]


# -- response schemas


@pytest.mark.parametrize(
    ("schema", "full", "short"),
    [
        (
            {
                "type": "OBJECT",
                "properties": {"n": {**INT, "minimum": 1, "format": "int32"}},
                "additionalProperties": False,
                "title": "T",
                "propertyOrdering": ["n"],
            },
            {
                "type": "object",
                "properties": {"n": {**INT, "minimum": 1, "format": "int32"}},
                "additionalProperties": False,
                "propertyOrdering": ["n"],
            },
            {"type": "object", "properties": {"n": {**INT, "description": "(minimum: 1, format: int32)"}}},
        ),
        (
            {"anyOf": [STR, INT, NULL], "description": "D"},
            {"anyOf": [STR, INT], "nullable": True, "description": "D"},
            {"type": "string", "nullable": True, "description": "D (or: integer)"},
        ),
        ({"anyOf": [STR, NULL]}, {"type": "string", "nullable": True}, {"type": "string", "nullable": True}),
        (
            {"properties": {"a": STR}, "anyOf": [{"anyOf": [STR, INT]}, {"properties": {"b": STR}}]},
            {"type": "object", "properties": {"b": STR, "a": STR}, "description": "(or: string)"},
            {"type": "object", "properties": {"b": STR, "a": STR}, "description": "(or: string)"},
        ),
        (
            {"anyOf": [{"enum": ["a", None]}, STR]},
            {"anyOf": [{"type": "string", "enum": ["a"], "nullable": True}, STR]},
            {"type": "string", "nullable": True},
        ),
        (
            {"anyOf": [{"const": "a", "nullable": True}, {"const": "b"}]},
            {"type": "string", "enum": ["a", "b"], "nullable": True},
            {"type": "string", "enum": ["a", "b"], "nullable": True},
        ),
        (
            {**LIST, "minItems": "2"},
            {**LIST, "description": "(minItems: 2)"},
            {**LIST, "description": "(minItems: 2)"},
        ),
        (
            {"prefixItems": [{"anyOf": [STR, INT]}]},
            {"type": "array", "prefixItems": [{"anyOf": [STR, INT]}]},
            {"type": "array", "items": {**STR, "description": "(or: integer)"}, "description": "(tuple of string)"},
        ),
        (
            {"anyOf": [{"anyOf": [STR, INT]}, NULL]},
            {"anyOf": [STR, INT], "nullable": True},
            {"type": "string", "nullable": True, "description": "(or: integer)"},
        ),
        (False, ANY, ANY),
        (  # maps
            {"type": "object", "additionalProperties": INT},
            {"type": "object", "additionalProperties": INT},
            {"type": "object", "description": "(map of string to integer)"},
        ),
        (
            {"properties": {"a": STR}, "additionalProperties": {"anyOf": [STR, INT]}},
            {"type": "object", "properties": {"a": STR}, "additionalProperties": {"anyOf": [STR, INT]}},
            {"type": "object", "properties": {"a": STR}, "description": "(other properties: string)"},
        ),
        (  # tuples
            {"prefixItems": [STR, INT], "items": STR},
            {"type": "array", "prefixItems": [STR, INT], "items": STR},
            {
                "type": "array",
                "items": {**STR, "description": "(or: integer)"},
                "description": "(tuple of string, integer)",
            },
        ),
        (  # a list
            {
                "$ref": "#/$defs/Node",
                "$defs": {
                    "Node": {"properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, NULL]}, "value": INT}},
                },
            },
            {
                "type": "object",
                "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, NULL]}, "value": INT},
                "$defs": {
                    "Node": {
                        "type": "object",
                        "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, NULL]}, "value": INT},
                    }
                },
            },
            {
                "type": "object",
                "properties": {
                    "next": {"type": "object", "nullable": True, "description": "Node, nested"},
                    "value": INT,
                },
            },
        ),
        (  # the whole document within itself, and two that stand in each other
            {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}},
            {
                "type": "object",
                "properties": {
                    "children": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/root"}}},
                        },
                    }
                },
                "$defs": {
                    "root": {
                        "type": "object",
                        "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/root"}}},
                    }
                },
            },
            {
                "type": "object",
                "properties": {
                    "children": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "children": {
                                    "type": "array",
                                    "items": {"type": "object", "description": "value, nested"},
                                }
                            },
                        },
                    }
                },
            },
        ),
    ],
)
def test_a_response_schema_keeps_more(schema: Any, full: Any, short: Any) -> None:
    assert clean_response(schema) == full
    assert clean_response(schema, short=True) == short


# -- whatever comes

KEYWORDS = [
    "type", "properties", "items", "required", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "$defs", "nullable",
    "description", "additionalProperties", "prefixItems", "minimum", "format", "not", "propertyOrdering", "default",
]  # fmt: skip
WORDS = ["object", "array", "string", "integer", "null", "STRING", "#", "#/$defs/a", "#/properties/a", "#/items", "a"]
leaves = st.sampled_from(WORDS) | st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False)
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*KEYWORDS, "a", "b"]), inner | st.lists(inner, max_size=3), max_size=5)
    ),
    max_leaves=40,
)
PARAMETERS = {"type", "properties", "items", "required", "enum", "description", "nullable", "propertyOrdering"}
RESPONSE = PARAMETERS | {
    "anyOf", "minItems", "maxItems", "minimum", "maximum", "format", "additionalProperties", "prefixItems", "$defs",
}  # fmt: skip


def check(schema: Any, allowed: set[str]) -> None:
    """Only the allowed keywords, each as upstream wants it."""
    assert isinstance(schema, dict)
    if "$ref" in schema and "$defs" in allowed:
        assert schema.keys() - {"$defs"} == {"$ref"}
        return
    assert schema.keys() <= allowed
    for inner in schema.get("$defs", {}).values():
        check(inner, allowed)
    if "anyOf" in schema:
        for branch in schema["anyOf"]:
            if branch != NULL:
                check(branch, allowed)
        return
    assert schema["type"] in ("object", "array", "string", "integer", "number", "boolean")
    if "enum" in schema:
        assert schema["type"] == "string"
        assert schema["enum"]
        assert all(isinstance(text, str) and text for text in schema["enum"])
    properties = schema.get("properties", {})
    assert set(schema.get("required", ())) <= properties.keys()
    for inner in properties.values():
        check(inner, allowed)
    if isinstance(schema.get("additionalProperties"), dict):
        check(schema["additionalProperties"], allowed)
    for inner in schema.get("prefixItems", ()):
        check(inner, allowed)
    if schema["type"] == "array" and ("items" in schema or "prefixItems" not in schema):
        check(schema["items"], allowed)


@given(anything)
def test_any_json_becomes_a_schema_once_and_for_all(schema: Any) -> None:
    before = copy.deepcopy(schema)
    parameters, _ = clean_parameters(schema)
    check(parameters, PARAMETERS)
    assert clean_parameters(parameters) == (parameters, False)
    for short, allowed in ((False, RESPONSE), (True, PARAMETERS)):
        response = clean_response(schema, short=short)
        check(response, allowed)
        if "$defs" not in response:  # else one more level is written out
            assert clean_response(response, short=short) == response
    assert schema == before


# -- unions: whatever fits one alternative fits the whole


def kinds_of(**kinds: dict[str, Any]) -> list[dict[str, Any]]:
    """The alternatives of a discriminated union, as zod writes them."""
    return [
        {
            "type": "object",
            "properties": {"kind": {"type": "string", "const": name}, **fields},
            "required": ["kind", *fields],
            "additionalProperties": False,
        }
        for name, fields in kinds.items()
    ]


CREATE_OR_UPDATE = kinds_of(create={"title": STR}, update={"title": STR, "id": INT})
UNITED = {
    "type": "object",
    "properties": {"kind": {"type": "string", "enum": ["create", "update"]}, "title": STR, "id": INT},
    "required": ["kind", "title"],
    "description": "(one of: {kind: create, title}, {kind: update, title, id})",
}
PYDANTIC = {
    "$defs": dict(zip(("Create", "Update"), CREATE_OR_UPDATE, strict=True)),
    "properties": {
        "p": {
            "discriminator": {"mapping": {"create": "#/$defs/Create"}, "propertyName": "kind"},
            "oneOf": [{"$ref": "#/$defs/Create"}, {"$ref": "#/$defs/Update"}],
        }
    },
}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"oneOf": CREATE_OR_UPDATE}, UNITED),
        ({"anyOf": CREATE_OR_UPDATE}, UNITED),
        ({"anyOf": [*CREATE_OR_UPDATE, NULL]}, {**UNITED, "nullable": True}),
        ({"anyOf": [{"anyOf": CREATE_OR_UPDATE[:1]}, {"oneOf": CREATE_OR_UPDATE[1:]}]}, UNITED),
        ({"type": "array", "items": {"oneOf": CREATE_OR_UPDATE}}, {"type": "array", "items": UNITED}),
        ({"allOf": [{"oneOf": CREATE_OR_UPDATE}]}, UNITED),
        (  # beside what all have in common
            {"type": "object", "properties": {"kind": STR, "x": STR}, "required": ["x"], "oneOf": CREATE_OR_UPDATE},
            {
                **UNITED,
                "properties": {**UNITED["properties"], "x": STR},
                "required": ["x", "kind", "title"],
            },
        ),
        (  # a property whose type differs
            {"oneOf": kinds_of(a={"v": STR}, b={"v": INT}, c={"v": {"type": "array", "items": STR}})},
            {
                "type": "object",
                "properties": {
                    "kind": {"type": "string", "enum": ["a", "b", "c"]},
                    "v": {"type": "array", "items": STR, "description": "(or: string, integer)"},
                },
                "required": ["kind", "v"],
                "description": "(one of: {kind: a, v}, {kind: b, v}, {kind: c, v})",
            },
        ),
        (  # numbers, and a text that is not only constants
            {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "number", "minimum": 1}]},
            {"type": "number", "description": "(minimum: 1)"},
        ),
        ({"anyOf": [{"enum": ["a"]}, STR]}, STR),
        (
            {"anyOf": [{"const": "a"}, {"const": "b"}, INT]},
            {"type": "string", "enum": ["a", "b"], "description": "(or: integer)"},
        ),
        (
            {"anyOf": [{"enum": ["a"], "description": "D"}, NULL]},
            {"type": "string", "enum": ["a"], "description": "D", "nullable": True},
        ),
        (
            {"properties": {"a": STR}, "propertyOrdering": ["x"]},
            {"type": "object", "properties": {"a": STR}},
        ),
        (
            {"anyOf": [LIST, {"type": "array", "items": {"const": "x"}}, {"type": "array"}]},
            {"type": "array", "items": STR},
        ),
        ({"anyOf": [{"additionalProperties": INT}, {"type": "object"}]}, {
            "type": "object", "description": "(map of string to integer)",
        }),
    ],
)  # fmt: skip
def test_alternatives_are_united(schema: Any, expected: Any) -> None:
    assert cleaned(schema) == expected
    assert clean_parameters(expected)[0] == expected or expected["type"] != "object"


def test_a_union_at_the_root_and_by_reference() -> None:
    assert clean_parameters({"oneOf": CREATE_OR_UPDATE}) == (UNITED, False)
    assert clean_parameters({"type": "object", "anyOf": CREATE_OR_UPDATE}) == (UNITED, False)
    schema, _ = clean_parameters(PYDANTIC)
    assert schema["properties"]["p"] == UNITED
    assert clean_response(PYDANTIC, short=True)["properties"]["p"] == UNITED


def test_an_alternative_may_hold_another_of_the_same_document() -> None:
    schema = {
        "$defs": {
            "cat": {"properties": {"name": STR}},
            "owner": {"properties": {"pet": {"$ref": "#/$defs/cat"}, "self": {"$ref": "#/$defs/owner"}}},
        },
        "properties": {"p": {"anyOf": [{"$ref": "#/$defs/cat"}, {"$ref": "#/$defs/owner"}]}},
    }
    found = clean_parameters(schema)[0]["properties"]["p"]["properties"]
    assert found["pet"] == {"type": "object", "properties": {"name": STR}}
    assert found["self"] == {"type": "object", "description": "owner, nested"}


# -- bounds


def size(schema: Any) -> int:
    return len(json.dumps(schema))


def laughs(depth: int, width: int, key: str) -> Any:
    """Definitions each of which refers ``width`` times to the next."""
    definitions: dict[str, Any] = {f"d{depth}": {"type": "object", "description": "x" * 1000}}
    for i in range(depth):
        refs = [{"$ref": f"#/$defs/d{i + 1}"} for _ in range(width)]
        definitions[f"d{i}"] = {key: refs} if key != "properties" else {key: {f"p{n}": r for n, r in enumerate(refs)}}
    return {"$defs": definitions, "type": "object", "properties": {"p": {"$ref": "#/$defs/d0"}}}


def nested(depth: int, key: str) -> Any:
    schema: Any = STR
    for _ in range(depth):
        wrapped: dict[str, Any] = {
            "properties": {"type": "object", "properties": {"a": schema, "b": STR}},
            "items": {"type": "array", "items": schema},
            "anyOf": {"anyOf": [schema, NULL]},
            "allOf": {"allOf": [schema]},
        }
        schema = wrapped[key]
    return {"type": "object", "properties": {"p": schema}}


@pytest.mark.parametrize(
    "schema",
    [
        *(laughs(20, 10, key) for key in ("properties", "anyOf", "allOf", "prefixItems")),
        *(nested(300, key) for key in ("properties", "items", "anyOf", "allOf")),
        {"type": "object", "properties": {f"p{i}": STR for i in range(50_000)}},
        {
            "$defs": {"e": {"enum": [f"value {i}" for i in range(20_000)]}},
            "type": "object",
            "properties": {f"p{i}": {"$ref": "#/$defs/e"} for i in range(5_000)},
        },
    ],
    ids=lambda schema: "",
)
def test_no_schema_takes_long_or_grows(schema: Any) -> None:
    begin = time.process_time()
    for clean in (clean_parameters, clean_response):
        found: Any = clean(schema)
        assert size(found) < 10 * size(schema) + 500_000
    assert time.process_time() - begin < 10


def test_the_depth_is_limited() -> None:
    schema, _ = clean_parameters(nested(100, "properties"))
    depth = 0
    while "properties" in schema:
        schema, depth = next(iter(schema["properties"].values())), depth + 1
    assert depth == 33
    assert schema == {"type": "object"}


def test_nested_optional_models_are_not_cut() -> None:
    schema: Any = INT
    for _ in range(14):
        schema = {"anyOf": [{"type": "object", "properties": {"a": schema, "b": STR}}, NULL]}
    found: Any = cleaned(schema)
    for _ in range(14):
        assert found["nullable"] is True
        found = found["properties"]["a"]
    assert found == INT
