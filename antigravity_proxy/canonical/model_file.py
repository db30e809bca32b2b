"""The TOML file that the table of models is read from. Pure, but for the bundled one, read at the import.

The table ages, so it is a file, `models.toml`; an operator's file of the same form corrects it (models.md).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from fnmatch import translate
from importlib import resources
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import fields, replace

from antigravity_proxy.canonical.credential import ACCOUNTS, GEMINI, VERTEX
from antigravity_proxy.canonical.model_table import ModelTable, Rule, described
from antigravity_proxy.canonical.models import Family, Output, Thinking, Tokens
from antigravity_proxy.settings.toml_lines import line_of

#: bytes of an operator's file, and models, rules and aliases that it may hold
MAX_FILE = 256 << 10
MAX_ENTRIES = 1000
#: the field that a complaint of msgspec's is about
_FIELD = re.compile(r"`\$\.(\w+)")
_MISSING = re.compile(r"(?:required|unknown) field `([^`]*)`")

_Id = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._@:-]{0,199}\Z")]
_Pattern = Annotated[str, Meta(pattern=r"^[a-z0-9._@*-]{1,200}\Z")]
_Patterns = Annotated[tuple[_Pattern, ...], Meta(min_length=1, max_length=100)]
_Text = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]{1,200}\Z")]
_Generation = Annotated[float, Meta(ge=0, le=1000)]
_Level = Literal["MINIMAL", "LOW", "MEDIUM", "HIGH"]
_Levels = Annotated[tuple[_Level, ...], Meta(max_length=4)]
_Upstream = Literal["gemini", "vertex"]
_LEVELS_BY_DEPTH = get_args(_Level)
T = TypeVar("T", bound=Struct)


class ModelsError(Exception):
    """A file of models can't be used: one line that says where, what and what is accepted."""


