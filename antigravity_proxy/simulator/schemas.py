"""The subset of JSON Schema that the service reads, for tools' parameters and for structured output. Pure."""

from __future__ import annotations

from typing import Any

from antigravity_proxy.simulator.wire import Refused

#: of a function's parameters, for every model (translation.md 2.4); Claude doesn't know the last
KEYWORDS = frozenset(
    {"type", "properties", "items", "required", "description", "enum", "nullable", "propertyOrdering"},
)
CLAUDE_KEYWORDS = KEYWORDS - {"propertyOrdering"}
#: of ``responseSchema`` and ``responseJsonSchema`` (translation.md 2.5)
RESPONSE_KEYWORDS = KEYWORDS | {"additionalProperties"}
JSON_KEYWORDS = RESPONSE_KEYWORDS | {
    "anyOf", "minItems", "maxItems", "minimum", "maximum", "format", "prefixItems", "$ref", "$defs",
}  # fmt: skip

_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object"})
_MAX_DEPTH = 40


def check_schema(schema: Any, place: str, keywords: frozenset[str], depth: int = 0) -> None:
    """A schema at a place, and everything in it; raises Refused."""
    if depth > _MAX_DEPTH:
        raise Refused(f"{place}: the schema is nested too deeply", place)
    if not isinstance(schema, dict):
        raise Refused(f"Invalid value at '{place}': a schema is expected", place)
    if unknown := sorted(schema.keys() - keywords):
        text = f"Invalid JSON payload received. Unknown name \"{unknown[0]}\" at '{place}': Cannot find field."
        raise Refused(text, place)
    _check_types(schema, place, keywords)
    for name, inner in schema.get("$defs", {}).items():
        if depth:
            raise Refused(f"{place}.$defs: only allowed at the root", place)
        check_schema(inner, f"{place}.$defs[{name}]", keywords, depth + 1)
    if "$ref" in schema:
        if schema.keys() - {"$ref", "$defs"}:
            raise Refused(f"{place}: nothing but definitions may stand beside $ref", place)
        return
    if "anyOf" in schema and "type" not in schema:
        _check_each(schema["anyOf"], f"{place}.any_of", keywords, depth)
        return
    kind = schema.get("type")
    if kind == "null" and keywords is JSON_KEYWORDS:
        return
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise Refused(f"Invalid value at '{place}.type' (TYPE_ENUM), {kind!r}", place)
    kind = kind.lower()
    values = schema.get("enum")
    if values is not None and (kind != "string" or not values or not all(isinstance(v, str) and v for v in values)):
        raise Refused(f"{place}.enum: only non-empty strings are allowed, and only for type STRING", place)
    properties = schema.get("properties", {})
    for field in ("required", "propertyOrdering"):
        for i, name in enumerate(schema.get(field, [])):
            if name not in properties:
                raise Refused(f"{place}.{field}[{i}]: property is not defined", place)
    if properties and kind != "object":
        raise Refused(f"{place}.properties: only allowed for OBJECT type", place)
    for name, inner in properties.items():
        check_schema(inner, f"{place}.properties[{name}]", keywords, depth + 1)
    for i, inner in enumerate(schema.get("prefixItems", [])):
        check_schema(inner, f"{place}.prefix_items[{i}]", keywords, depth + 1)
    if isinstance(schema.get("additionalProperties"), dict):
        check_schema(schema["additionalProperties"], f"{place}.additional_properties", keywords, depth + 1)
    if kind == "array" and not schema.keys() & {"items", "prefixItems"}:
        raise Refused(f"{place}.items: missing field.", place)
    if "items" in schema:
        check_schema(schema["items"], f"{place}.items", keywords, depth + 1)


def _check_types(schema: dict[str, Any], place: str, keywords: frozenset[str]) -> None:
    """That each keyword's value is of its type; outside of JSON Schema additional properties may only be forbidden."""
    for name, kind in (
        ("properties", dict), ("required", list), ("enum", list), ("propertyOrdering", list), ("anyOf", list),
        ("description", str), ("nullable", bool), ("format", str),
        ("prefixItems", list), ("$ref", str), ("$defs", dict),
        ("minItems", int), ("maxItems", int), ("minimum", int | float), ("maximum", int | float),
    ):  # fmt: skip
        if name in schema and not isinstance(schema[name], kind):
            raise Refused(f"Invalid value at '{place}.{name}'", place)
    more = schema.get("additionalProperties", False)
    if more is not False and not (isinstance(more, dict) and keywords is JSON_KEYWORDS):
        raise Refused(f"Invalid value at '{place}.additional_properties'", place)


def _check_each(schemas: list[Any], place: str, keywords: frozenset[str], depth: int) -> None:
    if not schemas:
        raise Refused(f"{place}: must not be empty", place)
    for number, schema in enumerate(schemas):
        check_schema(schema, f"{place}[{number}]", keywords, depth + 1)
