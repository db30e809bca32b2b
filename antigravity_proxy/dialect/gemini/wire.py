"""The body of Gemini's requests as clients send it, in camelCase (clients.md 7). Data only.

Everything is optional and may be null; unknown keys are dropped.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

#: whole numbers may arrive as ``1`` or ``1.0`` (translation.md 1)
Whole = int | float


class Blob(Struct, rename="camel"):
    """Inline data; base64 in either alphabet."""

    data: str
    mime_type: str | None = None


class FileData(Struct, rename="camel"):
    """A file by its URI."""

    file_uri: str
    mime_type: str | None = None


class FunctionCall(Struct, rename="camel"):
    """A call in history."""

    name: str
    args: dict[str, Any] | None = None
    id: str | None = None


class FunctionResponse(Struct, rename="camel"):
    """A tool's result."""

    name: str
    response: dict[str, Any] | None = None
    id: str | None = None
    parts: list[Part] | None = None


class Part(Struct, rename="camel"):
    """One piece of a turn."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    executable_code: dict[str, Any] | None = None
    code_execution_result: dict[str, Any] | None = None
    video_metadata: dict[str, Any] | None = None
    media_resolution: Any = None
    media_processing: Any = None
    document_metadata: dict[str, Any] | None = None
    spreadsheet_metadata: dict[str, Any] | None = None
    audio_metadata: dict[str, Any] | None = None
    part_metadata: dict[str, Any] | None = None
    tool_call: dict[str, Any] | None = None
    tool_response: dict[str, Any] | None = None
    speech_metadata: dict[str, Any] | None = None


class Content(Struct, rename="camel"):
    """One turn."""

    parts: list[Part] | None = None
    role: str | None = None


class Declaration(Struct, rename="camel"):
    """A function; its schema under one of two names."""

    name: str
    description: str | None = None
    parameters: Any = None
    parameters_json_schema: Any = None


class Tool(Struct, rename="camel"):
    """The functions of a tool; other kinds of tools are read as they are."""

    function_declarations: list[Declaration] | None = None


class CallingConfig(Struct, rename="camel"):
    """How functions may be called."""

    mode: str | None = None
    allowed_function_names: list[str] | None = None


class ToolConfig(Struct, rename="camel"):
    """``toolConfig``."""

    function_calling_config: CallingConfig | None = None
    retrieval_config: dict[str, Any] | None = None
    include_server_side_tool_invocations: bool | None = None


class ThinkingConfig(Struct, rename="camel"):
    """``thinkingConfig``."""

    include_thoughts: bool | None = None
    thinking_budget: Whole | None = None
    thinking_level: str | None = None


class GenerationConfig(Struct, rename="camel"):
    """The keys of ``generationConfig`` that are read; some others are passed as they are."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: Whole | None = None
    candidate_count: Whole | None = None
    max_output_tokens: Whole | None = None
    stop_sequences: list[str] | None = None
    seed: Whole | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_logprobs: bool | None = None
    logprobs: Whole | None = None
    response_mime_type: str | None = None
    response_schema: Any = None
    response_json_schema: Any = None
    thinking_config: ThinkingConfig | None = None


class Request(Struct, rename="camel"):
    """The body."""

    contents: list[Content] | Content | str | None = None
    system_instruction: Content | str | None = None
    generation_config: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_config: ToolConfig | None = None
    safety_settings: list[dict[str, Any]] | None = None
