"""Writes docs/reference/openapi.json and openapi-admin.json: OpenAPI 3.1 of the API listener and the admin listener.

The schemas of our own answers come from the structs that are encoded, those of the dialects' requests from the
tables in docs/reference/fields-*.md: neither is written twice.
"""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import msgspec

from antigravity_proxy import __version__
from antigravity_proxy.admin.changes import ACTIONS, Changed
from antigravity_proxy.admin.http import CALLBACK
from antigravity_proxy.admin.static import FILES
from antigravity_proxy.state import usage_report
from antigravity_proxy.web import usage
from antigravity_proxy.web.capacity import Capacity
from antigravity_proxy.web.health import Health

REFERENCE = Path(__file__).parents[1] / "reference"
Json = dict[str, Any]

_TITLE = {
    "title": "antigravity-proxy",
    "version": __version__,
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
_KEY = [{"bearer": []}, {"x-api-key": []}, {"x-goog-api-key": []}, {"key": []}]
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "x-goog-api-key": {"type": "apiKey", "in": "header", "name": "x-goog-api-key"},
    "key": {"type": "apiKey", "in": "query", "name": "key"},
}
_STRING, _NUMBER, _WHOLE, _LIST, _ANY = (
    {"type": "string"},
    {"type": "number"},
    {"type": "integer"},
    {"type": "array", "items": {}},
    {},
)


def _object(description: str = "", **fields: Json) -> Json:
    """An object with these fields, all of them required; further ones may stand beside them."""
    told = {"description": description} if description else {}
    return {"type": "object", **told, "required": [*fields], "properties": fields}


def _one(value: str) -> Json:
    return {"const": value}


#: what the dialects' answers have in any case; all that they may have is the vendors' to say
ANSWERS: dict[str, Json] = {
    "ChatCompletion": _object(
        "OpenAI's chat completion.",
        id=_STRING,
        object=_one("chat.completion"),
        created=_WHOLE,
        model=_STRING,
        choices=_LIST,
        usage=_ANY,
    ),
    "Completion": _object(
        "OpenAI's legacy completion.",
        id=_STRING,
        object=_one("text_completion"),
        created=_WHOLE,
        model=_STRING,
        choices=_LIST,
    ),
    "Response": _object(
        "OpenAI's response.",
        id=_STRING,
        object=_one("response"),
        created_at=_NUMBER,
        status=_STRING,
        model=_STRING,
        output=_LIST,
    ),
    "ResponseDeleted": _object("", id=_STRING, object=_STRING, deleted={"const": True}),
    "ItemList": _object("A page of items.", object=_one("list"), data=_LIST, has_more={"type": "boolean"}),
    "InputTokens": _object("", object=_one("response.input_tokens"), input_tokens=_WHOLE),
    "Images": _object("OpenAI's images.", created=_WHOLE, data=_LIST),
    "Transcript": _object("OpenAI's transcript, with `response_format` `json`.", text=_STRING),
    "Embeddings": _object("OpenAI's embeddings.", object=_one("list"), data=_LIST, model=_STRING, usage=_ANY),
    "Message": _object(
        "Anthropic's message.",
        id=_STRING,
        type=_one("message"),
        role=_one("assistant"),
        model=_STRING,
        content=_LIST,
        usage=_ANY,
    ),
    "MessageTokens": _object("", input_tokens=_WHOLE),
    "GenerateContentResponse": _object("Google's answer.", candidates=_LIST, usageMetadata=_ANY, modelVersion=_STRING),
    "CountTokensResponse": _object("", totalTokens=_WHOLE),
    "EmbedContentResponse": _object("", embedding=_object(values=_LIST)),
    "BatchEmbedContentsResponse": _object("", embeddings=_LIST),
    "ModelList": {
        "description": "In OpenAI's or Anthropic's form (`data`) or Google's (`models`).",
        "anyOf": [_object(data=_LIST), _object(models=_LIST)],
    },
    "ModelEntry": {
        "description": "In OpenAI's or Anthropic's form (`id`) or Google's (`name`).",
        "anyOf": [_object(id=_STRING), _object(name=_STRING)],
    },
    "OpenAIError": _object(
        "",
        error=_object(
            message=_STRING, type=_STRING, param={"type": ["string", "null"]}, code={"type": ["string", "null"]}
        ),
    ),
    "AnthropicError": _object("", type=_one("error"), error=_object(type=_STRING, message=_STRING), request_id=_STRING),
    "GeminiError": _object("", error=_object(code=_WHOLE, message=_STRING, status=_STRING)),
}
_ERRORS = {"openai": "OpenAIError", "anthropic": "AnthropicError", "gemini": "GeminiError"}
#: the sections of the tables of fields that tell of each body, and the vendor
BODIES = {
    "ChatRequest": ("openai", "Chat"),
    "CompletionRequest": ("openai", "Legacy completions"),
    "ResponsesRequest": ("openai", "Responses"),
    "ImagesRequest": ("openai", "Pictures"),
    "TranscriptionRequest": ("openai", "Transcriptions"),
    "EmbeddingsRequest": ("openai", "Embeddings"),
    "SpeechRequest": ("openai", "Speech"),
    "MessagesRequest": ("anthropic", "Messages"),
    "GenerateContentRequest": ("gemini", "`GenerationConfig`"),
    "EmbedContentRequest": ("gemini", "`EmbedContentConfig`"),
}
_JSON, _FORM, _SSE = "application/json", "multipart/form-data", "text/event-stream"
#: the statuses of a dialect's errors that a client has to expect; all of them: error-codes.md
_REFUSALS = (400, 401, 403, 404, 413, 429, 500, 502, 503, 504)
_MORE_REFUSALS = {"anthropic": (529,)}
#: the statuses of the admin pages that say what is wrong
_PAGES_REFUSALS = (400, 401, 403, 404, 409, 429, 503)
#: what a body has besides the table that it is told by
_BESIDE = {
    "GenerateContentRequest": {
        name: {"description": told}
        for name, told in (
            ("contents", "**read**: the conversation"),
            ("systemInstruction", "**read**: system texts"),
            ("tools", "**read**: `Tool`"),
            ("toolConfig", "**read**: `ToolConfig`"),
            ("safetySettings", "**passed**"),
            ("cachedContent", "**passed** where the upstream has it"),
        )
    },
    "EmbedContentRequest": {"content": {"description": "**passed**"}},
}


