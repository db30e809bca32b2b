"""Bodies of ``multipart/form-data``, as clients write them."""

from __future__ import annotations

BOUNDARY = "boundary"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"

#: a text, or a file: its name, what it holds, its type if that is told
Field = str | bytes | tuple[str, bytes] | tuple[str, bytes, str]


def form(*fields: tuple[str, Field]) -> bytes:
    """A form's body."""
    return b"".join(map(_part, fields)) + f"--{BOUNDARY}--\r\n".encode()


def _part(field: tuple[str, Field]) -> bytes:
    name, value = field
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'
    if isinstance(value, tuple):
        head += f'; filename="{value[0]}"'
        if len(value) == 3:
            head += f"\r\nContent-Type: {value[2]}"
        value = value[1]
    return head.encode() + b"\r\n\r\n" + (value.encode() if isinstance(value, str) else value) + b"\r\n"
