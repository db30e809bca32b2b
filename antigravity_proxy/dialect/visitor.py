"""The kinds of an answer's parts, distinguished once for the dialects that have items or blocks.

Pure (upstream.md 5).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from antigravity_proxy.canonical.content import Blob, FunctionCall, Part
from antigravity_proxy.dialect.parts import code_block


class PartVisitor(ABC):
    """Hands each part to the method for its kind; code is text."""

    __slots__ = ()

    @abstractmethod
    def _text(self, text: str) -> None:
        """More of the answer's text, never empty."""

    @abstractmethod
    def _thought(self, text: str, signature: str) -> None:
        """More of a thought; either may be empty."""

    @abstractmethod
    def _call(self, call: FunctionCall, signature: str) -> None:
        """A function call, with its signature or an empty one."""

    @abstractmethod
    def _image(self, blob: Blob) -> None:
        """A picture that the model made."""

    def _part(self, part: Part) -> None:
        text = part.text
        if part.thought:
            self._thought(text or "", part.thought_signature)
        elif text:
            self._text(text)
        elif part.function_call is not None:
            self._call(part.function_call, part.thought_signature)
        elif part.inline_data is not None:
            self._image(part.inline_data)
        elif (part.executable_code or part.code_execution_result) and (block := code_block(part)):
            self._text(block)
