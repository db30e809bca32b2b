"""Calls in the Responses API: each kind of tool's item, and the events that write it (translation.md 5). Pure.

A model always calls a function; the request's tool decides which kind of item its client expects for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from antigravity_proxy.dialect.openai import custom_tools
from antigravity_proxy.dialect.openai.responses_document import Item
from antigravity_proxy.dialect.openai.responses_tools import Origin, ToolKind

_json = msgspec.json.Encoder().encode
_arguments = msgspec.json.Decoder(dict[str, Any]).decode
_OPERATIONS = ("create_file", "update_file", "delete_file")
#: the kind of an event and its fields, without those that say where the item is
Written = tuple[bytes, bytes]


class CallForm(Struct, frozen=True):
    """How calls of a kind of tool look. ``item`` makes one of the tool and its arguments, whole or as it begins.

    ``written`` gives the events between: of the arguments, and of the fields that replace them for this kind of item.
    """

    prefix: str
    item: Callable[[Origin, str, bool], Item]
    written: Callable[[str, bytes, bytes], Iterator[Written]]


def _status(whole: bool) -> str:
    return "completed" if whole else "in_progress"


def _named(kind: str, origin: Origin) -> Item:
    item: Item = {"type": kind, "id": "", "call_id": "", "name": origin.name}
    return item | {"namespace": origin.namespace} if origin.namespace else item


def _function(origin: Origin, args: str, whole: bool) -> Item:
    return _named("function_call", origin) | {"arguments": args if whole else "", "status": _status(whole)}


def _custom(origin: Origin, args: str, whole: bool) -> Item:
    return _named("custom_tool_call", origin) | {"input": custom_tools.called_with(args) if whole else ""}


def _local_shell(origin: Origin, args: str, whole: bool) -> Item:
    action = {"type": "exec", "command": [], "env": {}} | _arguments(args)
    return {"type": "local_shell_call", "id": "", "call_id": "", "action": action, "status": _status(whole)}


def _shell(origin: Origin, args: str, whole: bool) -> Item:
    given = _arguments(args)
    limits = {name: given[name] for name in ("timeout_ms", "max_output_length") if isinstance(given.get(name), int)}
    action = {"commands": _commands(args) if whole else [], "timeout_ms": None, "max_output_length": None} | limits
    return {"type": "shell_call", "id": "", "call_id": "", "action": action, "status": _status(whole)}


def _apply_patch(origin: Origin, args: str, whole: bool) -> Item:
    given = _arguments(args)
    kind = given.get("type")
    operation = {"type": kind if kind in _OPERATIONS else "update_file", "path": _text(given.get("path"))}
    if operation["type"] != "delete_file":
        operation["diff"] = _text(given.get("diff"))
    return {"type": "apply_patch_call", "id": "", "call_id": "", "operation": operation, "status": _status(whole)}


def _tool_search(origin: Origin, args: str, whole: bool) -> Item:
    item: Item = {"type": "tool_search_call", "id": "", "call_id": "", "execution": "client"}
    return item | {"arguments": _arguments(args) if whole else {}, "status": _status(whole)}


def _commands(args: str) -> list[str]:
    commands = _arguments(args).get("commands")
    if isinstance(commands, str):
        return [commands]
    return [each for each in commands if isinstance(each, str)] if isinstance(commands, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _function_written(args: str, item: bytes, output: bytes) -> Iterator[Written]:
    return _in_one_piece(b"function_call_arguments", b"arguments", args, item)


def _custom_written(args: str, item: bytes, output: bytes) -> Iterator[Written]:
    return _in_one_piece(b"custom_tool_call_input", b"input", custom_tools.called_with(args), item)


def _in_one_piece(kind: bytes, field: bytes, text: str, item: bytes) -> Iterator[Written]:
    told = _json(text)
    yield kind + b".delta", b'%s,"delta":%s' % (item, told)
    yield kind + b".done", b'%s,"%s":%s' % (item, field, told)


def _shell_written(args: str, item: bytes, output: bytes) -> Iterator[Written]:
    for i, command in enumerate(_commands(args)):
        place, told = b'%s,"command_index":%d' % (output, i), _json(command)
        yield b"shell_call_command.added", b'%s,"command":""' % place
        yield b"shell_call_command.delta", b'%s,"delta":%s' % (place, told)
        yield b"shell_call_command.done", b'%s,"command":%s' % (place, told)


def _nothing_written(args: str, item: bytes, output: bytes) -> Iterator[Written]:
    return iter(())


#: the forms, by the kind of the request's tool
FORMS: dict[ToolKind, CallForm] = {
    "function": CallForm("fc_", _function, _function_written),
    "custom": CallForm("ctc_", _custom, _custom_written),
    "local_shell": CallForm("lsh_", _local_shell, _nothing_written),
    "shell": CallForm("sh_", _shell, _shell_written),
    "apply_patch": CallForm("apc_", _apply_patch, _nothing_written),
    "tool_search": CallForm("tsc_", _tool_search, _nothing_written),
}
