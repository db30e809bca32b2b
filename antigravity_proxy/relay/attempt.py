"""The steps of one attempt: one account, one base URL, one exchange; and what its failures mean."""

from __future__ import annotations

from msgspec import structs
from twisted.logger import Logger

from antigravity_proxy.accounts.lease import Lease
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.canonical.grant import RefreshRejected, StaticKey
from antigravity_proxy.canonical.verdict import Cause, Failure, Step, Verdict
from antigravity_proxy.canonical.wire import Access, EventTooLargeError, UpstreamErrorEvent, UpstreamRequest
from antigravity_proxy.http1.fields import field
from antigravity_proxy.http1.parser import ResponseHead
from antigravity_proxy.relay.context import Client, ClientGone, RelayContext
from antigravity_proxy.relay.reader import AnswerReader, ModelFailed, NoticeSent
from antigravity_proxy.relay.upstream import Upstream
from antigravity_proxy.secret import Secret
from antigravity_proxy.upstream.exchange import Exchange, ExchangeError, NoWayOut, Silent, Stale, Unreachable

log = Logger()

#: a larger error body is not read on
MAX_ERROR_BODY = 1 << 20
#: characters of upstream's words about a model that failed
MAX_SHOWN = 500
#: an answer that comes as one JSON document
MAX_DOCUMENT = 128 << 20


class AttemptFailed(Exception):
    """The attempt came to no answer; ``verdict`` says what that means, ``failure`` what upstream said (if it did)."""

    def __init__(self, what: Verdict, said: Failure | None = None) -> None:
        super().__init__(what.cause.value)
        self.verdict = what
        self.failure = said


async def post(
    context: RelayContext, upstream: Upstream, lease: Lease, access: Access, request: UpstreamRequest, client: Client
) -> tuple[Exchange, ResponseHead]:
    """Sends a request; returns when the head of a 200 answer is there. Raises AttemptFailed, and ClientGone.

    A kept connection that proves dead is replaced once, and is not counted against any account.
    """
    if client.gone:
        raise ClientGone
    try:
        egress = context.egresses.of(lease.state.credential)
    except NoWayOut as e:
        raise _no_way_out(upstream) from e
    head = egress.head(b"POST", request.url, request.fields)
    if lease.traceparent:
        head += field(b"traceparent", lease.traceparent)
    is_second = False
    while True:
        exchange = egress.exchange(request.silence)
        try:
            response = await exchange.open(request.url, head, request.body)
            break
        except Stale as e:
            if is_second or client.gone:
                raise _failed(upstream, Cause.BROKEN) from e
            is_second = True
            egress.forget_idle()
        except NoWayOut as e:
            raise _no_way_out(upstream) from e
        except Unreachable as e:
            raise _failed(upstream, Cause.UNREACHABLE) from e
        except Silent as e:
            raise _failed(upstream, Cause.SILENT) from e
        except ExchangeError as e:
            raise _failed(upstream, Cause.BROKEN) from e
    lease.upstream_trace = response.field(upstream.wire.trace_header) or ""
    if response.code != 200:
        raise await _refused(context, upstream, lease.state, access.token, exchange, response)
    return exchange, response


async def unary(
    context: RelayContext, upstream: Upstream, lease: Lease, access: Access, request: UpstreamRequest, client: Client
) -> bytes:
    """Sends a request and returns the whole body of a 200 answer. Raises AttemptFailed, and ClientGone."""
    exchange, _ = await post(context, upstream, lease, access, request, client)
    try:
        return await exchange.read(MAX_DOCUMENT)
    except Silent as e:
        raise _failed(upstream, Cause.SILENT) from e
    except ExchangeError as e:
        exchange.abort()
        raise _failed(upstream, Cause.BROKEN) from e


async def made_ready(upstream: Upstream, state: AccountState) -> Secret:
    """The account's token, renewed first if it has expired; its project is asked for. Raises AttemptFailed."""
    token = upstream.tokens.live(state)
    if token is None:
        try:
            await upstream.tokens.renew(state)
        except RefreshRejected as e:
            raise _failed(upstream, Cause.NO_TOKEN) from e
        token = state.access_token
    if state.project is None:
        await upstream.projects.of(state)
    return token