class _Facts(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The facts of a rule or an entry; those that it leaves out are UNSET."""

    family: Family | UnsetType = UNSET
    generation: _Generation | UnsetType = UNSET
    context: Tokens | UnsetType = UNSET
    output: Tokens | UnsetType = UNSET
    thinking: Thinking | bool | UnsetType = UNSET
    makes: Output | UnsetType = UNSET
    levels: _Levels | UnsetType = UNSET
    searches: bool | UnsetType = UNSET
    mixes_tools: bool | UnsetType = UNSET
    takes_prefill: bool | UnsetType = UNSET
    reads_media_in_results: bool | UnsetType = UNSET
    needs_signatures: bool | UnsetType = UNSET
    formats_beside_tools: bool | UnsetType = UNSET
    takes_sampling: bool | UnsetType = UNSET
    takes_force: bool | UnsetType = UNSET
    thinks_adaptively: bool | UnsetType = UNSET
    streams_speech: bool | UnsetType = UNSET
    styles_speech: bool | UnsetType = UNSET


class RuleEntry(_Facts, frozen=True, kw_only=True, rename={"since": "from"}):
    """The fields of a ``[[rule]]``: conditions, all of which must hold, and facts."""

    ids: _Patterns = ("*",)
    of: Family | None = None
    since: _Generation = 0.0
    below: _Generation = 1001.0
    at: tuple[Literal["accounts", "gemini", "vertex"], ...] = ("accounts", "gemini", "vertex")


class AccountEntry(_Facts, frozen=True, kw_only=True):
    """The fields of an entry of ``accounts``."""

    name: _Text | UnsetType = UNSET
    official: _Id | UnsetType = UNSET
    level: _Level | UnsetType = UNSET
    older: bool | UnsetType = UNSET


class OfficialEntry(_Facts, frozen=True, kw_only=True):
    """The fields of an entry of ``official``."""

    name: _Text | UnsetType = UNSET
    at: Annotated[tuple[_Upstream, ...], Meta(min_length=1)] | UnsetType = UNSET
    gone: bool | UnsetType = UNSET


class AliasEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of an ``[[alias]]``."""

    names: _Patterns
    model: _Id
    medium: _Id = ""
    low: _Id = ""


class NamesEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The fields of ``[names]``."""

    fallback: _Id | UnsetType = UNSET
    search: _Id | UnsetType = UNSET
    pictures: _Id | UnsetType = UNSET
    official_fallback: _Id | UnsetType = UNSET
    hidden: Annotated[tuple[_Id, ...], Meta(max_length=100)] | UnsetType = UNSET
    shown: Annotated[tuple[_Id, ...], Meta(max_length=1000)] | UnsetType = UNSET


class _Sheet(Struct, frozen=True):
    """The content of a file, or of several read over each other; the facts of an entry by field."""

    names: dict[str, Any] = {}
    aliases: tuple[AliasEntry, ...] = ()
    rules: tuple[RuleEntry, ...] = ()
    accounts: dict[str, dict[str, Any]] = {}
    official: dict[str, dict[str, Any]] = {}


def parse(text: str) -> ModelTable:
    """The bundled table as an operator's file corrects it. Raises ModelsError unless all of the file is understood."""
    sheet = _read(text)
    others = (
        *(each.names[0] for each in sheet.aliases),
        *(each.of or each.ids[0] for each in sheet.rules),
        *sheet.names,
    )
    return replace(
        _table(_over(_BUNDLED, sheet), text),
        corrected=tuple(dict.fromkeys((*sheet.accounts, *sheet.official, *others))),
        stated={
            (section, name): frozenset(_facts_of(own))
            for section, entries in (("accounts", sheet.accounts), ("official", sheet.official))
            for name, own in entries.items()
        },
    )


def _read(text: str) -> _Sheet:
    """The content of a file."""
    try:
        value = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as e:
        raise ModelsError(f"it is not TOML: {str(e).partition(chr(10))[0][:200]}") from None
    unknown = sorted(value.keys() - {"names", "alias", "rule", "accounts", "official"})
    if unknown:
        accepted = "[names], [[alias]], [[rule]], [accounts.ID] and [official.ID] are accepted"
        raise ModelsError(f"line {line_of(text, (unknown[0],))}: {_quoted(unknown[0])} is unknown; {accepted}")
    aliases, rules = (_tables(value, name, text) for name in ("alias", "rule"))
    accounts, official = (_entries(value, name, text) for name in ("accounts", "official"))
    if len(aliases) + len(rules) + len(accounts) + len(official) > MAX_ENTRIES:
        raise ModelsError(f"it holds more than {MAX_ENTRIES} models, rules and aliases")
    return _Sheet(
        names=_said(_converted(value.get("names", {}), NamesEntry, text, ("names",))),
        aliases=tuple(_converted(each, AliasEntry, text, ("alias",), i) for i, each in enumerate(aliases)),
        rules=tuple(_converted(each, RuleEntry, text, ("rule",), i) for i, each in enumerate(rules)),
        accounts={k: _said(_converted(each, AccountEntry, text, ("accounts", k))) for k, each in accounts.items()},
        official={k: _said(_converted(each, OfficialEntry, text, ("official", k))) for k, each in official.items()},
    )


def _tables(value: Mapping[str, Any], name: str, text: str) -> list[Any]:
    found = value.get(name, [])
    if not isinstance(found, list):
        raise ModelsError(f"line {line_of(text, (name,))}: {name!r} is not a list: write [[{name}]] above each")
    return found


def _entries(value: Mapping[str, Any], name: str, text: str) -> dict[str, Any]:
    found = value.get(name, {})
    if not isinstance(found, dict):
        raise ModelsError(f'line {line_of(text, (name,))}: {name!r} is not a table: write [{name}."ID"] above each')
    for identity in found:
        try:
            msgspec.convert(identity, _Id)
        except msgspec.ValidationError:
            where = f"line {line_of(text, (name, identity))}"
            raise ModelsError(f"{where}: {_quoted(identity)} is not a model's id, which has small letters") from None
    return found


#: what each field takes, in words
_ACCEPTED = {
    "family": "gemini, claude or gpt-oss",
    "of": "gemini, claude or gpt-oss",
    "generation": "a number such as 3.5",
    "from": "a generation such as 3.5",
    "below": "a generation such as 3.5",
    "context": "a number of tokens",
    "output": "a number of tokens",
    "thinking": "false, or {minimum = TOKENS, maximum = TOKENS} with fixed = TOKENS or can_be_off = true besides",
    "makes": "text, pictures, vectors or speech",
    "levels": "a list of MINIMAL, LOW, MEDIUM and HIGH",
    "level": "MINIMAL, LOW, MEDIUM or HIGH",
    "at": "a list of the upstreams gemini and vertex, and in rules accounts",
    "name": "a text in one line",
    "ids": 'a list of patterns in small letters such as ["gemini-*"]',
    "names": 'a list of patterns in small letters such as ["gpt-*"]',
    "hidden": "a list of beginnings of ids",
    "shown": "a list of public names",
    **dict.fromkeys(("official", "model", "medium", "low"), "a model's id"),
    **dict.fromkeys(("fallback", "search", "pictures", "official_fallback"), "a model's id"),
}


def _converted(value: Any, kind: type[T], text: str, table: tuple[str, ...], number: int = 0) -> T:
    """A table of the file as ``kind``. Raises ModelsError that names line, table and field."""
    field, words = "", ""
    try:
        found = msgspec.convert(value, kind)
    except msgspec.ValidationError as e:
        complaint = str(e)
        about, missing = _FIELD.search(complaint), _MISSING.search(complaint)
        if about is not None:
            field = about[1]
            words = f"{field!r} takes {_ACCEPTED.get(field, 'true or false')}"
        elif missing is not None and "unknown" in complaint:
            field = missing[1]
            accepted = ", ".join(sorted(each.encode_name for each in fields(kind)))
            words = f"{_quoted(field)} is unknown; accepted are {accepted}"
        elif missing is not None:
            words = f"{missing[1]!r} is missing: {_ACCEPTED[missing[1]]}"
        else:
            words = "it is not a table"
    else:
        thinking = getattr(found, "thinking", UNSET)
        if thinking is True:
            field, words = "thinking", f"'thinking' takes {_ACCEPTED['thinking']}"
        elif isinstance(thinking, Thinking) and not _is_sound(thinking):
            field, words = "thinking", "'thinking' has a minimum above its maximum, or 'fixed' outside of them"
    if words:
        raise ModelsError(f"{_where(text, table, number, field)}: {words}")
    return found


def _is_sound(thinking: Thinking) -> bool:
    fixed = thinking.minimum if thinking.fixed is None else thinking.fixed
    return thinking.minimum <= fixed <= thinking.maximum


def _where(text: str, table: tuple[str, ...], number: int = 0, field: str = "") -> str:
    return f"line {line_of(text, table, number, field)} ({'.'.join(table)})"


def _quoted(name: str) -> str:
    return f"'{name}'" if re.fullmatch(r"[\w.:@*-]{1,60}", name) else "a name that can't be one"


def _said(given: Struct) -> dict[str, Any]:
    """The fields that were given."""
    return {name: value for name in given.__struct_fields__ if (value := getattr(given, name)) is not UNSET}


def _over(base: _Sheet, other: _Sheet) -> _Sheet:
    """One sheet read over another."""
    return _Sheet(
        base.names | other.names,
        other.aliases + base.aliases,
        base.rules + other.rules,
        {name: base.accounts.get(name, {}) | other.accounts.get(name, {}) for name in base.accounts | other.accounts},
        {name: base.official.get(name, {}) | other.official.get(name, {}) for name in base.official | other.official},
    )


def _table(sheet: _Sheet, text: str) -> ModelTable:
    """The table of a sheet. ``text`` is the file that was read last: errors name its lines."""
    rules = tuple(
        Rule(_matcher(each.ids), each.of, each.since, each.below, each.at, _facts_of(_said(each)))
        for each in sheet.rules
    )
    official = {name: own for name, own in sheet.official.items() if not own.get("gone")}
    found = ModelTable(
        accounts={name: described(rules, name, ACCOUNTS, _facts_of(own)) for name, own in sheet.accounts.items()},
        official={
            upstream: {
                name: described(rules, name, upstream, _facts_of(own))
                for name, own in official.items()
                if upstream in own.get("at", (GEMINI, VERTEX))
            }
            for upstream in (GEMINI, VERTEX)
        },
        same={
            name: (own.get("official", name), own.get("level", ""))
            for name, own in sheet.accounts.items()
            if own.get("official", name) in official
        },
        older=frozenset(name for name, own in sheet.accounts.items() if own.get("older")),
        aliases=tuple(
            (_matcher(each.names), (each.model, each.medium or each.model, each.low or each.medium or each.model))
            for each in sheet.aliases
        ),
        rules=rules,
        **sheet.names,
    )
    _check_targets(sheet, found, text)
    return found


def _check_targets(sheet: _Sheet, table: ModelTable, text: str) -> None:
    """Raises ModelsError where a name leads to a model that the table doesn't have: it may be misspelt."""
    for field in ("fallback", "search", "pictures"):
        _check_known(sheet.names[field], table.accounts, _where(text, ("names",), 0, field))
    known = table.official[GEMINI]
    _check_known(sheet.names["official_fallback"], known, _where(text, ("names",), 0, "official_fallback"), "official")
    for number, alias in enumerate(sheet.aliases):
        for field in ("model", "medium", "low"):
            if target := getattr(alias, field):
                _check_known(target, table.accounts, _where(text, ("alias",), number, field))
    for name, own in sheet.accounts.items():
        if "official" in own:
            _check_known(own["official"], sheet.official, _where(text, ("accounts", name), 0, "official"), "official")


def _check_known(name: str, known: Mapping[str, object], where: str, section: str = "accounts") -> None:
    if name not in known:
        raise ModelsError(f'{where}: there is no model {_quoted(name)}; [{section}."{name}"] would add it')


def _facts_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a rule or an entry that become a model's."""
    facts = {name: value for name, value in said.items() if name in _Facts.__struct_fields__}
    if facts.get("thinking") is False:
        facts["thinking"] = None
    if "levels" in facts:
        facts["levels"] = tuple(sorted(facts["levels"], key=_LEVELS_BY_DEPTH.index))
    if "name" in said:
        facts["display_name"] = said["name"]
    return facts


def _matcher(patterns: Iterable[str]) -> re.Pattern[str]:
    """Fits what any of these patterns fits, in time that grows with the length alone: names come from clients."""
    return re.compile("|".join(map(translate, patterns)))


_TEXT = resources.files(__package__).joinpath("models.toml").read_text("utf-8")
_BUNDLED = _read(_TEXT)
#: what this release knows
BUNDLED = _table(_BUNDLED, _TEXT)