def fields(vendor: str, section: str) -> dict[str, tuple[str, str]]:
    """What becomes of each field, and how, from the reference's table."""
    text = (REFERENCE / f"fields-{vendor}.md").read_text()
    found = re.search(rf"^## {re.escape(section)}(?!\w).*?\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    if found is None:
        raise LookupError(f"{vendor}: no section {section}")
    return {
        name: (kind, how) for name, kind, how in re.findall(r"^\| `(\w+)` \| ([a-z ]+) \| (.*?) ?\|$", found[1], re.M)
    }


def body(name: str) -> Json:
    """The schema of a dialect's request: each field with what becomes of it."""
    vendor, section = BODIES[name]
    rows = fields(vendor, section)
    told = {field: {"description": f"**{kind}**" + (f": {how}" if how else "")} for field, (kind, how) in rows.items()}
    if name == "GenerateContentRequest":
        config = {
            "type": "object",
            "description": f"[fields](fields-{vendor}.md)",
            "properties": {_camel(field): each for field, each in told.items()},
        }
        told = {"generationConfig": config}
    elif vendor == "gemini":
        told = {_camel(field): each for field, each in told.items()}
    return {
        "type": "object",
        "description": f"What becomes of every field: fields-{vendor}.md. Fields that are not listed are left out.",
        "properties": _BESIDE.get(name, {}) | told,
    }


def _by_kind(name: str) -> str:
    """The fields of a dialect's request, by what becomes of them, as Markdown."""
    vendor, section = BODIES[name]
    kinds: dict[str, list[str]] = {}
    for field, (kind, _) in fields(vendor, section).items():
        kinds.setdefault(kind, []).append(f"`{field}`")
    lists = "\n".join(f"* **{kind}**: {', '.join(names)}" for kind, names in sorted(kinds.items()))
    return f"Fields of the request (how: fields-{vendor}.md):\n\n{lists}"


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.title, rest))


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _content(kind: str, schema: Json) -> Json:
    return {kind: {"schema": schema}}


