"""The names and types of every field that Code Assist knows, and a parser that refuses the rest. Pure (upstream.md 4).

The real service also reads snake_case and null. Here both are refused: nothing that we send needs them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any


class Refused(Exception):
    """The request is not as the service wants it: the service's message, the place, and the HTTP status."""

    def __init__(self, message: str, field: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.field = field
        self.status = status


#: checks a value at a place; raises Refused
Kind = Callable[[Any, str], None]


def message(**fields: Kind) -> Kind:
    """An object of these fields only. All are optional to the parser."""

    def check(value: Any, place: str) -> None:
        struct(value, place)
        for name, inner in value.items():
            kind = fields.get(name)
            if kind is None:
                at = f" at '{place}'" if place else ""
                text = f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.'
                raise Refused(text, place)
            kind(inner, f"{place}.{name}" if place else name)

    return check


def each(kind: Kind) -> Kind:
    """A list of such values."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, list):
            raise Refused(f"Invalid value at '{place}': a list is expected", place)
        for number, inner in enumerate(value):
            kind(inner, f"{place}[{number}]")

    return check


def mapping(kind: Kind) -> Kind:
    """An object of any names, with such values."""

    def check(value: Any, place: str) -> None:
        struct(value, place)
        for name, inner in value.items():
            kind(inner, f"{place}[{name}]")

    return check


def one_of(*words: str) -> Kind:
    """One of these words."""

    def check(value: Any, place: str) -> None:
        if value not in words:
            raise Refused(f"Invalid value at '{place}' (TYPE_ENUM), {value!r}", place)

    return check


def struct(value: Any, place: str) -> None:
    """Any object."""
    if not isinstance(value, dict):
        raise Refused(f"Invalid value at '{place}': an object is expected", place)


def string(value: Any, place: str) -> None:
    """A string."""
    if not isinstance(value, str):
        raise Refused(f"Invalid value at '{place}' (TYPE_STRING), {value!r}", place)


def boolean(value: Any, place: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise Refused(f"Invalid value at '{place}' (TYPE_BOOL), {value!r}", place)


def number(value: Any, place: str) -> None:
    """A number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Refused(f"Invalid value at '{place}' (TYPE_FLOAT), {value!r}", place)


def integer(value: Any, place: str) -> None:
    """A whole number of 32 bits."""
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**31) <= value < 2**31:
        raise Refused(f"Invalid value at '{place}' (TYPE_INT32), {value!r}", place)


def encoded(value: Any, place: str) -> None:
    """Bytes, in the standard base64 alphabet and not none."""
    string(value, place)
    _decode(value, b"+/", place)
    if not value:
        raise Refused(f"{place}: bytes are missing", place)


def signature(value: Any, place: str) -> None:
    """A thought signature: bytes in either alphabet, which the dummy of translation.md 2.6 happens to be too."""
    string(value, place)
    _decode(value, b"-_" if "-" in value or "_" in value else b"+/", place)


def anything(_value: Any, _place: str) -> None:
    """Whatever it is: checked elsewhere, or passed through."""


