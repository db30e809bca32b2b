"""A client's request in the neutral form that every dialect decodes to. Data only.

A Call knows nothing of the target model; what a target needs (thinking budgets, forced tool modes, schema cleaning,
role order) is decided later, in one place, by ``generatecontent.request``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from msgspec import Raw, Struct

from antigravity_proxy.canonical.content import Content

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class FunctionDeclaration(Struct, frozen=True):
    """A tool as its client declared it; ``parameters`` is the untouched JSON Schema (None: takes none)."""

    name: str
    description: str = ""
    parameters: Any = None


class ToolChoice(Struct, frozen=True):
    """``auto``: the model decides; ``any``: must call; ``validated``: may call. ``names`` narrows the last two."""

    mode: Literal["auto", "none", "any", "validated"] = "auto"
    names: tuple[str, ...] = ()


class Reasoning(Struct, frozen=True):
    """The client's wishes on thinking (``default``: none). ``budget`` in tokens; ``show``: may thoughts be sent."""

    mode: Literal["default", "off", "on", "auto"] = "default"
    budget: int | None = None
    effort: Effort | None = None
    show: bool = True


class OutputFormat(Struct, frozen=True):
    """``json``: any JSON value; ``schema``: JSON that matches ``schema`` (the untouched JSON Schema).

    ``image``: a picture, which image models alone can make. ``enum``: one of the texts that the schema lists, alone.
    """

    kind: Literal["text", "json", "schema", "image", "enum"] = "text"
    schema: Any = None


class Sampling(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Sampling settings under upstream's names; None where the client said nothing."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_output_tokens: int | None = None
    stop_sequences: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_logprobs: bool = False
    logprobs: int | None = None


class Speech(Struct, frozen=True):
    """The text is to be spoken: by this voice, in Gemini's name of it, and in a style that is said in words."""

    voice: str
    style: str = ""


class Original(Struct, frozen=True, gc=False):
    """A client's own request in Anthropic's form: its JSON, and its headers ``anthropic-version``, ``anthropic-beta``.

    Only for a model that takes that form itself; everything else reads the call. ``signature`` turns the signature of
    a thought as the client has it into the one that a call holds: empty for one that is not a thought's, None for what
    this proxy has not wrapped.
    """

    body: bytes
    version: str = ""
    betas: str = ""
    signature: Callable[[str], str | None] = lambda _: None

    def __repr__(self) -> str:
        return f"<Original {len(self.body)} bytes>"


class Call(Struct, frozen=True):
    """One request for a generation (or a token count).

    ``system`` holds the system texts in order. ``extra_config`` holds further ``generationConfig`` keys that only the
    Gemini dialect can say (``mediaResolution``, ``speechConfig``, …), ``builtin_tools`` its tools that are not
    functions (``codeExecution``, ``googleSearch`` with its settings, …), ``tool_settings`` its ``toolConfig`` besides
    how functions are called, all as the client wrote them. ``official`` are fields beside those that official upstreams
    alone read (``serviceTier``, ``cachedContent``, …), under Gemini's names. ``choices`` is how many answers are wanted
    (OpenAI's ``n``). ``session`` is the name that the client gave the conversation, or its user, if any (clients.md 8):
    requests of the same name go to the same account. ``original`` is there only where an upstream could take it.
    """

    model: str
    contents: tuple[Content, ...]
    system: tuple[str, ...] = ()
    tools: tuple[FunctionDeclaration, ...] = ()
    web_search: bool = False
    builtin_tools: tuple[Raw, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    tool_settings: dict[str, Raw] = {}
    parallel_tool_calls: bool = True
    sampling: Sampling = Sampling()
    output: OutputFormat = OutputFormat()
    reasoning: Reasoning = Reasoning()
    safety_settings: tuple[Raw, ...] = ()
    extra_config: dict[str, Raw] = {}
    official: dict[str, Raw] = {}
    choices: int = 1
    stream: bool = False
    speech: Speech | None = None
    session: str = ""
    original: Original | None = None
