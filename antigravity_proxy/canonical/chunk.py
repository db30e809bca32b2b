"""Upstream's answer, piece by piece, in the neutral form that every dialect encodes from. Data only (upstream.md 5)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from antigravity_proxy.canonical.content import ABSENT, Content

#: finishReason values by class (upstream.md 5.4); any other value is a normal end. The answer was cut at a length: at
#: its own limit, or where Gemini 4 wants to be asked to go on (official-upstreams.md 4)
TOO_LONG = frozenset({"MAX_TOKENS", "CONTINUATION"})
FILTERED = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "LANGUAGE",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "MODEL_ARMOR",
        "ESCALATION",
    }
)
MODEL_FAILED = frozenset(
    {
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
        "NO_IMAGE",
        "IMAGE_OTHER",
    }
)

#: every finish reason that is known (upstream.md 5.4)
FINISH_REASONS = FILTERED | MODEL_FAILED | {"STOP", "MAX_TOKENS", "OTHER", "FINISH_REASON_UNSPECIFIED"}
#: the fields of an answer, of a candidate, and of a part that are known, read or not (upstream.md 5.1, 4.2)
RESPONSE_FIELDS = frozenset(
    {
        "candidates",
        "usageMetadata",
        "promptFeedback",
        "modelVersion",
        "responseId",
        "createTime",
        "automaticFunctionCallingHistory",
        "traceId",
        "modelStatus",
    }
)
CANDIDATE_FIELDS = frozenset(
    {
        "index",
        "content",
        "finishReason",
        "finishMessage",
        "groundingMetadata",
        "logprobsResult",
        "avgLogprobs",
        "safetyRatings",
        "citationMetadata",
        "urlContextMetadata",
        "tokenCount",
        "groundingAttributions",
    }
)
PART_FIELDS = frozenset(
    {
        "text",
        "thought",
        "thoughtSignature",
        "inlineData",
        "fileData",
        "functionCall",
        "functionResponse",
        "executableCode",
        "codeExecutionResult",
        "videoMetadata",
        "mediaResolution",
        "mediaProcessing",
        "documentMetadata",
        "spreadsheetMetadata",
        "audioMetadata",
        "partMetadata",
        "toolCall",
        "toolResponse",
    }
)


#: tokens; an impossible number counts as absent, as every field of an unexpected form does
Count = Annotated[int, Meta(ge=0, lt=1 << 53)]


class Usage(Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """Token counts as upstream states them; every field may be missing. Read them by the properties."""

    prompt_token_count: Count = 0
    candidates_token_count: Count = 0
    thoughts_token_count: Count = 0
    cached_content_token_count: Count = 0
    tool_use_prompt_token_count: Count = 0
    total_token_count: Count = 0

    @property
    def input_tokens(self) -> int:
        """Prompt tokens, cached ones included (upstream.md 5.3)."""
        return self.prompt_token_count + self.tool_use_prompt_token_count

    @property
    def output_tokens(self) -> int:
        """Answer tokens, thoughts included; right for either reading of ``candidatesTokenCount`` (upstream.md 5.3)."""
        rest = self.total_token_count - self.prompt_token_count - self.tool_use_prompt_token_count
        if self.total_token_count and rest >= self.candidates_token_count:
            return rest
        return self.candidates_token_count + self.thoughts_token_count


#: usage that says nothing, so that what was said before still counts
UNCOUNTED: tuple[Usage | None, ...] = (None, Usage())


class PromptFeedback(Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """Why a prompt was blocked; no candidates come then."""

    block_reason: str = ""


class Candidate(Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """One answer's next piece; ``finish_reason`` is empty until its last."""

    index: int = 0
    content: Content = Content()
    finish_reason: str = ""
    finish_message: str = ""
    grounding_metadata: Raw = ABSENT
    logprobs_result: Raw = ABSENT


class _Envelope(Struct, gc=False):
    response: Raw = ABSENT


_envelope = msgspec.json.Decoder(_Envelope)
_fields = msgspec.json.Decoder(dict[str, Any])


def in_envelope(text: bytes) -> bytes:
    """A ``Chunk.raw`` whose ``json`` is this text, whatever it holds."""
    return b'{"response":' + text + b"}"


class Chunk(Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """One event of upstream's answer. ``raw`` is what it was read from, in the envelope in which it may have come."""

    candidates: tuple[Candidate, ...] = ()
    usage_metadata: Usage | None = None
    prompt_feedback: PromptFeedback | None = None
    model_version: str = ""
    response_id: str = ""
    raw: bytes = b""

    @property
    def json(self) -> bytes:
        """Its JSON text: upstream's own, but for fields of a wrong type. Few events are asked for it."""
        return bytes(_envelope.decode(self.raw).response) or self.raw

    @property
    def fields(self) -> dict[str, Any]:
        """The object that ``json`` is; its caller may change it."""
        found: dict[str, Any] = _fields.decode(self.raw)
        response: dict[str, Any] = found.get("response", found)
        return response


class MessageChunk(Chunk, frozen=True, gc=False):
    """The content of events of Anthropic's Messages form, and those themselves, for a client of that form.

    ``events`` are the type and the JSON text of each; ``raw`` is empty.
    """

    events: tuple[tuple[str, bytes], ...] = ()
