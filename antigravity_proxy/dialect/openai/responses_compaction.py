"""A conversation that is made shorter: what is asked of the model, and what its summary becomes (contract.md 8). Pure.

The summary is requested without tools, so calls and their results become text in the conversation: then no upstream
misses a declaration or a signature.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from antigravity_proxy.canonical.call import Call, OutputFormat, Reasoning, Sampling, ToolChoice
from antigravity_proxy.canonical.content import Content, Part

#: tokens of a summary, thoughts included
MAX_TOKENS = 16_384
#: characters of a summary; longer ones are cut
MAX_LENGTH = 65_536

_INSTRUCTIONS = (
    "The conversation ends here, because it has become too long, and will be continued by a model that sees nothing of "
    "it but your summary. Write that summary: what the user wants, in the user's own words where they matter; what was "
    "decided and why; what was done, with names of files, commands and results that are still needed; what failed; "
    "what is left to do next. Answer with the summary alone, and call no tools."
)
_RECALLED = "<summary_of_the_earlier_conversation>\n{}\n</summary_of_the_earlier_conversation>"
_UNREADABLE = (
    "[An earlier part of this conversation was shortened to a summary that can't be read here: "
    "ask for what is needed of it.]"
)


def recalled(summary: str | None) -> str:
    """The text that replaces the summarised part of a conversation; None: it can't be read."""
    return _UNREADABLE if summary is None else _RECALLED.format(summary)


def summarising(call: Call) -> Call:
    """The call that asks for the summary of this call's conversation."""
    contents = tuple(Content(turn.role, tuple(_as_text(turn))) for turn in call.contents)
    asked = Content("user", (Part(text=_INSTRUCTIONS),))
    return replace(
        call,
        contents=(*(turn for turn in contents if turn.parts), asked),
        tools=(),
        builtin_tools=(),
        web_search=False,
        tool_choice=ToolChoice(),
        sampling=Sampling(max_output_tokens=MAX_TOKENS),
        output=OutputFormat(),
        reasoning=Reasoning(show=False),
    )


def _as_text(turn: Content) -> Iterator[Part]:
    for part in turn.parts:
        if part.thought:
            continue
        if (called := part.function_call) is not None:
            args = bytes(called.args).decode("utf-8", "replace")
            yield Part(text=f"[called {called.name} with {args}]")
        elif (result := part.function_response) is not None:
            told = bytes(result.response).decode("utf-8", "replace")
            yield Part(text=f"[{result.name} answered {told}]")
        elif part.text is not None:
            yield Part(text=part.text)
        else:
            yield replace(part, thought_signature="")
