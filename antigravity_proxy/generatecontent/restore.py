"""Undoes in an answer what had to be changed in its request: names, wrapped arguments, calls too many. Pure."""

from __future__ import annotations

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from antigravity_proxy.canonical.chunk import UNCOUNTED, Candidate, Chunk, Usage, in_envelope
from antigravity_proxy.canonical.content import Content, FunctionCall, Part
from antigravity_proxy.generatecontent.names import NO_NAMES, NameMap


class Restore:
    """Called with each chunk of one answer. Costs nothing where nothing was changed, or the chunk has no call.

    ``wrapped``: client names of functions whose arguments are wrapped in ``input``. ``only_first_call``: the client
    asked for no parallel calls, for which upstream has no switch (translation.md 2.3).
    """

    __slots__ = ("_names", "_only_first", "_seen", "_wrapped", "idle")

    def __init__(self, names: NameMap, wrapped: frozenset[str], *, only_first_call: bool) -> None:
        self._names = names
        self._wrapped = wrapped
        self._only_first = only_first_call
        self._seen: set[int] = set()  # candidates that have had a call
        self.idle = not (names.changed or wrapped or only_first_call)

    def fresh(self) -> Restore:
        """The same for another attempt."""
        return self if self.idle else Restore(self._names, self._wrapped, only_first_call=self._only_first)

    def __call__(self, chunk: Chunk) -> Chunk:
        """The chunk as the client's own request would have brought it."""
        if self.idle or not any(p.function_call for c in chunk.candidates for p in c.content.parts):
            return chunk
        return rewritten(chunk, tuple(map(self._candidate, chunk.candidates)), chunk.usage_metadata)

    def _candidate(self, candidate: Candidate) -> Candidate:
        parts: list[Part] = []
        for part in candidate.content.parts:
            if part.function_call is not None:
                if self._only_first and candidate.index in self._seen:
                    continue
                self._seen.add(candidate.index)
                part = replace(part, function_call=self._call(part.function_call))
            parts.append(part)
        return replace(candidate, content=Content(candidate.content.role, tuple(parts)))

    def _call(self, call: FunctionCall) -> FunctionCall:
        name = self._names.back(call.name)
        args = call.args
        if name in self._wrapped and args:
            try:
                args = msgspec.json.decode(args, type=dict[str, Raw]).get("input", args)
            except msgspec.MsgspecError:
                args = call.args
        return FunctionCall(name, args, call.id)


#: for every answer to a request in which nothing was changed
UNCHANGED = Restore(NO_NAMES, frozenset(), only_first_call=False)


def rewritten(chunk: Chunk, candidates: tuple[Candidate, ...], usage: Usage | None) -> Chunk:
    """The chunk with its candidates and usage replaced, in its JSON text too; everything else as upstream wrote it."""
    fields = msgspec.json.decode(chunk.json, type=dict[str, Raw])
    written = msgspec.json.decode(fields.pop("candidates", b"[]"), type=list[dict[str, Raw]])
    if candidates:
        known = (msgspec.json.decode(msgspec.json.encode(each), type=dict[str, Raw]) for each in candidates)
        fields["candidates"] = Raw(msgspec.json.encode([old | new for old, new in zip(written, known, strict=True)]))
    fields.pop("usageMetadata", None)
    if usage not in UNCOUNTED:
        fields["usageMetadata"] = Raw(msgspec.json.encode(usage))
    return replace(chunk, candidates=candidates, usage_metadata=usage, raw=in_envelope(msgspec.json.encode(fields)))