def _call(
    dialect: str,
    summary: str,
    request: str,
    answer: str,
    *,
    streams: bool = False,
    form: bool = False,
    kinds: tuple[str, ...] = (),
) -> Json:
    """A POST of a dialect. ``kinds``: media types of an answer that is not JSON."""
    content = _content(_JSON, _ref(answer)) if answer else {}
    content |= {kind: {"schema": {}} for kind in (*kinds, *([_SSE] if streams else []))}
    return {
        "tags": [dialect],
        "summary": summary,
        "description": _by_kind(request),
        "security": _KEY,
        "requestBody": {"required": True, "content": _content(_FORM if form else _JSON, _ref(request))},
        "responses": {"200": {"description": summary, "content": content}} | _refused(dialect),
    }


def _refused(dialect: str) -> Json:
    error = {"$ref": f"#/components/responses/{_ERRORS[dialect]}"}
    return {str(status): error for status in (*_REFUSALS, *_MORE_REFUSALS.get(dialect, ()))}


def _error_responses() -> Json:
    told = {"description": "An error in the dialect's form (error-codes.md)."}
    return {name: told | {"content": _content(_JSON, _ref(name))} for name in _ERRORS.values()}


def _get(
    tag: str,
    summary: str,
    answer: Json,
    *,
    keyed: bool = True,
    parameters: tuple[Json, ...] = (),
    kind: str = _JSON,
    others: Json | None = None,
) -> Json:
    found: Json = {"tags": [tag], "summary": summary, "security": _KEY if keyed else []}
    if parameters:
        found["parameters"] = list(parameters)
    found["responses"] = {"200": {"description": summary, "content": _content(kind, answer)}} | (others or {})
    return found


def _path(name: str, told: str) -> Json:
    return {"name": name, "in": "path", "required": True, "description": told, "schema": _STRING}


def _query(name: str, told: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "description": told, "schema": schema}


_MODEL = _path("model", "A model's name: an id, a public name, or an alias; `upstream/name` names the upstream too.")
_RESPONSE = _path("response", "The id of a stored response.")
_LISTING = (
    _query("limit", "At most this many.", _WHOLE),
    _query("order", "`asc` or `desc`.", {"enum": ["asc", "desc"]}),
    _query("after", "The id of the item before the first.", _STRING),
)


