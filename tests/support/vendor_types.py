"""Makes requests of all kinds from the vendors' own types: typed dictionaries and pydantic models become strategies."""

from __future__ import annotations

import collections.abc
import enum
import types
import typing
from typing import Any

import typing_extensions
from hypothesis import strategies as st
from pydantic import BaseModel

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TEXTS = st.sampled_from(["one", "two\n", " ", "\n\t", "", "drei ü", "a b.c", "…"])
NAMES = st.sampled_from(["read", "get.time", "a b", "9x", "mcp__srv__do", "x" * 70, "read "])
IDS = st.sampled_from(["c1", "c2", "c:3", "c1"])
_STRING = {"type": "string"}
_KINDS = [
    {"type": "object", "properties": {"kind": {"const": kind}, kind: {"type": kind}}, "required": ["kind", kind]}
    for kind in ("string", "integer", "object")
]
SCHEMAS = st.sampled_from(
    [
        {},
        {"type": "object"},
        {"type": "object", "properties": {"a": _STRING, "b": {"type": ["integer", "null"], "minimum": 1}}},
        {"type": "object", "properties": {"a": {"anyOf": _KINDS}}, "additionalProperties": False},
        {"oneOf": _KINDS},
        {"allOf": [{"anyOf": _KINDS}, {"properties": {"x": {"enum": [1, 2]}}, "required": ["x"]}]},
        {
            "$ref": "#/$defs/n",
            "$defs": {"n": {"properties": {"next": {"$ref": "#/$defs/n"}, "all": {"items": {"$ref": "#"}}}}},
        },
        {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "integer"}}},
        {"properties": {"t": {"prefixItems": [_STRING, {"type": "integer"}]}, "f": False, "any": True}},
        {"type": "string", "enum": ["a", "b", ""]},
    ]
)  # fmt: skip
#: fields whose values mean something, whatever their type says
MEANT: dict[str, st.SearchStrategy[Any]] = {
    "model": st.sampled_from(["gemini-3-flash", "claude-opus-4-6", "gpt-5", "nonsense"]),
    "name": NAMES,
    "id": IDS,
    "tool_call_id": IDS,
    "tool_use_id": IDS,
    "allowed_function_names": st.lists(NAMES, max_size=2),
    "parameters": SCHEMAS,
    "input_schema": SCHEMAS,
    "schema": SCHEMAS,
    "parameters_json_schema": SCHEMAS,
    "response_json_schema": SCHEMAS,
    "response_schema": SCHEMAS,
    "arguments": st.sampled_from(['{"a":1}', "", "nonsense", "[1]"]),
    "args": st.just({"a": 1}),
    "input": st.just({"a": 1}),
    "url": st.sampled_from([f"data:image/png;base64,{PNG}", "https://a.example/x.png"]),
    "image_url": st.just({"url": f"data:image/png;base64,{PNG}"}),
    "data": st.just(PNG),
    "file_data": st.just(f"data:text/plain;base64,{PNG}"),
    "file_uri": st.just("gs://bucket/object"),
    "media_type": st.just("image/png"),
    "mime_type": st.just("image/png"),
    "format": st.sampled_from(["wav", "mp3"]),
    "signature": st.sampled_from(["", "agp1.c.t.QUJD", "agp1.g.f.QUJD", "foreign"]),
    "thought_signature": st.sampled_from(["QUJD", "Q_-D"]),
    "max_tokens": st.sampled_from([1, 500, 10_000_000]),
    "max_completion_tokens": st.sampled_from([1, 500, 10_000_000]),
    "max_output_tokens": st.sampled_from([1, 500, 10_000_000]),
    "budget_tokens": st.sampled_from([1024, 100_000]),
    "temperature": st.sampled_from([0, 0.5, 1]),
    "top_p": st.sampled_from([0, 0.5, 0.96, 1]),
    "top_k": st.sampled_from([0, 1, 40]),
    "n": st.just(1),
    "candidate_count": st.just(1),
    "top_logprobs": st.sampled_from([0, 5]),
    "logprobs": st.sampled_from([True, False]),
    "stream": st.booleans(),
    "stop": st.sampled_from(["END", ["a", "b", "c", "d", "e", "f"], [""]]),
    "stop_sequences": st.sampled_from([["END"], list("abcdefg"), [""]]),
}


def made(hint: Any, only: dict[str, list[str]], depth: int = 6) -> st.SearchStrategy[Any]:
    """Values of a type. ``only``: of these types, by name, no other fields than these.

    After the name, `` needs``: fields that stand always; `` as typed``: fields without a meaning of ``MEANT``.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Annotated, typing.Required, typing.NotRequired):
        return made(arguments[0], only, depth)
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin in (typing.Union, types.UnionType):
        some = [each for each in arguments if each is not type(None)]
        return st.deferred(lambda: st.one_of([made(each, only, depth) for each in some])) if some else st.none()
    if origin in (list, collections.abc.Iterable, collections.abc.Sequence) or hint is list:
        inner = arguments[0] if arguments else str
        return st.lists(made(inner, only, depth - 1), min_size=0, max_size=3 if depth > 0 else 0)
    if typing_extensions.is_typeddict(hint):
        hints = typing.get_type_hints(hint, include_extras=True)
        required = frozenset(key for key, each in hints.items() if typing.get_origin(each) is typing.Required)
        return _object(hint.__name__, hints, required, only, depth)
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        fields = {name: field.annotation for name, field in hint.model_fields.items()}
        return _object(hint.__name__, fields, frozenset(only.get(f"{hint.__name__} needs", ())), only, depth)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return st.sampled_from([member.value for member in hint])
    return {
        bool: st.booleans(), int: st.sampled_from([0, 1, 7]), float: st.sampled_from([0, 0.5, 1.0]), str: TEXTS,
        bytes: st.just("QUJD"),
    }.get(hint, st.just({}))  # fmt: skip


def _object(
    name: str, hints: dict[str, Any], required: frozenset[str], only: dict[str, list[str]], depth: int
) -> st.SearchStrategy[Any]:
    known = {key: hint for key, hint in hints.items() if key in only.get(name, hints) or key in required}

    def field(key: str) -> st.SearchStrategy[Any]:
        own = MEANT.get(key)
        return (
            own
            if own is not None and key not in only.get(f"{name} as typed", [])
            else made(known[key], only, depth - 1)
        )

    def build() -> st.SearchStrategy[Any]:
        always = {key: field(key) for key in known if key in required}
        more = {key: field(key) for key in known if key not in required} if depth > 0 else {}
        return st.fixed_dictionaries(always, optional=more)

    return st.deferred(build)
