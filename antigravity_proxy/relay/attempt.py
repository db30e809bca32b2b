"""One attempt: one account, one base URL, one exchange. Ends with an answer delivered or with AttemptFailed."""

from __future__ import annotations

from antigravity_proxy.accounts.lease import Lease
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.canonical.verdict import Cause, Failure, Verdict
from antigravity_proxy.codeassist import decision_table
from antigravity_proxy.codeassist.oauth import RefreshRejected
from antigravity_proxy.generatecontent import failure
from antigravity_proxy.generatecontent.events import UpstreamErrorEvent
from antigravity_proxy.generatecontent.sse import EventTooLargeError
from antigravity_proxy.http1.parser import ResponseHead
from antigravity_proxy.relay.client import Client, ClientGone
from antigravity_proxy.relay.reader import AnswerReader, ModelFailed
from antigravity_proxy.relay.resources import Resources
from antigravity_proxy.secret import Secret
from antigravity_proxy.upstream.exchange import Exchange, ExchangeError, Silent, Stale, Unreachable

#: an error body larger than this is nonsense
MAX_ERROR_BODY = 1 << 20
#: an answer that comes as one JSON document
MAX_DOCUMENT = 128 << 20


class AttemptFailed(Exception):
    """The attempt came to no answer; ``verdict`` says what that means, ``failure`` what upstream said (if it did)."""

    def __init__(self, what: Verdict, said: Failure | None = None) -> None:
        super().__init__(what.cause.value)
        self.verdict = what
        self.failure = said


async def post(
    resources: Resources, lease: Lease, token: Secret, url: bytes, body: bytes, client: Client, silence: float = 0.0
) -> tuple[Exchange, ResponseHead]:
    """Sends a request; returns when the head of a 200 answer is there. Raises AttemptFailed, and ClientGone.

    ``silence`` is the least patience with an upstream that says nothing, in seconds.
    """
    if client.gone:
        raise ClientGone
    exchange, response = await _open(resources, lease, token, url, body, client, silence)
    lease.upstream_trace = response.field(b"x-cloudaicompanion-trace-id") or ""
    if response.code != 200:
        raise await _refused(resources, lease.state, token, exchange, response)
    return exchange, response


async def unary(resources: Resources, lease: Lease, url: bytes, body: bytes, client: Client) -> bytes:
    """Sends a request with the account's token and returns the whole body of a 200 answer.

    Raises AttemptFailed, and ClientGone.
    """
    token = await live_token(resources, lease.state)
    exchange, _ = await post(resources, lease, token, url, body, client)
    try:
        return await exchange.read(MAX_DOCUMENT)
    except Silent as e:
        raise _failed(Cause.SILENT) from e
    except ExchangeError as e:
        exchange.abort()
        raise _failed(Cause.BROKEN) from e


async def live_token(resources: Resources, state: AccountState) -> Secret:
    """The account's token, renewed first if it has expired; raises AttemptFailed."""
    token = resources.tokens.live(state)
    if token is None:
        try:
            await resources.tokens.renew(state)
        except RefreshRejected as e:
            raise _failed(Cause.NO_TOKEN) from e
        token = state.access_token
    return token


async def _open(
    resources: Resources,
    lease: Lease,
    token: Secret,
    url: bytes,
    body: bytes,
    client: Client,
    silence: float,
) -> tuple[Exchange, ResponseHead]:
    """The head of the answer. A kept connection that proves dead is replaced once, at nobody's charge."""
    try:
        egress = resources.egresses.of(lease.state.account)
    except Unreachable as e:
        raise _failed(Cause.UNREACHABLE) from e
    headers = egress.headers(url, token)
    if lease.traceparent:
        headers = (*headers, (b"traceparent", lease.traceparent))
    for last in (False, True):
        exchange = egress.exchange(silence)
        try:
            return exchange, await exchange.open(b"POST", url, headers, body)
        except Stale as e:
            if last or client.gone:
                raise _failed(Cause.BROKEN) from e
            egress.forget_idle()
        except Unreachable as e:
            raise _failed(Cause.UNREACHABLE) from e
        except Silent as e:
            raise _failed(Cause.SILENT) from e
        except ExchangeError as e:
            raise _failed(Cause.BROKEN) from e
    raise AssertionError("unreachable")


async def _refused(
    resources: Resources, state: AccountState, token: Secret, exchange: Exchange, response: ResponseHead
) -> AttemptFailed:
    """Reads an answer that is not 200 and judges it."""
    try:
        body = await exchange.read(MAX_ERROR_BODY)
    except ExchangeError:
        exchange.abort()
        body = b""
    said = failure.read(
        body,
        resources.epoch(),
        http_status=response.code,
        date=response.field(b"date"),
        retry_after=response.field(b"retry-after"),
    )
    return _judged(resources, state, token, said)


def _judged(resources: Resources, state: AccountState, token: Secret, said: Failure) -> AttemptFailed:
    """What upstream said, judged; a refused token is not used again."""
    if said.http_status == 401 and not resources.tokens.expire(state, token):
        return AttemptFailed(decision_table.WITHOUT_BODY[Cause.TOKEN_REFUSED], said)
    return AttemptFailed(decision_table.judge(said), said)


async def deliver(
    resources: Resources,
    state: AccountState,
    token: Secret,
    exchange: Exchange,
    response: ResponseHead,
    reader: AnswerReader,
    client: Client,
) -> None:
    """Pipes a 200 answer through ``reader`` to its end; raises AttemptFailed when that is not a clean one."""
    try:
        if (response.field(b"content-type") or "").startswith("text/event-stream"):
            await exchange.pipe(reader, client.consumer)
            reader.end()
        else:
            reader.whole(await exchange.read(MAX_DOCUMENT))
    except UpstreamErrorEvent as e:
        raise _judged(resources, state, token, failure.read(e.body, resources.epoch())) from e
    except ModelFailed as e:
        raise _failed(Cause.MODEL_FAILED) from e
    except (ExchangeError, EventTooLargeError) as e:
        exchange.abort()
        if reader.finished:  # what is missing is not the answer's
            return
        if isinstance(e, Silent):
            raise _failed(Cause.SILENT) from e
        raise _failed(Cause.CUT_OFF if reader.has_candidate else Cause.BROKEN) from e
    if not (reader.finished or reader.blocked):
        raise _failed(Cause.CUT_OFF if reader.has_candidate else Cause.EMPTY)


def _failed(cause: Cause) -> AttemptFailed:
    return AttemptFailed(decision_table.WITHOUT_BODY[cause])