def _dialect_paths() -> Json:
    chat = _call("openai", "Chat completion", "ChatRequest", "ChatCompletion", streams=True)
    stored = "openai"
    found: Json = {
        "/v1/chat/completions": {"post": chat},
        "/v1/completions": {
            "post": _call("openai", "Legacy completion", "CompletionRequest", "Completion", streams=True)
        },
        "/v1/responses": {
            "post": _call("openai", "Response", "ResponsesRequest", "Response", streams=True),
            "get": {
                "tags": ["openai"],
                "summary": "A WebSocket with the same events as JSON frames, one response at a time",
                "security": _KEY,
                "responses": {"101": {"description": "Upgraded."}, **_refused("openai")},
            },
        },
        "/v1/responses/input_tokens": {
            "post": _call("openai", "Count a response's input tokens", "ResponsesRequest", "InputTokens")
        },
        "/v1/responses/compact": {"post": _call("openai", "Make a conversation shorter", "ResponsesRequest", "")},
        "/v1/responses/{response}": {
            "get": _get(
                stored, "A stored response", _ref("Response"), parameters=(_RESPONSE,), others=_refused("openai")
            ),
            "delete": _get(
                stored,
                "Delete a stored response",
                _ref("ResponseDeleted"),
                parameters=(_RESPONSE,),
                others=_refused("openai"),
            ),
        },
        "/v1/responses/{response}/input_items": {
            "get": _get(
                stored,
                "The input of a stored response",
                _ref("ItemList"),
                parameters=(_RESPONSE, *_LISTING),
                others=_refused("openai"),
            ),
        },
        "/v1/responses/{response}/cancel": {
            "post": {
                "tags": ["openai"],
                "summary": "Cancel a background response: there are none, so this is always refused",
                "security": _KEY,
                "parameters": [_RESPONSE],
                "responses": _refused("openai"),
            },
        },
        "/v1/images/generations": {"post": _call("openai", "Images", "ImagesRequest", "Images", streams=True)},
        "/v1/images/edits": {
            "post": _call("openai", "Edited images", "ImagesRequest", "Images", streams=True, form=True)
        },
        "/v1/audio/transcriptions": {
            "post": _call(
                "openai",
                "Transcript",
                "TranscriptionRequest",
                "Transcript",
                streams=True,
                form=True,
                kinds=("text/plain",),
            )
        },
        "/v1/audio/translations": {
            "post": _call(
                "openai",
                "Transcript in English",
                "TranscriptionRequest",
                "Transcript",
                form=True,
                kinds=("text/plain",),
            )
        },
        "/v1/audio/speech": {
            "post": _call(
                "openai",
                "Speech; only official credentials",
                "SpeechRequest",
                "",
                kinds=("audio/wav", "audio/pcm", "text/event-stream"),
            )
        },
        "/v1/embeddings": {
            "post": _call("openai", "Embeddings; only official credentials", "EmbeddingsRequest", "Embeddings")
        },
        "/v1/messages": {"post": _call("anthropic", "Message", "MessagesRequest", "Message", streams=True)},
        "/v1/messages/count_tokens": {
            "post": _call("anthropic", "Count a message's tokens", "MessagesRequest", "MessageTokens")
        },
        "/v1/models": {
            "get": _get(
                "models",
                "The models, in the form of the dialect that the headers show",
                _ref("ModelList"),
                parameters=(_query("client_version", "Adds the catalogue of Codex.", _STRING),),
                others=_refused("openai"),
            )
        },
        "/v1/models/{model}": {
            "get": _get("models", "One model", _ref("ModelEntry"), parameters=(_MODEL,), others=_refused("openai"))
        },
        "/v1beta/models": {
            "get": _get("models", "The models, in Google's form", _ref("ModelList"), others=_refused("gemini"))
        },
        "/v1beta/models/{model}": {
            "get": _get(
                "models", "In Google's form", _ref("ModelEntry"), parameters=(_MODEL,), others=_refused("gemini")
            )
        },
    }
    actions = {
        "generateContent": ("Content", "GenerateContentRequest", "GenerateContentResponse"),
        "streamGenerateContent": (
            "Content as a stream; `alt=sse` for events, else a JSON array",
            "GenerateContentRequest",
            "",
        ),
        "countTokens": ("Count tokens", "GenerateContentRequest", "CountTokensResponse"),
        "embedContent": ("An embedding; only official credentials", "EmbedContentRequest", "EmbedContentResponse"),
        "batchEmbedContents": (
            "Embeddings; only official credentials",
            "EmbedContentRequest",
            "BatchEmbedContentsResponse",
        ),
    }
    for prefix in ("/v1beta/models", "/v1alpha/models", "/v1/models", "/models"):
        for action, (summary, request, answer) in actions.items():
            call = _call("gemini", summary, request, answer, streams=action == "streamGenerateContent")
            found[f"{prefix}/{{model}}:{action}"] = {"post": call | {"parameters": [_MODEL]}}
    return found


def _own_paths() -> Json:
    unhealthy = {"503": {"description": "unhealthy, or not ready", "content": _content(_JSON, _object(status=_STRING))}}
    return {
        "/": {
            "get": _get(
                "operation",
                "Names this service; some clients ask before they begin",
                _object(service=_STRING, health=_STRING),
                keyed=False,
            )
        },
        "/health": {
            "get": _get(
                "operation",
                "Whether all is well",
                _ref("Health"),
                keyed=False,
                others={"503": {"description": "unhealthy", "content": _content(_JSON, _ref("Health"))}},
            )
        },
        "/health/live": {
            "get": _get("operation", "Whether the process answers", _object(status=_one("alive")), keyed=False)
        },
        "/health/ready": {
            "get": _get(
                "operation",
                "Whether requests can be served; 200 too while all accounts cool down",
                _object(status=_STRING),
                keyed=False,
                others=unhealthy,
            )
        },
        "/metrics": {
            "get": _get(
                "operation",
                "Prometheus' text format, or OpenMetrics if `Accept` asks for it: metrics.md",
                _STRING,
                keyed=False,
                kind="text/plain",
            )
        },
        "/capacity": {
            "get": _get("operation", "What can be served now, by model", _ref("Capacity"), others=_refused("openai"))
        },
        "/usage": {
            "get": _get(
                "operation",
                "Requests and tokens; needs the operator's key",
                _ref("Usage"),
                others=_refused("openai"),
                parameters=(
                    _query("by", "Columns, separated by commas.", {"type": "string", "default": usage.DEFAULT_BY}),
                    _query(
                        "days",
                        "Days to go back (UTC).",
                        {"type": "integer", "minimum": 1, "maximum": usage.MAX_DAYS, "default": usage.DEFAULT_DAYS},
                    ),
                ),
            )
        },
    }


