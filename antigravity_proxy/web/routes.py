"""The API's paths: which dialect and operation each one is. Pure (contract.md 3)."""

from __future__ import annotations

from enum import Enum
from typing import Literal
from urllib.parse import unquote

from msgspec import Struct

DialectName = Literal["openai", "anthropic", "gemini"]


#: the pages that need no key
ROOT, HEALTH, LIVE, READY, METRICS = "/", "/health", "/health/live", "/health/ready", "/metrics"
PUBLIC_PATHS = frozenset({ROOT, HEALTH, LIVE, READY, METRICS})


class Operation(Enum):
    """The operation of a path."""

    __hash__ = object.__hash__  # Enum's own is a call of Python

    CHAT = "chat completion"
    MESSAGE = "message"
    MESSAGE_COUNT = "count a message's tokens"
    RESPONSES = "response"
    RESPONSE_COUNT = "count a response's input tokens"
    COMPACTION = "compaction"
    STORED_RESPONSE = "stored response"
    RESPONSE_ITEMS = "a stored response's input items"
    RESPONSE_END = "cancel a response"
    COMPLETIONS = "completion"
    IMAGES = "image"
    IMAGE_EDITS = "image edit"
    TRANSCRIPTIONS = "transcription"
    TRANSLATIONS = "translation"
    GEMINI_GENERATE = "generate content"
    GEMINI_STREAM = "stream generated content"
    GEMINI_COUNT = "count tokens"
    EMBEDDINGS = "embeddings"
    SPEECH = "speech"
    GEMINI_EMBED = "embed content"
    GEMINI_EMBED_BATCH = "embed contents"
    MODELS = "list models"
    MODEL = "get a model"
    CAPACITY = "capacity"
    USAGE = "usage"
    PUBLIC = "health, metrics and other pages that need no key"
    PREFLIGHT = "a browser asks whether a page may call"
    UNKNOWN = "no such path"


class Route(Struct, frozen=True):
    """The meaning of a path: the ``methods`` that it allows, and the name of a model or the id of a response in it."""

    operation: Operation
    dialect: DialectName
    methods: tuple[str, ...]
    model: str = ""
    response: str = ""

    @property
    def needs_key(self) -> bool:
        """Whether the client must show a key: everything but health and the unprotected root."""
        return self.operation not in (Operation.PUBLIC, Operation.PREFLIGHT)


GEMINI_ACTIONS = {
    "generateContent": Operation.GEMINI_GENERATE,
    "streamGenerateContent": Operation.GEMINI_STREAM,
    "countTokens": Operation.GEMINI_COUNT,
    "embedContent": Operation.GEMINI_EMBED,
    "batchEmbedContents": Operation.GEMINI_EMBED_BATCH,
}
_READ = ("GET", "HEAD")
PREFLIGHT = Route(Operation.PREFLIGHT, "openai", ("OPTIONS",))
FIXED = {
    "/v1/chat/completions": Route(Operation.CHAT, "openai", ("POST",)),
    "/v1/responses": Route(Operation.RESPONSES, "openai", ("POST",)),
    "/v1/responses/input_tokens": Route(Operation.RESPONSE_COUNT, "openai", ("POST",)),
    "/v1/responses/compact": Route(Operation.COMPACTION, "openai", ("POST",)),
    "/v1/completions": Route(Operation.COMPLETIONS, "openai", ("POST",)),
    "/v1/images/generations": Route(Operation.IMAGES, "openai", ("POST",)),
    "/v1/images/edits": Route(Operation.IMAGE_EDITS, "openai", ("POST",)),
    "/v1/audio/transcriptions": Route(Operation.TRANSCRIPTIONS, "openai", ("POST",)),
    "/v1/audio/speech": Route(Operation.SPEECH, "openai", ("POST",)),
    "/v1/embeddings": Route(Operation.EMBEDDINGS, "openai", ("POST",)),
    "/v1/audio/translations": Route(Operation.TRANSLATIONS, "openai", ("POST",)),
    "/v1/messages": Route(Operation.MESSAGE, "anthropic", ("POST",)),
    "/v1/messages/count_tokens": Route(Operation.MESSAGE_COUNT, "anthropic", ("POST",)),
    "/capacity": Route(Operation.CAPACITY, "openai", _READ),
    "/usage": Route(Operation.USAGE, "openai", _READ),
}
#: by what follows a response's id
OF_RESPONSE = {
    "": (Operation.STORED_RESPONSE, ("GET", "DELETE")),
    "input_items": (Operation.RESPONSE_ITEMS, ("GET",)),
    "cancel": (Operation.RESPONSE_END, ("POST",)),
}
_RESPONSES = "/v1/responses/"
_PUBLIC = Route(Operation.PUBLIC, "openai", _READ)
#: the prefixes of model resources; the last is for clients that leave the version out (clients.md 3)
MODEL_PREFIXES = ("/v1beta/models/", "/v1/models/", "/models/")


def match(path: str, marked: DialectName | None = None) -> Route:
    """The route of a path, without its query. ``marked``: the request has a header of that dialect.

    ``/v1/models`` has three readers, which differ in their headers (translation.md 11).
    """
    if (found := FIXED.get(path)) is not None:
        return found
    if path.startswith("/v1alpha/"):  # google-genai's other version, which has the same resources
        path = "/v1beta/" + path.removeprefix("/v1alpha/")
    if path.startswith(_RESPONSES):
        return _response(path.removeprefix(_RESPONSES))
    if path in PUBLIC_PATHS:
        return _PUBLIC
    dialect = _dialect(path)
    asked = marked or dialect
    if path == "/v1/models":
        return Route(Operation.MODELS, asked, _READ)
    if path == "/v1beta/models":
        return Route(Operation.MODELS, "gemini", _READ)
    for prefix in MODEL_PREFIXES:
        if path.startswith(prefix):
            return _model(path[len(prefix) :], prefix, asked)
    return Route(Operation.UNKNOWN, dialect, ())


def _response(rest: str) -> Route:
    """Routes below a response: ``{id}`` or ``{id}/{what}``."""
    identity, _, what = rest.partition("/")
    if not identity or what not in OF_RESPONSE:
        return Route(Operation.UNKNOWN, "openai", ())
    operation, methods = OF_RESPONSE[what]
    return Route(operation, "openai", methods, response=identity)


def _model(rest: str, prefix: str, asked: DialectName) -> Route:
    """Routes below a models prefix: ``{model}`` or ``{model}:{action}``."""
    name, colon, action = rest.rpartition(":")
    if colon and action in GEMINI_ACTIONS:
        return Route(GEMINI_ACTIONS[action], "gemini", ("POST",), _name(name))
    if prefix == "/models/" or not rest:
        return Route(Operation.UNKNOWN, "gemini" if prefix != "/v1/models/" else asked, ())
    if colon and prefix == "/v1beta/models/":  # an action that isn't offered, such as :batchGenerateContent
        return Route(Operation.UNKNOWN, "gemini", ())
    return Route(Operation.MODEL, "gemini" if prefix == "/v1beta/models/" else asked, _READ, _name(rest))


def _name(quoted: str) -> str:
    return unquote(quoted).removeprefix("models/")


def _dialect(path: str) -> DialectName:
    """The dialect of a path that may be unknown, by its prefix."""
    if path.startswith(("/v1beta", "/models/")):
        return "gemini"
    if path.startswith("/v1/messages/"):
        return "anthropic"
    return "openai"