def access_of(upstream: Upstream, lease: Lease, base: bytes, token: Secret) -> Access:
    """The parts of an attempt that its lease gives; as far as they are known."""
    state = lease.state
    credential = state.credential
    return Access(
        base,
        token,
        state.project or upstream.projects.known(state),
        lease.location,
        "" if state.without_quota_project else credential.quota_project,
        is_key=isinstance(credential.grant, StaticKey),
    )


async def _refused(
    context: RelayContext,
    upstream: Upstream,
    state: AccountState,
    token: Secret,
    exchange: Exchange,
    response: ResponseHead,
) -> AttemptFailed:
    """Reads an answer that is not 200 and judges it."""
    try:
        body = await exchange.read(MAX_ERROR_BODY)
    except ExchangeError:
        exchange.abort()
        body = b""
    said = upstream.wire.read_failure(
        body,
        context.epoch(),
        http_status=response.code,
        date=response.field(b"date"),
        retry_after=response.field(b"retry-after"),
    )
    return judged(upstream, state, token, said)


def judged(upstream: Upstream, state: AccountState, token: Secret, said: Failure) -> AttemptFailed:
    """The verdict on upstream's refusal; a refused token is not used again."""
    verdict = upstream.wire.judge(said)
    if said.reason and upstream.reasons and said.reason not in upstream.reasons:
        upstream.drift.saw("reason", said.reason)
    if verdict.with_key is not None and isinstance(state.grant, StaticKey):
        verdict = verdict.with_key
    if verdict.step is Step.REFRESH and not upstream.tokens.expire(state, token):
        verdict = upstream.wire.verdict(Cause.TOKEN_REFUSED)
    return AttemptFailed(verdict, said)


#: what ends an answer before its end
BREAKS = (UpstreamErrorEvent, NoticeSent, ModelFailed, EventTooLargeError, ExchangeError)


def broken(
    context: RelayContext,
    upstream: Upstream,
    state: AccountState,
    token: Secret,
    exchange: Exchange,
    reader: AnswerReader,
    why: Exception,
) -> AttemptFailed | None:
    """The failure that one of BREAKS is; None where what is missing is not the answer's."""
    if isinstance(why, UpstreamErrorEvent):
        return judged(upstream, state, token, upstream.wire.read_failure(why.body, context.epoch()))
    if isinstance(why, NoticeSent):
        return _failed(upstream, why.cause)
    if isinstance(why, ModelFailed):
        log.info("the model failed: {reason}", reason=why.reason[:64])
        log.debug("it said: {words}", words=why.words[:MAX_SHOWN])
        return _failed(upstream, Cause.MODEL_FAILED)
    exchange.abort()
    if reader.finished:
        return None
    if isinstance(why, Silent):
        return _failed(upstream, Cause.SILENT)
    return _failed(upstream, Cause.CUT_OFF if reader.has_candidate else Cause.BROKEN)


def not_an_answer(upstream: Upstream, reader: AnswerReader) -> AttemptFailed:
    """The failure of an answer whose body ended in order, but which was none."""
    return _failed(upstream, Cause.CUT_OFF if reader.has_candidate else Cause.EMPTY)


def _failed(upstream: Upstream, cause: Cause) -> AttemptFailed:
    return AttemptFailed(upstream.wire.verdict(cause))


def _no_way_out(upstream: Upstream) -> AttemptFailed:
    """As for an upstream that can't be reached, but by its own name, and no base URL's fault."""
    verdict = structs.replace(
        upstream.wire.verdict(Cause.UNREACHABLE),
        cause=Cause.NO_WAY_OUT,
        about_host=False,
        operator_words="the egress proxy gave no way to upstream",
        client_words="The upstream service could not be reached: the egress proxy gives no way to it.",
    )
    return AttemptFailed(verdict)
