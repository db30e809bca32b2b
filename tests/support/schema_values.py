"""Values that a JSON Schema allows, and whether a model that was told a cleaned schema could still say them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Schema = dict[str, Any]
_DEEP = 5
_BY_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "string": st.sampled_from(["x", "", "2026-01-01"]),
    "integer": st.integers(1, 9),
    "number": st.sampled_from([1, 2.5]),
    "boolean": st.booleans(),
    "null": st.none(),
}
_ANY = st.one_of(*_BY_TYPE.values(), st.just({"free": [1]}), st.just(["free"]))


def valid(schema: Any, root: Schema, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values that fit a schema of the document ``root``."""
    if schema is True or not schema.keys() - {"title", "description", "default"}:
        return _ANY
    if "$ref" in schema:
        target = _target(root, schema["$ref"])
        return st.deferred(lambda: valid({**target, **{k: v for k, v in schema.items() if k != "$ref"}}, root, depth))
    together = [valid(part, root, depth + 1) for part in schema.get("allOf", ())]
    for word in ("anyOf", "oneOf"):
        if branches := schema.get(word):
            some = branches if depth <= _DEEP else branches[:1]
            together.append(st.one_of([valid(branch, root, depth + 1) for branch in some]))
    own = _own(schema, root, depth)
    if own is not None:
        together.append(own)
    if len(together) == 1:
        return together[0]
    return st.tuples(*together).map(lambda parts: {name: value for part in parts for name, value in part.items()})


def _own(schema: Schema, root: Schema, depth: int) -> st.SearchStrategy[Any] | None:
    """What a node says besides its alternatives; None: nothing."""
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = schema.get("type", "object" if "properties" in schema else [])
    some = [_of_type(kind, schema, root, depth) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    return st.one_of(some) if some else None


def _of_type(kind: str, schema: Schema, root: Schema, depth: int) -> st.SearchStrategy[Any]:
    if kind == "array":
        if prefix := schema.get("prefixItems"):
            return st.tuples(*(valid(item, root, depth + 1) for item in prefix)).map(list)
        items = st.deferred(lambda: valid(schema.get("items", True), root, depth + 1))
        least = schema.get("minItems", 0)
        return st.lists(items, min_size=least, max_size=max(least, 2 if depth <= _DEEP else 0))
    if kind != "object":
        return _BY_TYPE[kind]
    known = {name: valid(each, root, depth + 1) for name, each in schema.get("properties", {}).items()}
    always = {name: each for name, each in known.items() if name in schema.get("required", ())}
    more = {name: each for name, each in known.items() if name not in always and depth <= _DEEP}
    values = st.fixed_dictionaries(always, optional=more)
    others = schema.get("additionalProperties", False)
    if others is False or depth > _DEEP:
        return values
    free = st.dictionaries(st.just("another"), valid(others, root, depth + 1), max_size=1)
    return st.tuples(values, free).map(lambda both: both[0] | both[1])


def _target(root: Schema, ref: str) -> Schema:
    found = root
    for step in ref.removeprefix("#").split("/")[1:]:
        found = found[step]
    return found


def kind_of(value: Any) -> set[str]:
    """The JSON types of a value; a whole number is a number too."""
    if value is None:
        return {"null"}
    if isinstance(value, bool):
        return {"boolean"}
    if isinstance(value, int | float):
        return {"integer", "number"} if value == value // 1 else {"number"}
    return {{str: "string", list: "array", dict: "object"}[type(value)]}


def sayable(value: Any, schema: Schema, root: Schema | None = None) -> bool:
    """Whether a value fits a cleaned schema, or its description tells the model that such a value is taken too."""
    root = root or schema
    if "$ref" in schema:
        return sayable(value, _target(root, schema["$ref"]), root)
    told, kinds = schema.get("description", ""), kind_of(value)
    if value is None and (schema.get("nullable") or schema.get("type") == "null"):
        return True
    if "any JSON value" in told or f"or: {value!r}".replace("'", '"') in told:
        return True
    if "anyOf" in schema and "type" not in schema:
        return any(sayable(value, branch, root) for branch in schema["anyOf"])
    if schema["type"] not in kinds:
        return any(f"{word} {kind}" in told for kind in kinds for word in ("or:", "or", "accepts:", ","))
    if "enum" in schema:
        return value in schema["enum"]
    if isinstance(value, list):
        prefix = schema.get("prefixItems", [])
        rest = [sayable(item, schema["items"], root) for item in value[len(prefix) :]]
        return all(rest) and all(sayable(item, each, root) for item, each in zip(value, prefix, strict=False))
    if isinstance(value, dict):
        return all(name in value for name in schema.get("required", ())) and all(
            _property(name, inner, schema, root) for name, inner in value.items()
        )
    return True


def _property(name: str, value: Any, schema: Schema, root: Schema) -> bool:
    """A property that is declared, or one beside those that may come."""
    properties, others = schema.get("properties"), schema.get("additionalProperties")
    if properties and name in properties:
        return sayable(value, properties[name], root)
    if isinstance(others, dict):
        return sayable(value, others, root)
    return properties is None or "other properties:" in schema.get("description", "")