def _decode(value: str, alphabet: bytes, place: str) -> None:
    try:
        base64.b64decode(value.encode(), alphabet, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(f"Invalid value at '{place}' (TYPE_BYTES), Base64 decoding failed", place) from None


_BLOB = message(mimeType=string, data=encoded)

_PART: dict[str, Kind] = {
    "text": string,
    "inlineData": _BLOB,
    "fileData": message(mimeType=string, fileUri=string),
    "functionCall": message(name=string, args=struct, id=string),
    "functionResponse": message(name=string, response=struct, id=string, parts=each(message(inlineData=_BLOB))),
    "executableCode": message(language=string, code=string),
    "codeExecutionResult": message(outcome=string, output=string),
    "thought": boolean,
    "thoughtSignature": signature,
    "videoMetadata": message(startOffset=string, endOffset=string, fps=number, contentLayers=anything),
    "mediaResolution": anything,
    "mediaProcessing": anything,
    "documentMetadata": struct,
    "spreadsheetMetadata": struct,
    "audioMetadata": struct,
    "partMetadata": struct,
    "toolCall": struct,
    "toolResponse": struct,
}
PART = message(**_PART)

CONTENT = message(role=string, parts=each(PART))

_TOOL: dict[str, Kind] = {
    "functionDeclarations": each(message(name=string, description=string, parameters=struct)),
    "googleSearch": message(
        searchTypes=struct, blockingConfidence=string, excludeDomains=each(string), timeRangeFilter=struct
    ),
    "codeExecution": message(),
    "urlContext": message(),
    "googleMaps": struct,
    "computerUse": struct,
    "fileSearch": struct,
    "retrieval": struct,
    "enterpriseWebSearch": struct,
    "parallelAiSearch": struct,
    "exaAiSearch": struct,
}
TOOL = message(**_TOOL)

TOOL_CONFIG = message(
    functionCallingConfig=message(mode=one_of("AUTO", "ANY", "NONE", "VALIDATED"), allowedFunctionNames=each(string)),
    retrievalConfig=message(latLng=message(latitude=number, longitude=number), languageCode=string),
    includeServerSideToolInvocations=boolean,
)

#: upstream.md 4.3
_GENERATION: dict[str, Kind] = {
    "temperature": number,
    "topP": number,
    "topK": integer,
    "candidateCount": integer,
    "maxOutputTokens": integer,
    "stopSequences": each(string),
    "seed": integer,
    "presencePenalty": number,
    "frequencyPenalty": number,
    "responseLogprobs": boolean,
    "logprobs": integer,
    "responseMimeType": one_of("text/plain", "application/json", "text/x.enum"),
    "responseSchema": struct,
    "responseJsonSchema": struct,
    "responseModalities": each(string),
    "mediaResolution": string,
    "speechConfig": struct,
    "audioTimestamp": boolean,
    "thinkingConfig": message(
        includeThoughts=boolean,
        thinkingBudget=integer,
        thinkingLevel=one_of("minimal", "low", "medium", "high"),
    ),
    "imageConfig": message(
        aspectRatio=one_of("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"),
        imageSize=one_of("1K", "2K", "4K"),
    ),
    "routingConfig": struct,
    "modelSelectionConfig": struct,
    "enableAffectiveDialog": boolean,
    "enableEnhancedCivicAnswers": boolean,
    "translationConfig": struct,
    "audioTranscriptionConfig": struct,
}
GENERATION_CONFIG = message(**_GENERATION)

#: the envelope of both generating methods
ENVELOPE = message(
    project=string,
    requestId=string,
    model=string,
    userAgent=string,
    requestType=one_of("agent", "web_search", "image_gen"),
    enabledCreditTypes=each(one_of("GOOGLE_ONE_AI")),
    request=message(
        contents=each(CONTENT),
        systemInstruction=CONTENT,
        generationConfig=GENERATION_CONFIG,
        tools=each(TOOL),
        toolConfig=TOOL_CONFIG,
        safetySettings=each(message(category=string, threshold=string)),
        sessionId=string,
        labels=mapping(string),
    ),
)

#: ``countTokens`` (upstream.md 4.5)
COUNT = message(
    request=message(model=string, contents=each(CONTENT), tools=each(TOOL), systemInstruction=CONTENT),
)

_METADATA = message(ideType=string, platform=string, pluginType=string, duetProject=string)
#: account methods (upstream.md 3)
LOAD = message(cloudaicompanionProject=string, metadata=_METADATA)
ONBOARD = message(tierId=string, cloudaicompanionProject=string, metadata=_METADATA)
MODELS = message(project=string)

_LEVELS = ("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH")
_THINKING = message(
    includeThoughts=boolean, thinkingBudget=integer, thinkingLevel=one_of(*_LEVELS, *map(str.lower, _LEVELS))
)
_OFFICIAL: dict[str, Kind] = {
    "contents": each(message(role=string, parts=each(message(**(_PART | {"speechMetadata": struct}))))),
    "systemInstruction": CONTENT,
    "generationConfig": message(**(_GENERATION | {"thinkingConfig": _THINKING})),
    "tools": each(message(**(_TOOL | {"mcpServers": each(struct)}))),
    "toolConfig": TOOL_CONFIG,
    "safetySettings": each(message(category=string, threshold=string)),
    "cachedContent": string,
    "continuationToken": string,
    "serviceTier": one_of("flex", "standard", "priority"),
    "labels": mapping(string),
}
#: the Gemini API's bodies: bare, and without a session (official-upstreams.md 4)
OFFICIAL = message(**_OFFICIAL)
OFFICIAL_COUNT = message(contents=each(CONTENT), generateContentRequest=message(model=string, **_OFFICIAL))
_EMBED: dict[str, Kind] = {
    "model": string,
    "content": CONTENT,
    "taskType": string,
    "title": string,
    "outputDimensionality": integer,
}
EMBED = message(**_EMBED)
EMBED_BATCH = message(requests=each(EMBED))
_EMBED_CONFIG = message(taskType=string, title=string, outputDimensionality=integer, autoTruncate=boolean)
VERTEX_EMBED_BATCH = message(requests=each(message(content=CONTENT, embedContentConfig=_EMBED_CONFIG)))
PREDICT = message(
    instances=each(message(content=string, task_type=string, title=string)),
    parameters=message(outputDimensionality=integer, autoTruncate=boolean),
)
#: Vertex AI's bodies; it counts flat fields (official-upstreams.md 8.1)
_VERTEX: dict[str, Kind] = _OFFICIAL | {
    "generationConfig": message(**(_GENERATION | {"thinkingConfig": _THINKING, "modelConfig": struct})),
    "tools": each(TOOL),
    "modelArmorConfig": struct,
    "outputConfig": struct,
}
VERTEX = message(**_VERTEX)
VERTEX_COUNT = message(
    **{name: _VERTEX[name] for name in ("contents", "systemInstruction", "tools", "generationConfig")}
)
