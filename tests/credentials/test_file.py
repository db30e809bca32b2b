"""The credentials file: every kind is read, and what is wrong is told with its line and holds no secret."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from antigravity_proxy.canonical.grant import AuthorizedUser, Metadata, ServiceAccount, StaticKey
from antigravity_proxy.credentials.file import (
    MAX_CREDENTIALS,
    CredentialsError,
    Found,
    Surroundings,
    application_default,
    joined,
    of_key,
    parse,
)
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.gemini_keys import NamedKey

KEY = "AIzaSyA-canary-canary-canary-canary-cana"
AUTH_KEY = "AQ.Ab8canary-canary-canary-canary"


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


PEM = _pem(rsa.generate_private_key(65537, 1024))


def account(**fields: object) -> str:
    """A service account's file."""
    value = {
        "type": "service_account",
        "project_id": "my-proj",
        "private_key_id": "0123",
        "private_key": PEM,
        "client_email": "proxy@my-proj.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    kept = {name: text for name, text in (value | fields).items() if text is not None}
    return msgspec.json.encode(kept).decode()


USER = {"type": "authorized_user", "client_id": "id", "client_secret": "canary-1", "refresh_token": "canary-2"}


def around(files: Mapping[str, str] | None = None, **fields: object) -> Surroundings:
    """What a file refers to: these files, and variables."""

    def read(path: str) -> str:
        if path == "binary":
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no")
        try:
            return (files or {})[path]
        except KeyError:
            raise FileNotFoundError(2, "No such file or directory", path) from None

    return Surroundings(read_file=read, environ={"KEY_OF_MINE": AUTH_KEY}, **fields)  # type: ignore[arg-type]


def entry(kind: str = "gemini-key", **lines: str) -> str:
    """An entry's text."""
    rest = {"key": f'"{KEY}"'} if kind.endswith("-key") and not {"key", "key_file", "key_env"} & lines.keys() else {}
    fields = {"name": '"one"', "kind": f'"{kind}"'} | rest | lines
    return "[[credential]]\n" + "".join(f"{name} = {text}\n" for name, text in fields.items())


def test_a_key_with_all_that_can_be_said_of_it() -> None:
    text = entry(
        quota_group='"proj-a"',
        tier='"free"',
        allow_free="true",
        priority="-3",
        models='["gemini-*"]',
        exclude='["*-pro*"]',
        max_requests="8",
        max_per_day="100",
        proxy='"socks5://p:1"',
    )
    [found] = parse(text, around()).credentials
    assert (found.id, found.kind, found.upstream, found.group) == ("one", "gemini-key", "gemini", "proj-a")
    assert found.access_token == Secret(KEY)
    assert found.grant == StaticKey()
    assert found.expires_at == float("inf")
    assert (found.tier, found.priority, found.max_requests, found.max_per_day) == ("free", -3, 8, 100)
    assert found.egress == Secret("socks5://p:1")
    assert found.may_use("gemini-3.8-flash")
    assert not found.may_use("gemini-3.1-pro")
    assert not found.may_use("claude")
    assert KEY not in repr(found)


@pytest.mark.parametrize(("field", "value"), [("key_file", '"k"'), ("key_env", '"KEY_OF_MINE"')])
def test_a_key_may_lie_elsewhere(field: str, value: str) -> None:
    [found] = parse(entry(**{field: value}), around({"k": f"{AUTH_KEY}\n"})).credentials
    assert found.access_token == Secret(AUTH_KEY)


def test_the_kinds_of_vertex() -> None:
    text = (
        entry("vertex-key", name='"express"', key=f'"{AUTH_KEY}"')
        + entry("vertex-service-account", name='"sa"', file='"sa.json"', locations='["global", "us-east5"]')
        + entry("vertex-adc", name='"adc"', claude_locations='["us-east5"]')
        + entry("vertex-metadata", name='"vm"', project='"other-proj"')
        + entry("vertex-metadata", name='"vm2"')
        + 'route."claude-*" = ["vertex", "accounts"]\n'.replace("route.", "[route]\n")
    )
    user = msgspec.json.encode(USER | {"quota_project_id": "billed-proj"}).decode()
    where = around({"sa.json": account(), "adc.json": user}, adc_file="adc.json", project="env-proj", location="eu")
    found = parse(text, where)
    express, service, default, machine, other = found.credentials
    assert found.routes == (("claude-*", ("vertex", "accounts")),)
    assert {each.upstream for each in found.credentials} == {"vertex"}
    assert (express.project, express.locations) == (None, ())
    assert isinstance(service.grant, ServiceAccount)
    assert service.grant.is_renewable
    assert (service.project, service.group, service.expires_at) == ("my-proj", "project my-proj", 0.0)
    assert service.locations_for("gemini-3.8-flash") == ("global", "us-east5")
    assert isinstance(default.grant, AuthorizedUser)
    assert (default.project, default.quota_project) == ("env-proj", "billed-proj")
    assert default.locations_for("claude-sonnet-4-6") == ("us-east5",)
    assert default.locations == ("eu",)
    assert machine.grant == Metadata("metadata.google.internal")
    assert machine.project == "other-proj"
    assert other.project is None


def test_grants_rotate_what_they_can() -> None:
    user = AuthorizedUser("id", Secret("s"), Secret("old"))
    assert user.rotated(Secret("new")).token == Secret("new")
    assert user.is_renewable
    service = ServiceAccount(Secret("e"), Secret("k"), "i", "u")
    assert service.rotated(Secret("new")) is service
    machine = Metadata("h")
    assert machine.rotated(Secret("new")) is machine
    assert machine.is_renewable


def test_application_default_credentials_by_the_setting() -> None:
    where = around({"adc.json": account()}, adc_file="adc.json")
    assert application_default(where).project == "my-proj"
    with pytest.raises(CredentialsError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        application_default(around())


WRONG = [
    ("credential = 1", "not a list of tables"),
    ("[[credential]]\nname =", "it is not valid TOML"),
    ("other = 1", "'other' is unknown"),
    (f'"{KEY} {KEY}" = 1', "a name that is not shown is unknown"),
    ("[[credential]]\n" * (MAX_CREDENTIALS + 1), "more than"),
    ("[[credential]]\nkind = 'gemini-key'", "line 1: 'name' is missing"),
    (entry(name='"two words"'), "line 2: 'name' takes"),
    (entry("gemini"), r"line 3 \(one\): 'kind' takes gemini-key, vertex-key"),
    (entry(colour='"red"'), r"line 5 \(one\): 'colour' is unknown for gemini-key; accepted are"),
    (entry(locations='["global"]'), "'locations' is unknown for gemini-key"),
    (entry(tier='"free"'), r"line 5 \(one\): on the free tier Google uses prompts"),
    (entry(tier='"gold"'), "'tier' takes paid or free"),
    (entry(tier='"free"', allow_free="1"), "'allow_free' takes true or false"),
    (entry(priority='"high"'), "'priority' takes a whole number"),
    (entry(max_requests="0"), "from 1 to"),
    (entry(max_per_day="true"), "'max_per_day' takes"),
    (entry(models='"gemini"'), "'models' takes a list of upstream model ids"),
    (entry(exclude='["a b"]'), "'exclude' takes"),
    (entry(proxy='"ftp://x"'), "'proxy' takes a proxy's URL"),
    (entry(quota_group="1"), "'quota_group' takes a string"),
    (entry(key='"a"', key_env='"KEY_OF_MINE"'), "one of 'key', 'key_file' and 'key_env'"),
    ("[[credential]]\nname = 'a'\nkind = 'gemini-key'", "one of 'key', 'key_file' and 'key_env' is needed"),
    (entry(key='"AIza two"'), "'key' takes an API key: one line"),
    (entry(key=f'"{KEY}\\n{KEY}"'), "'key' takes an API key: one line"),
    (entry(key='"ya29.canary"'), "an access token"),
    (entry(key='"sk-canary-canary"'), "another vendor"),
    (entry(key=f'"""{PEM}"""'), "a key in PEM"),
    (entry(key_env='"MISSING"'), "the variable 'MISSING' is not set"),
    (entry(key_file='"gone"'), "the file gone can't be read: No such file"),
    (entry(key_file='"binary"'), "the file binary can't be read: not UTF-8"),
    (entry("vertex-service-account", file='"sa.json"', locations='["Mars!"]'), "'locations' takes a list of locations"),
    (entry("vertex-service-account", file='"sa.json"', project='"A"'), "'project' takes a Google Cloud project's id"),
    (entry("vertex-service-account"), "'file' is missing"),
    (entry("vertex-service-account", file='"user.json"'), "not a service account's key"),
    (entry("vertex-service-account", file='"bare.json"'), "no project is known"),
    (entry("vertex-adc"), "there are no application default credentials"),
    ("route = 1", "'route' is not a table"),
    ('[route]\n"x" = ["mars"]', "takes a list of accounts, gemini, vertex"),
    ('[route]\n"x" = ["vertex", "vertex"]', "each once"),
    (entry() + entry(key=f'"{AUTH_KEY}"'), "two credentials are called one"),
    (entry() + entry(name='"two"'), "one and two hold the same secret"),
    ("credential = [{name = 'a', kind = 'x'}]", r"line 1 \(a\): 'kind'"),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_what_is_wrong_is_told_in_one_line_without_secrets(text: str, words: str) -> None:
    files = {"sa.json": account(), "user.json": msgspec.json.encode(USER).decode(), "bare.json": account(project_id="")}
    with pytest.raises(CredentialsError, match=words) as told:
        parse(text, around(files))
    message = str(told.value)
    assert "\n" not in message
    assert KEY not in message
    assert "canary" not in message
    assert "PRIVATE" not in message


FILES = [
    ("{", "it is not JSON"),
    ("[]", "not a JSON object"),
    ('{"type": 1}', "has no 'type'"),
    ('{"type": "external_account"}', "its type is external_account; service_account"),
    (account(universe_domain="evil.example"), "another universe"),
    (account(private_key=None), "it has no private_key"),
    (account(private_key="canary"), "not an unencrypted PEM private key"),
    (account(private_key=_pem(ec.generate_private_key(ec.SECP256R1()))), "not an RSA key"),
    (account(client_email=None), "no client_email"),
    (account(project_id=7), "its project_id is not a project id"),
    (account(token_uri="https://evil.example/token"), "token_uri"),
    (account(token_uri="http://oauth2.googleapis.com/token"), "token_uri"),
    (account(token_uri="https://[/"), "token_uri"),
    (account(token_uri="https://googleapis.com.evil.example/"), "token_uri"),
    (msgspec.json.encode({"type": "authorized_user"}).decode(), "no client_id"),
]


@pytest.mark.parametrize(("content", "words"), FILES)
def test_googles_own_files(content: str, words: str) -> None:
    with pytest.raises(CredentialsError, match=words) as told:
        parse(entry("vertex-service-account", file='"f"'), around({"f": content}))
    assert "canary" not in str(told.value)


def test_a_token_endpoint_of_the_settings_replaces_the_files() -> None:
    files = {"f": account(token_uri="https://gateway.example/token"), "g": account(token_uri=None)}
    text = entry("vertex-service-account", file='"f"')
    assert parse(text, around(files, replaced_token_url=True)).credentials
    [found] = parse(text.replace('"f"', '"g"'), around(files)).credentials
    assert isinstance(found.grant, ServiceAccount)
    assert found.grant.token_uri == "https://oauth2.googleapis.com/token"


def test_a_key_of_an_odd_shape_is_a_note() -> None:
    found = parse(entry(key='"something-else"'), around())
    assert found.notes == ("one: its key does not look like a Google API key (AIza…, AQ.…)",)


def test_sources_are_joined_and_nothing_comes_twice() -> None:
    one = of_key(NamedKey("gemini-1", Secret(KEY)))
    assert joined(Found((one,)), Found()).credentials == (one,)
    assert (one.kind, one.upstream) == ("gemini-key", "gemini")
    with pytest.raises(CredentialsError, match="same secret"):
        joined(Found((one,)), parse(entry(), around()))
