"""The credentials file (official-upstreams.md 2.2): TOML, read strictly, every error with its line. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from antigravity_proxy.canonical.credential import KINDS, Credential
from antigravity_proxy.canonical.grant import AuthorizedUser, Grant, Metadata, ServiceAccount, StaticKey
from antigravity_proxy.credentials import google_file
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings import gemini_keys, proxies
from antigravity_proxy.settings.parse import UPSTREAMS
from antigravity_proxy.settings.toml_lines import line_of

#: a file with more is not one that somebody wrote
MAX_CREDENTIALS = 10_000
_LOCATION = re.compile(r"[a-z]{2,20}(?:-[a-z]{2,20}\d{0,2}){0,3}")
_PATTERN = re.compile(r"[A-Za-z0-9.@_*/-]{1,200}")
_LONGEST = 4096


class CredentialsError(Exception):
    """The credentials can't be used: one line that says where, why and what is accepted. It holds no secret."""


class Found(Struct, frozen=True):
    """The content of all sources. ``routes``: for public names that match a pattern, the upstreams in order.

    ``notes``: doubts.
    """

    credentials: tuple[Credential, ...] = ()
    routes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    notes: tuple[str, ...] = ()


class Surroundings(Struct, frozen=True):
    """The files that a file may refer to. ``read_file`` gives a file's text or raises OSError or UnicodeDecodeError.

    ``adc_file``: where application default credentials are, empty: nowhere. ``project``, ``location``: what goes with
    them. ``replaced_token_url``: the settings name a token endpoint of their own.
    """

    read_file: Callable[[str], str]
    environ: Mapping[str, str] = {}
    adc_file: str = ""
    project: str = ""
    location: str = "global"
    metadata_host: str = "metadata.google.internal"
    replaced_token_url: bool = False