def _usage() -> Json:
    counts = dict.fromkeys(usage_report.NAMES, _WHOLE)
    row = {
        "type": "object",
        "required": [*counts],
        "properties": dict.fromkeys(usage_report.COLUMNS, _STRING) | counts,
    }
    return _object(
        "Usage over a time; `rows` have the columns of `by`. An empty `key` is the operator's own.",
        **{
            "from": _STRING,
            "to": _STRING,
            "by": {"type": "array", "items": _STRING},
            "rows": {"type": "array", "items": row},
            "total": _object(**counts),
            "truncated": {"type": "boolean"},
        },
    )


def _why() -> Json:
    maybe = {"type": ["string", "null"]}
    attempt = _object(account=_STRING, after=_NUMBER, seconds=_NUMBER, outcome=_STRING, status=_ANY)
    line = _object(
        account=_STRING, place={"type": ["integer", "null"]}, tried={"type": "boolean"}, why=_STRING, until=maybe
    )
    standing = _object(
        model=_STRING, accounts=_WHOLE, lookedAt=_WHOLE, couldServe=_WHOLE, lines={"type": "array", "items": line}
    )
    return _object(
        "Why a request used the accounts that it used.",
        id=_STRING,
        began=_STRING,
        seconds=_NUMBER,
        dialect=_STRING,
        operation=_STRING,
        asked=_STRING,
        model=_STRING,
        key=_STRING,
        status=_WHOLE,
        error=_STRING,
        upstream=_STRING,
        attempts={"type": "array", "items": attempt},
        standings={"type": "array", "items": standing},
    )


def _titled(schema: Json) -> Json:
    """A struct's name without a private one's underscore; its docstring without indentation, as in Python 3.13."""
    named = {"title": schema.get("title", "").lstrip("_")}
    return named | {key: inspect.cleandoc(schema[key]) for key in ("description",) if key in schema}


def _structs(*kinds: type) -> Json:
    """The schemas of structs and of those within them, by name without the underscore of private ones."""
    _, found = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    text = json.dumps({name.lstrip("_"): {**schema, **_titled(schema)} for name, schema in found.items()})
    return dict(json.loads(text.replace("#/components/schemas/_", "#/components/schemas/")))


def api() -> Json:
    """The API listener."""
    schemas = _structs(Health, Capacity) | {"Usage": _usage()} | ANSWERS | {name: body(name) for name in BODIES}
    return {
        "openapi": "3.1.0",
        "info": {
            **_TITLE,
            "description": "The API listener. Schemas of the dialects' answers have only what is always there.",
        },
        "servers": [{"url": "http://127.0.0.1:8045"}],
        "tags": [{"name": name} for name in ("openai", "anthropic", "gemini", "models", "operation")],
        "paths": _dialect_paths() | _own_paths(),
        "components": {"schemas": schemas, "responses": _error_responses(), "securitySchemes": _SCHEMES},
    }


#: both have one content for all refusals: a page, or JSON for programs
_PAGE = {"description": "A page that says what is wrong.", "content": _content("text/html", _STRING)}
_NOT_DONE = {"description": "What is wrong.", "content": _content(_JSON, _object(error=_STRING))}
_SESSION = {"type": "apiKey", "in": "cookie", "name": "session", "description": "Named by port and path."}


