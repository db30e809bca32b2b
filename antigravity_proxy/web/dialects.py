"""Which dialect's functions serve which route: the one place where routes and dialects meet."""

from __future__ import annotations

from collections.abc import Callable

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.models import Catalogue
from antigravity_proxy.dialect.anthropic import errors as anthropic_errors
from antigravity_proxy.dialect.anthropic import models as anthropic_models
from antigravity_proxy.dialect.base import Decoded, Rendered, RenderError
from antigravity_proxy.dialect.gemini import answer as gemini_answer
from antigravity_proxy.dialect.gemini import errors as gemini_errors
from antigravity_proxy.dialect.gemini import models as gemini_models
from antigravity_proxy.dialect.gemini import request as gemini_request
from antigravity_proxy.dialect.openai import chat_request
from antigravity_proxy.dialect.openai import errors as openai_errors
from antigravity_proxy.dialect.openai import models as openai_models
from antigravity_proxy.errors import ProxyError
from antigravity_proxy.web.edge import GuardedRequest
from antigravity_proxy.web.routes import DialectName, Operation, Route

_ERRORS: dict[DialectName, RenderError] = {
    "openai": openai_errors.render,
    "anthropic": anthropic_errors.render,
    "gemini": gemini_errors.render,
}


def render_error(route: Route, error: ProxyError, request_id: str) -> Rendered:
    """The error in the route's dialect."""
    return _ERRORS[route.dialect](error, request_id)