class _Bad(Exception):
    """An error in a field of an entry; ``field`` is empty if it is the entire entry."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(words)
        self.field = field


#: the fields that every kind has, and what each of them has besides
_COMMON = frozenset(
    [
        "name",
        "kind",
        "quota_group",
        "tier",
        "allow_free",
        "priority",
        "models",
        "exclude",
        "max_requests",
        "max_per_day",
        "proxy",
    ]
)
_KEY = frozenset({"key", "key_file", "key_env"})
_PLACE = frozenset({"project", "locations", "claude_locations"})
#: models that a kind can't be used for: express mode has Google's alone (official-upstreams.md 1)
_NEVER = {"vertex-key": ("claude*", "*embedding*")}
_FIELDS = {
    "gemini-key": _COMMON | _KEY,
    "vertex-key": _COMMON | _KEY,
    "vertex-service-account": _COMMON | _PLACE | {"file"},
    "vertex-adc": _COMMON | _PLACE,
    "vertex-metadata": _COMMON | _PLACE,
}


def parse(text: str, around: Surroundings) -> Found:
    """Reads the file. Raises CredentialsError unless all of it is understood: a misspelt limit must not be none."""
    try:
        value = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as e:
        raise CredentialsError(f"it is not valid TOML: {str(e).partition(chr(10))[0][:200]}") from None
    unknown = sorted(value.keys() - {"credential", "route"})
    if unknown:
        raise CredentialsError(f"{_quoted(unknown[0])} is unknown; [[credential]] and [route] are accepted")
    entries = value.get("credential", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise CredentialsError("'credential' is not a list of tables: write [[credential]] above each")
    if len(entries) > MAX_CREDENTIALS:
        raise CredentialsError(f"it holds more than {MAX_CREDENTIALS} credentials")
    found: list[Credential] = []
    notes: list[str] = []
    for number, entry in enumerate(entries):
        try:
            credential, doubts = _credential(entry, around)
        except _Bad as e:
            name = entry.get("name")
            called = f" ({name})" if isinstance(name, str) and gemini_keys.NAME.fullmatch(name) else ""
            raise CredentialsError(f"line {line_of(text, ('credential',), number, e.field)}{called}: {e}") from None
        found.append(credential)
        notes += [f"{credential.id}: {doubt}" for doubt in doubts]
    _check_unique(found)
    return Found(tuple(found), _routes(value.get("route", {})), tuple(notes))


def application_default(around: Surroundings) -> Credential:
    """The credential of ``PROXY_VERTEX_ADC``. Raises CredentialsError."""
    try:
        return _credential({"name": "vertex-adc", "kind": "vertex-adc"}, around)[0]
    except _Bad as e:
        raise CredentialsError(str(e)) from None


def of_key(named: gemini_keys.NamedKey) -> Credential:
    """The credential of a key from the environment."""
    return Credential(
        id=named.name,
        kind="gemini-key",
        label=Secret(named.name),
        access_token=named.key,
        expires_at=float("inf"),
        grant=StaticKey(),
    )


def joined(*sources: Found) -> Found:
    """All of them together. Raises CredentialsError for a name or a secret that comes twice."""
    credentials = [credential for source in sources for credential in source.credentials]
    _check_unique(credentials)
    return Found(
        tuple(credentials),
        tuple(route for source in sources for route in source.routes),
        tuple(note for source in sources for note in source.notes),
    )


def _check_unique(credentials: list[Credential]) -> None:
    names: set[str] = set()
    secrets: dict[object, str] = {}
    for credential in credentials:
        if credential.id in names:
            raise CredentialsError(f"two credentials are called {credential.id}")
        names.add(credential.id)
        if isinstance(credential.grant, Metadata):
            continue
        secret = (credential.access_token, credential.grant, credential.project)
        if secret in secrets:
            raise CredentialsError(f"{secrets[secret]} and {credential.id} hold the same secret: keep one of them")
        secrets[secret] = credential.id


def _credential(entry: dict[str, Any], around: Surroundings) -> tuple[Credential, list[str]]:
    name = _text(entry, "name")
    if not gemini_keys.NAME.fullmatch(name):
        raise _Bad("name", "'name' takes 1 to 64 letters, digits, dots, dashes and underscores")
    kind = _text(entry, "kind")
    if kind not in KINDS:
        raise _Bad("kind", f"'kind' takes {', '.join(KINDS)}")
    for field in sorted(entry.keys() - _FIELDS[kind]):
        raise _Bad(field, f"{_quoted(field)} is unknown for {kind}; accepted are {', '.join(sorted(_FIELDS[kind]))}")
    tier = _word(entry, "tier", ("paid", "free"))
    if tier == "free" and not _boolean(entry, "allow_free"):
        raise _Bad("tier", "on the free tier Google uses prompts to improve its products: allow_free = true accepts it")
    grant, token, project, quota_project, doubts = _grant(entry, kind, around)
    places = _FIELDS[kind] >= _PLACE
    default = (around.location,) if kind == "vertex-adc" else ("global",)
    return (
        Credential(
            id=name,
            kind=kind,
            label=Secret(name),
            access_token=token,
            expires_at=float("inf") if isinstance(grant, StaticKey) else 0.0,
            grant=grant,
            group=_text(entry, "quota_group", "") or (f"project {project}" if project else ""),
            project=project or None,
            egress=_proxy(entry),
            models=_patterns(entry, "models"),
            exclude=_patterns(entry, "exclude") + _NEVER.get(kind, ()),
            priority=_integer(entry, "priority", -99_999, 99_999),
            max_requests=_integer(entry, "max_requests", 1, 100_000),
            max_per_day=_integer(entry, "max_per_day", 1, 100_000_000),
            tier=tier,
            locations=(_locations(entry, "locations") or default) if places else (),
            claude_locations=_locations(entry, "claude_locations") if places else (),
            quota_project=quota_project,
        ),
        doubts,
    )


def _grant(entry: dict[str, Any], kind: str, around: Surroundings) -> tuple[Grant, Secret, str, str, list[str]]:
    """Grant, token, project, the project that is billed, doubts."""
    if kind in ("gemini-key", "vertex-key"):
        key = _key(entry, around)
        odd = not gemini_keys.looks_like_a_key(key)
        return StaticKey(), key, "", "", ["its key does not look like a Google API key (AIza…, AQ.…)"] if odd else []
    project = _text(entry, "project", "")
    if project and not google_file.is_project(project):
        raise _Bad("project", "'project' takes a Google Cloud project's id")
    if kind == "vertex-metadata":
        return Metadata(around.metadata_host), Secret(""), project, "", []
    grant: ServiceAccount | AuthorizedUser
    field = "file" if kind == "vertex-service-account" else ""
    path = _text(entry, "file") if field else around.adc_file
    if not path:
        raise _Bad("", "there are no application default credentials: set GOOGLE_APPLICATION_CREDENTIALS to their file")
    where = f"'{field}'" if field else path
    try:
        found = google_file.read(_file(path, field, around), replaced_token_url=around.replaced_token_url)
    except google_file.GoogleFileError as e:
        raise _Bad(field, f"{where}: {e}") from None
    grant = found.grant
    if kind == "vertex-service-account" and not isinstance(grant, ServiceAccount):
        raise _Bad(
            field, f"{where}: it is not a service account's key; kind = \"vertex-adc\" takes a user's credentials"
        )
    project = project or (around.project if kind == "vertex-adc" else "") or found.project or found.quota_project
    if not project:
        raise _Bad(field, 'no project is known: write project = "…", or set GOOGLE_CLOUD_PROJECT for kind vertex-adc')
    return grant, Secret(""), project, found.quota_project, []


def _key(entry: dict[str, Any], around: Surroundings) -> Secret:
    given = sorted(_KEY & entry.keys())
    if len(given) != 1:
        raise _Bad(given[-1] if given else "", "one of 'key', 'key_file' and 'key_env' is needed, and no two of them")
    field = given[0]
    text = _text(entry, field)
    if field == "key_file":
        text = _file(text, field, around).strip()
    elif field == "key_env":
        name, text = text, around.environ.get(text, "").strip()
        if not text:
            raise _Bad(field, f"'key_env': the variable {_quoted(name)} is not set")
    try:
        return gemini_keys.checked(text)
    except ValueError as e:
        raise _Bad(field, f"'{field}' takes {e}") from None


def _file(path: str, field: str, around: Surroundings) -> str:
    try:
        return around.read_file(path)
    except (OSError, UnicodeDecodeError) as e:
        why = (e.strerror or type(e).__name__) if isinstance(e, OSError) else "not UTF-8"
        raise _Bad(field, f"the file {path} can't be read: {why}") from None


def _text(entry: dict[str, Any], field: str, default: str | None = None) -> str:
    value = entry.get(field, default)
    if value is None:
        raise _Bad("", f"'{field}' is missing")
    if not isinstance(value, str) or len(value) > _LONGEST or (field in entry and not value.strip()):
        raise _Bad(field, f"'{field}' takes a string")
    return value.strip()


def _word(entry: dict[str, Any], field: str, words: tuple[str, ...]) -> str:
    value = _text(entry, field, "")
    if value and value not in words:
        raise _Bad(field, f"'{field}' takes {' or '.join(words)}")
    return value


def _boolean(entry: dict[str, Any], field: str) -> bool:
    value = entry.get(field, False)
    if not isinstance(value, bool):
        raise _Bad(field, f"'{field}' takes true or false")
    return value


def _integer(entry: dict[str, Any], field: str, low: int, high: int) -> int:
    value = entry.get(field, 0)
    if field in entry and (isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high):
        raise _Bad(field, f"'{field}' takes a whole number from {low} to {high}")
    return int(value)


def _texts(entry: dict[str, Any], field: str, pattern: re.Pattern[str], what: str) -> tuple[str, ...]:
    value = entry.get(field, [])
    fine = isinstance(value, list) and len(value) <= 100
    if not fine or not all(isinstance(each, str) and pattern.fullmatch(each) for each in value):
        raise _Bad(field, f"'{field}' takes a list of {what}")
    return tuple(dict.fromkeys(value))


def _patterns(entry: dict[str, Any], field: str) -> tuple[str, ...]:
    return _texts(entry, field, _PATTERN, 'upstream model ids, such as ["gemini-*"]')


def _locations(entry: dict[str, Any], field: str) -> tuple[str, ...]:
    return _texts(entry, field, _LOCATION, 'locations, such as ["global", "us-east5"]')


def _proxy(entry: dict[str, Any]) -> Secret | None:
    value = _text(entry, "proxy", "")
    if not value:
        return None
    try:
        proxies.parse_proxy_url(value)
    except ValueError as e:
        raise _Bad("proxy", f"'proxy' takes a proxy's URL: {e}") from None
    return Secret(value)


def _routes(value: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """``route."pattern" = ["vertex", "accounts"]``."""
    if not isinstance(value, dict):
        raise CredentialsError('\'route\' is not a table: write route."claude-*" = ["vertex", "accounts"]')
    found = []
    for pattern, order in value.items():
        known = isinstance(order, list) and order and all(each in UPSTREAMS for each in order)
        if not known or len(set(order)) != len(order) or not _PATTERN.fullmatch(pattern):
            raise CredentialsError(
                f"route.{_quoted(pattern)} takes a list of {', '.join(UPSTREAMS)}, each once, for a public model's name"
            )
        found.append((pattern, tuple(order)))
    return tuple(found)


def _quoted(text: str) -> str:
    """A name of the file's as an error may show it: it may be a secret in the wrong place."""
    return f"'{text}'" if re.fullmatch(r"[\w.*-]{1,40}", text) else "a name that is not shown"
