"""The OpenAPI documents: valid, up to date, whole, and true of what the daemon really answers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import openapi
import pytest
from jsonschema import Draft202012Validator, ValidationError
from openapi_spec_validator import OpenAPIV31SpecValidator
from support.admin import Site, site
from support.deferreds import deferred
from support.stack import Answer

from antigravity_proxy.admin.resource import AdminResource
from antigravity_proxy.demo import SIMULATED_KEY
from antigravity_proxy.web import routes

API, ADMIN = openapi.api(), openapi.admin()


@pytest.mark.parametrize("name", openapi.DOCUMENTS)
def test_the_document_is_valid_and_its_file_is_up_to_date(name: str) -> None:
    document = openapi.DOCUMENTS[name]()
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    assert (openapi.REFERENCE / name).read_text() == openapi.written(document), "run make openapi"


def test_the_list_of_endpoints_is_up_to_date() -> None:
    text = (openapi.REFERENCE / "api.md").read_text()
    assert openapi.with_lists(text) == text, "run make openapi"


def served() -> set[tuple[str, str]]:
    """Method and path of all that the API listener's routes know; parameters by the documents' names."""
    found = {(path, routes.match(path).methods) for path in [*routes.FIXED, *routes.PUBLIC_PATHS]}
    found |= {
        (f"/v1/responses/{{response}}{f'/{what}' * bool(what)}", m) for what, (_, m) in routes.OF_RESPONSE.items()
    }
    for prefix in ("/v1alpha/models/", *routes.MODEL_PREFIXES):
        found |= {(f"{prefix}{{model}}:{action}", ("POST",)) for action in routes.GEMINI_ACTIONS}
    for path in ("/v1/models", "/v1/models/{model}", "/v1beta/models", "/v1beta/models/{model}"):
        found.add((path, routes.match(path).methods))
    return {(path, method.lower()) for path, methods in found for method in methods if method != "HEAD"}


def described(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(path, method) for path, methods in document["paths"].items() for method in methods}


def test_every_endpoint_is_described_and_no_other() -> None:
    websocket = {("/v1/responses", "get")}
    assert described(API) == served() | websocket
    rules = AdminResource.app.url_map.iter_rules()
    known = {(rule.rule, method.lower()) for rule in rules for method in rule.methods or () if method != "HEAD"}
    assert described(ADMIN) == known


def test_every_dialect_endpoint_says_what_becomes_of_each_field() -> None:
    schemas = API["components"]["schemas"]
    for name, (vendor, section) in openapi.BODIES.items():
        fields = schemas[name]["properties"]
        fields = fields.get("generationConfig", {}).get("properties") or fields
        assert len(openapi.fields(vendor, section)) <= len(fields)
    bodies = {
        re.sub(r".*/", "", operation["requestBody"]["content"].popitem()[1]["schema"]["$ref"])
        for methods in json.loads(json.dumps(API["paths"])).values()
        for operation in methods.values()
        if "requestBody" in operation
    }
    assert bodies == set(openapi.BODIES)


def validator(document: dict[str, Any], path: str, method: str, answer: Answer) -> Draft202012Validator:
    """What the document says of answers with this one's status and media type."""
    responses = document["paths"][path][method]["responses"]
    said = responses[str(answer.status)]
    if "$ref" in said:
        said = document["components"]["responses"][said["$ref"].rpartition("/")[2]]
    schema = said["content"][answer.headers["content-type"].partition(";")[0]]["schema"]
    return Draft202012Validator({"components": document["components"], "allOf": [schema]})


def holds(document: dict[str, Any], path: str, method: str, answer: Answer) -> None:
    """Fails unless an answer is as the document says."""
    is_json = answer.headers["content-type"].startswith("application/json")
    validator(document, path, method, answer).validate(answer.json if is_json else answer.body.decode())


