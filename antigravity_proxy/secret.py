"""Values that must never be shown: tokens, keys, addresses."""

from __future__ import annotations

#: what tokens, keys, e-mail addresses and passwords in URLs look like in the words of others; JWTs and private keys in
#: PEM among them. Each alternative takes what it takes without backtracking, so that a search costs linear time
LOOKS_PRIVATE = (
    r"ya29\.[\w.-]++|1//[\w-]++|(?<=Bearer )\S++|AIza[\w-]++|AQ\.[\w-]{8,}+|sk-[\w-]{8,}+|(?<=[?&]key=)[^&\s]++"
    r"|(?<![\w-])eyJ[\w-]++(?:\.[\w-]*+){1,4}+"
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\w+/=\\\r\n]*+(?:-----END [A-Z ]{0,40}-----)?+"
    r"|(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)++|(?<=://)[^/\s:@]++:[^/\s@]++(?=@)"
)


class Secret:
    """Text that hides itself in ``repr``, ``str``, logs and tracebacks; only ``reveal`` gives it out.

    Equal secrets are equal and hash alike. An empty one is false. ``sent`` is for whoever sends it again and again: the
    header's name, and the whole field as it was made of the value.
    """

    __slots__ = ("_value", "sent")

    def __init__(self, value: str) -> None:
        self._value = value
        self.sent: tuple[bytes, SecretBytes] | None = None

    def reveal(self) -> str:
        """The value itself: for the one place that sends or compares it."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not to be pickled")


class SecretBytes(bytes):
    """A key of the volume: bytes as any, but hidden in ``repr``, ``str``, logs and tracebacks."""

    def __repr__(self) -> str:
        return "SecretBytes(…)"

    __str__ = __repr__


def masked(text: str) -> str:
    """An e-mail address with its first letter and its domain; anything else unchanged."""
    local, at, domain = text.rpartition("@")
    return f"{local[:1]}***@{domain}" if at else text
