"""The outcome of each API request: one record, filled in on the way and shown to all observers once, at its end."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Protocol

from msgspec import Struct, field
from twisted.logger import Logger

from antigravity_proxy.accounts.standing import Board
from antigravity_proxy.telemetry.trace import Trace

log = Logger()

#: the status of a request whose client hung up before an answer began (nginx's, and widely read so)
CLIENT_LEFT = 499
#: why an attempt came to no end that upstream or the connection explains: the client left, or a fault of ours
BROKEN_OFF = "broken_off"


class Attempt(Struct):
    """One attempt at ``upstream``. ``account`` is the opaque id of an account, or the name of an official credential;
    ``began`` in seconds after the record's, ``took`` seconds.

    ``reason`` is empty for one that served, else why it failed: the value of a `canonical.verdict.Cause`, or
    BROKEN_OFF. ``status`` is upstream's HTTP status where it refused. ``span`` is the id
    that upstream knew it by, 16 hex digits, empty without a trace; ``upstream_trace`` is upstream's own id
    of it (upstream.md 2), any text at all.
    """

    account: str
    began: float
    took: float = 0.0
    reason: str = BROKEN_OFF
    status: int = 0
    span: str = ""
    upstream_trace: str = ""
    upstream: str = ""


class Record(Struct, kw_only=True):
    """One API request. It contains neither the request's nor the answer's text, nor who the accounts are.

    ``began`` in monotonic seconds: when the request was there whole (or was refused); ``duration`` and ``first_byte``
    (None: no byte of an answer) in seconds after that. ``asked`` is the model name as the client wrote it, so any text
    at all; ``model`` the upstream id that served, ``family`` its kind, ``upstream`` where. ``client`` is the client's
    address, ``key`` the name of its API key, ``agent`` the kind of its program, of a bounded list. ``account`` is the
    last attempt's, by its opaque id. ``status`` is what was answered, or CLIENT_LEFT; ``error`` the stable code of the
    error that the client got, also within a stream. Bytes are the answer's body; tokens as upstream counted them,
    in with ``tokens_cached``, out with ``tokens_thinking``. ``boards``: how the accounts stood when it chose.
    ``refused``: by its head or length, before a dialect saw it. ``ended``: the wall clock at its end, epoch seconds.
    """

    id: str
    began: float
    method: str = ""
    dialect: str = ""
    operation: str = ""
    client: str = ""
    key: str = ""
    agent: str = ""
    asked: str = ""
    model: str = ""
    family: str = ""
    upstream: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    boards: tuple[Board, ...] = ()
    streamed: bool = False
    status: int = 0
    error: str = ""
    bytes_out: int = 0
    first_byte: float | None = None
    duration: float = 0.0
    ended: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    tokens_thinking: int = 0
    client_left: bool = False
    refused: bool = False
    trace: Trace | None = None
    closed: bool = False

    @property
    def account(self) -> str:
        """The account that served, or was tried last; empty: none was."""
        return self.attempts[-1].account if self.attempts else ""


#: records that are shown at once to those who can wait
_TOGETHER = 64
#: far above what any model takes or gives, and a whole number in a float
_MOST_TOKENS = 1 << 40


class Observer(Protocol):
    """Is shown a record when it is closed."""

    def __call__(self, record: Record, /) -> None: ...


def no_trace() -> Trace | None:
    """No trace begins here."""
    return None


def nothing_waits() -> None:
    """Nobody keeps records back."""


def _no_time() -> float:
    return 0.0


class Ledger:
    """Opens a record for each request, and shows it to every observer when it is closed.

    ``seconds`` is the monotonic clock, ``epoch`` the wall clock. ``new_trace`` begins one for a request whose client
    names none. ``open_count`` is how many requests are under way, ``stream_count`` how many of them are streamed.
    """

    def __init__(self, seconds: Callable[[], float], epoch: Callable[[], float] = _no_time) -> None:
        self._seconds = seconds
        self._epoch = epoch
        self._observers: list[Observer] = []
        self._of_others: list[Observer] = []  # those of them that requests without a key's name concern too
        self._patient: list[Observer] = []
        self._waiting: list[Record] = []  # for those
        self.new_trace: Callable[[], Trace | None] = no_trace
        self.open_count = 0
        self.stream_count = 0

    def observe(self, observer: Observer, *, keys_only: bool = False) -> None:
        """Shows it every record from now on, or only those with a key's name.

        An exception that it raises is logged and affects nothing else.
        """
        called = _called(observer)
        self._observers.append(called)
        if not keys_only:
            self._of_others.append(called)

    def observe_later(self, observer: Observer) -> Callable[[], None]:
        """Shows it every record from now on, but many one after the other, which costs half.

        Gives what shows it those that wait: to be called before it is asked for anything.
        """
        self._patient.append(_called(observer))
        return self.settle

    def settle(self) -> None:
        """Shows the records that wait."""
        waiting, self._waiting = self._waiting, []
        for observer in self._patient:
            for record in waiting:
                try:
                    observer(record)
                except Exception:
                    _failed(record)

    def open(self, identity: str, method: str, dialect: str, operation: str) -> Record:
        """A new record, of a request that arrives now."""
        self.open_count += 1
        return Record(id=identity, began=self._seconds(), method=method, dialect=dialect, operation=operation)

    def streams(self, record: Record) -> None:
        """The request's answer is streamed."""
        record.streamed = True
        self.stream_count += 1

    def close(self, record: Record) -> None:
        """The request has ended; does nothing the second time."""
        if record.closed:
            return
        record.closed = True
        self.open_count -= 1
        self.stream_count -= record.streamed
        record.duration = self._seconds() - record.began
        record.ended = self._epoch()
        if not (0 <= record.tokens_cached <= record.tokens_in <= _MOST_TOKENS) or not (
            0 <= record.tokens_thinking <= record.tokens_out <= _MOST_TOKENS
        ):
            _correct(record)
        for observer in self._observers if record.key else self._of_others:
            try:
                observer(record)
            except Exception:
                _failed(record)
        self._waiting.append(record)
        if len(self._waiting) >= _TOGETHER:
            self.settle()


def _called(observer: Observer) -> Observer:
    """The interpreter calls a method by itself, but an object through C."""
    return observer if isinstance(observer, FunctionType | MethodType) else observer.__call__


def _failed(record: Record) -> None:
    log.failure("an observer of request {id} failed", id=record.id)


def _correct(record: Record) -> None:
    """Tokens as upstream counted them, as far as that can be a count; a part is no more than the whole."""
    record.tokens_in = max(0, min(record.tokens_in, _MOST_TOKENS))
    record.tokens_out = max(0, min(record.tokens_out, _MOST_TOKENS))
    record.tokens_cached = max(0, min(record.tokens_cached, record.tokens_in))
    record.tokens_thinking = max(0, min(record.tokens_thinking, record.tokens_out))