def _refusing(name: str) -> Json:
    return {str(status): {"$ref": f"#/components/responses/{name}"} for status in _PAGES_REFUSALS}


def _page(summary: str, *, public: bool = False, moves: bool = False, kind: str = "text/html") -> Json:
    """A page for a browser. ``moves``: it may lead on to another one."""
    moved = {str(status): {"description": "On to another page."} for status in (302, 303)} if moves else {}
    return {
        "tags": ["pages"],
        "summary": summary,
        "security": [] if public else [*_KEY, {"session": []}],
        "responses": {"200": {"description": summary, "content": _content(kind, _STRING)}} | moved | _refusing("Page"),
    }


def _for_programs(summary: str, answer: str) -> Json:
    done = {"200": {"description": summary, "content": _content(_JSON, _ref(answer))}}
    return {"tags": ["programs"], "summary": summary, "security": _KEY, "responses": done | _refusing("NotDone")}


def admin() -> Json:
    """The admin listener."""
    meant = {"type": "string", "description": "An id, the beginning of one, or an e-mail address."}
    change = {"required": True, "content": _content(_JSON, _object(action={"enum": [*ACTIONS]}, account=meant))}
    identity = _query("id", "A request's id, as its answer carried it.", _STRING)
    came_back = [_query(name, "As Google sends it.", _STRING) for name in ("state", "code", "error")]
    paths = {
        "/": {"get": _page("The status page")},
        "/events": {"get": _page("What changes on the status page, as server-sent events", kind=_SSE)},
        "/accounts": {"post": _for_programs("Change an account", "Changed") | {"requestBody": change}},
        "/client-keys": {"post": _page("Make or revoke a client's key, by the form of the page", moves=True)},
        "/why": {
            "get": _for_programs("Why a request used the accounts that it used; HTML for a browser", "Why")
            | {"parameters": [identity]}
        },
        "/login": {
            "get": _page("The login form", public=True),
            "post": _page("Log in with the API key", public=True, moves=True),
        },
        "/logout": {"post": _page("Log out", moves=True)},
        "/auth/start": {"get": _page("Begin to sign in: on to Google's consent page", moves=True)},
        CALLBACK: {"get": _page("Where Google sends the browser back to", public=True) | {"parameters": came_back}},
    }
    static = {
        path: {"get": _page("A file of the pages", public=True, kind=file.kind.decode().partition(";")[0])}
        for path, file in FILES.items()
    }
    about = "Pages for browsers and programs. OAUTH_REDIRECT_URL can replace /oauth-callback."
    return {
        "openapi": "3.1.0",
        "info": {**_TITLE, "title": "antigravity-proxy: admin listener", "description": about},
        "servers": [{"url": "http://localhost:8888"}],
        "tags": [{"name": "pages"}, {"name": "programs"}],
        "paths": paths | static,
        "components": {
            "schemas": _structs(Changed) | {"Why": _why()},
            "responses": {"Page": _PAGE, "NotDone": _NOT_DONE},
            "securitySchemes": _SCHEMES | {"session": _SESSION},
        },
    }


DOCUMENTS = {"openapi.json": api, "openapi-admin.json": admin}


def written(document: Json) -> str:
    """A document as its file has it."""
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=False) + "\n"


def listed(document: Json) -> str:
    """Its endpoints as a table; paths that differ in their version only stand in one row."""
    rows: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            rows.setdefault(f"{method.upper()}|{operation['summary']}", []).append(f"`{path}`")
    lines = []
    for key, paths in rows.items():
        method, _, told = key.partition("|")
        lines.append(f"| `{method}` | {', '.join(paths)} | {told} |")
    return "\n".join(["| | path | |", "|---|---|---|", *lines])


def with_lists(text: str) -> str:
    """api.md with the tables of endpoints brought up to date."""
    for name, make in DOCUMENTS.items():
        begin, end = f"<!-- endpoints of {name} -->\n", "<!-- end -->"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}{listed(make())}\n{end}{rest.partition(end)[2]}"
    return text


if __name__ == "__main__":
    for name, make in DOCUMENTS.items():
        (REFERENCE / name).write_text(written(make()))
    index = REFERENCE / "api.md"
    index.write_text(with_lists(index.read_text()))
