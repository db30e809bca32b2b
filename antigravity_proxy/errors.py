"""The tree of errors that clients get. Imports nothing; dialects only render these.

The code that raises one has decided what it means; no code below ever reads the message to find out. The statuses
are the "client" column of upstream.md 6.3 and the table of translation.md 10.
"""

from __future__ import annotations


class ProxyError(Exception):
    """Base: an error with an HTTP status, a stable machine code and a sentence for the caller.

    ``param`` names the request field that is wrong (``messages[2].content``). ``retry_after`` is in whole seconds,
    at least 1, and becomes the ``Retry-After`` header. ``upstream_status`` is upstream's own name of the status
    (``FAILED_PRECONDITION``), which the Gemini dialect passes on. ``shows_code``: the code is shown in every dialect,
    in Anthropic's at the message's end, in Gemini's as an ``ErrorInfo``.
    """

    status = 500
    code = "internal_error"
    shows_code = False

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after: int | None = None,
        upstream_status: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after
        self.upstream_status = upstream_status


class BadRequest(ProxyError):
    """The request can't be served: every account would give the same answer."""

    status = 400
    code = "bad_request"


class ContextOverflow(BadRequest):
    """The prompt is longer than the model's context; agents compact on this (upstream.md 6.3 row 19)."""

    code = "context_length_exceeded"


class PreviousResponseNotFound(BadRequest):
    """The response that a request goes on with is not kept (any more), or is another key's."""

    code = "previous_response_not_found"


class UpstreamRefusesRequest(BadRequest):
    """Upstream refuses this request's text, with every account and whatever quota is left (upstream.md 6.4)."""

    code = "upstream_refuses_request"
    shows_code = True


class ModerationBlocked(BadRequest):
    """Upstream's safety filters blocked every image (translation.md 6)."""

    code = "moderation_blocked"


class Unauthorized(ProxyError):
    """The client's own key is missing or wrong."""

    status = 401
    code = "invalid_api_key"


class Forbidden(ProxyError):
    """Not allowed here: a writing call in read-only mode, or every account is refused."""

    status = 403
    code = "permission_denied"


class NotFound(ProxyError):
    """No such path."""

    status = 404
    code = "not_found"


class ModelNotFound(NotFound):
    """No such model."""

    code = "model_not_found"


class MethodNotAllowed(ProxyError):
    """The path exists, the method doesn't; ``allow`` lists those that do."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, message: str, *, allow: tuple[str, ...]) -> None:
        super().__init__(message)
        self.allow = allow


class RequestTimeout(ProxyError):
    """The client did not send its request in time."""

    status = 408
    code = "request_timeout"


class BodyTooLarge(ProxyError):
    """The request body is over the limit."""

    status = 413
    code = "body_too_large"


class UriTooLong(ProxyError):
    """The request's first line is over the limit."""

    status = 414
    code = "uri_too_long"


class UnsupportedEncoding(ProxyError):
    """The request body is compressed."""

    status = 415
    code = "unsupported_encoding"


class HeadTooLarge(ProxyError):
    """The request's headers are over the limit."""

    status = 431
    code = "head_too_large"


class RateLimited(ProxyError):
    """Every usable account is cooling down; ``retry_after`` says when the first is free."""

    status = 429
    code = "rate_limited"


class ClientLimited(ProxyError):
    """The client's own key is at one of its limits; ``retry_after`` says when to come again."""

    status = 429
    code = "client_limited"


class UpstreamFailed(ProxyError):
    """Upstream failed inside (its own 500)."""

    code = "upstream_failed"


class UpstreamBroken(ProxyError):
    """Upstream could not be reached, or broke off, or sent an invalid answer."""

    status = 502
    code = "upstream_broken"


class UpstreamOverloaded(ProxyError):
    """Upstream says it is overloaded or failing (Anthropic's dialect says 529)."""

    status = 503
    code = "upstream_overloaded"


class Unavailable(ProxyError):
    """This proxy itself can't serve now: no usable account, draining, shedding load."""

    status = 503
    code = "unavailable"


class UpstreamRefusesClient(Unavailable):
    """Upstream refuses this program, whichever account asks (upstream.md 6.4)."""

    code = "upstream_refuses_client"
    shows_code = True


class UpstreamTimeout(ProxyError):
    """Upstream was silent for too long."""

    status = 504
    code = "upstream_timeout"


class InternalError(ProxyError):
    """A fault of this proxy; the log has the traceback, the caller never does."""