CHAT = {"model": "gemini-3-flash", "messages": [{"role": "user", "content": "q"}]}
CONTENT = {"contents": [{"role": "user", "parts": [{"text": "q"}]}]}
EMBED = {"content": {"parts": [{"text": "q"}]}}
#: the path in the document, the one that is asked for, and a body
ASKED: list[tuple[str, str, Any]] = [
    *((path, path, None) for path in ("/", "/health", "/health/live", "/health/ready", "/metrics", "/capacity")),
    ("/usage", "/usage?by=key,model", None),
    ("/v1/models", "/v1/models", None),
    ("/v1/models/{model}", "/v1/models/gemini-3-flash", None),
    ("/v1beta/models", "/v1beta/models", None),
    ("/v1beta/models/{model}", "/v1beta/models/gemini-3-flash", None),
    ("/v1/chat/completions", "/v1/chat/completions", CHAT),
    ("/v1/chat/completions", "/v1/chat/completions", {}),
    ("/v1/completions", "/v1/completions", {"model": "gemini-3-flash", "prompt": "q"}),
    ("/v1/responses", "/v1/responses", {"model": "gemini-3-flash", "input": "q"}),
    ("/v1/responses/input_tokens", "/v1/responses/input_tokens", {"model": "gemini-3-flash", "input": "q"}),
    ("/v1/responses/{response}", "/v1/responses/resp_none", None),
    ("/v1/images/generations", "/v1/images/generations", {"model": "gemini-3-pro-image", "prompt": "q"}),
    ("/v1/embeddings", "/v1/embeddings", {"model": "gemini-embedding-2", "input": "q"}),
    ("/v1/messages", "/v1/messages", CHAT | {"max_tokens": 9}),
    ("/v1/messages", "/v1/messages", CHAT),
    ("/v1/messages/count_tokens", "/v1/messages/count_tokens", CHAT),
    ("/v1beta/models/{model}:generateContent", "/v1beta/models/gemini-3-flash:generateContent", CONTENT),
    ("/v1beta/models/{model}:generateContent", "/v1beta/models/gemini-3-flash:generateContent", {}),
    ("/v1beta/models/{model}:countTokens", "/v1beta/models/gemini-3-flash:countTokens", CONTENT),
    ("/v1beta/models/{model}:embedContent", "/v1beta/models/gemini-embedding-2:embedContent", EMBED),
]


@deferred(60)
async def test_what_the_daemon_answers_is_what_the_documents_say(tmp_path: Path) -> None:
    async with site(tmp_path, GEMINI_API_KEYS=SIMULATED_KEY) as here:
        statuses = set()
        for path, target, body in ASKED:
            method = "GET" if body is None else "POST"
            answer = await here.stack.request(method, target, body)
            holds(API, path, method.lower(), answer)
            statuses.add(answer.status)
            if answer.headers["content-type"] == "application/json" and answer.status == 200:
                with pytest.raises(ValidationError):
                    validator(API, path, method.lower(), answer).validate({})
        assert statuses == {200, 400, 404}
        made = await here.stack.request("POST", "/v1/responses", {"model": "gemini-3-flash", "input": "q"})
        for path, method in (("", "GET"), ("/input_items", "GET"), ("", "DELETE")):
            answer = await here.stack.request(method, f"/v1/responses/{made.json['id']}{path}")
            assert answer.status == 200
            holds(API, f"/v1/responses/{{response}}{path}", method.lower(), answer)
        await admin_answers(here)


async def admin_answers(here: Site) -> None:
    asked = await here.stack.chat()
    key = {"authorization": "Bearer sk-test"}
    known = await here.get(f"/why?id={asked.headers['x-request-id']}", **key)
    assert known.json["attempts"]
    for path, answer in (
        ("/why", known),
        ("/why", await here.get("/why?id=none", **key)),
        ("/", await here.get("/")),
        ("/login", await here.get("/login")),
    ):
        holds(ADMIN, path, "get", answer)
