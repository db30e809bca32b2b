"""Gemini's two spellings: clients mix camelCase and snake_case in one request (clients.md 7). Pure."""

from __future__ import annotations

import functools
from typing import Any

#: everything below these is the client's own data or JSON Schema: not ours to respell
_OPAQUE = frozenset({"args", "response", "parametersJsonSchema", "responseJsonSchema", "labels"})
#: Gemini's own Schema: the names of properties are the client's, the keywords aren't
_SCHEMAS = frozenset({"parameters", "responseSchema"})
#: its keywords of several words
_KEYWORDS = {
    "any_of": "anyOf",
    "property_ordering": "propertyOrdering",
    "additional_properties": "additionalProperties",
    "prefix_items": "prefixItems",
    "min_items": "minItems",
    "max_items": "maxItems",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_properties": "minProperties",
    "max_properties": "maxProperties",
}
#: its keywords that hold schemas; below any other is data
_INNER_SCHEMAS = frozenset({"items", "additionalProperties", "anyOf", "prefixItems"})
_NESTED = (dict, list)
#: fields that hold a list: proto JSON takes one value for a list of one
_LISTS = frozenset({
    "parts", "tools", "functionDeclarations", "stopSequences", "safetySettings", "allowedFunctionNames",
    "responseModalities", "searchTypes", "excludeDomains", "fileSearchStoreNames", "excludedPredefinedFunctions",
    "mcpServers",
})  # fmt: skip
#: the same in its Schema
_SCHEMA_LISTS = frozenset({"required", "enum", "anyOf", "propertyOrdering", "prefixItems"})
#: its keywords that are more than copied, with their names
_SPECIAL = _KEYWORDS | {name: name for name in _INNER_SCHEMAS | _SCHEMA_LISTS | {"properties"}}
#: no field of Gemini's has a longer name
_MAX_NAME = 64


def to_camel(value: dict[str, Any] | list[Any]) -> Any:
    """The value with every known level's keys in camelCase, and lists where lists are declared.

    If both spellings occur, the camelCase one wins.
    """
    if isinstance(value, list):
        return [
            to_camel(item) if isinstance(item, _NESTED) and (len(item) != 1 or not _is_text(item)) else item
            for item in value
        ]
    out: dict[str, Any] = {}
    for key, item in value.items():
        name = _camel(key) if "_" in key and len(key) <= _MAX_NAME else key
        if name in out and name != key:
            continue
        if not isinstance(item, _NESTED):
            out[name] = item if item is None or name not in _LISTS else [item]
        elif name in _OPAQUE:
            out[name] = item
        else:
            inner = _schema(item) if name in _SCHEMAS else to_camel(item)
            out[name] = [inner] if name in _LISTS and isinstance(item, dict) else inner
    return out


def _is_text(item: dict[str, Any] | list[Any]) -> bool:
    """Whether something with one field is a text, as nearly all parts are."""
    return isinstance(item, dict) and isinstance(item.get("text"), str)


def _schema(value: Any) -> Any:
    """A schema with its keywords in camelCase."""
    if isinstance(value, list):
        return [_schema(item) for item in value]
    if not isinstance(value, dict):
        return value
    fields: dict[str, Any] = value
    out: dict[str, Any] = {}
    for key, item in fields.items():
        name = _SPECIAL.get(key)
        if name is None:  # as most are
            out[key] = item
            continue
        if name in out and name != key:
            continue
        if name == "properties" and isinstance(item, dict):
            out[name] = {own: _schema(inner) for own, inner in item.items()}
        else:
            out[name] = _schema(item) if name in _INNER_SCHEMAS else item
        if name in _SCHEMA_LISTS and item is not None and not isinstance(item, list):
            out[name] = [out[name]]
    return out


@functools.lru_cache(maxsize=512)
def _camel(key: str) -> str:
    first, *rest = key.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest) if first else key
