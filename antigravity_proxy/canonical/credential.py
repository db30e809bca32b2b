"""A member of a pool, whatever its source: a row of the volume, or a line of a file. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from msgspec import Struct

from antigravity_proxy.canonical.grant import Grant
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.parse import UPSTREAMS

#: the statuses by which the desktop app marks an account that has to sign in again, and one that it has found limited
#: (credential-volume.md 1.6)
EXPIRED, RATE_LIMITED = "expired", "rate_limited"

#: the tier whose prompts Google uses (official-upstreams.md 1)
FREE = "free"

#: the upstreams by the names that users give them
ACCOUNTS, GEMINI, VERTEX = UPSTREAMS
#: the kinds of official credentials, and the upstream of each (official-upstreams.md 2.2)
KINDS = {
    "gemini-key": GEMINI,
    "vertex-key": VERTEX,
    "vertex-service-account": VERTEX,
    "vertex-adc": VERTEX,
    "vertex-metadata": VERTEX,
}


# gc=False: none of these holds cycles, and of 100,000 the collector would hold up every thread
class Credential(Struct, frozen=True, gc=False, kw_only=True):
    """A credential for requests. ``id`` is opaque and may be logged; ``label`` and ``name`` may not.

    ``kind``: what it is: ``google`` for an account, else one of `KINDS`. ``group``: credentials of one group share
    their quotas; empty: it has its own. ``expires_at`` of the access token in epoch seconds, 0 where it is not known.
    ``egress`` is the URL of its own proxy, which may hold a password. ``quota`` by model id; None where the source
    knows none. ``models``: the upstream ids that it may be used for, with ``*`` for any text; empty: all; ``exclude``:
    those that it may not be used for. ``priority``: a lower one serves only where no higher can. ``max_requests`` at a
    time; 0: as many as the rules say. ``max_per_day``: requests of a UTC day, 0: any number. ``tier``: ``paid``,
    ``free``, or empty if not configured. ``locations`` of Vertex in the order in which they are tried,
    ``claude_locations`` where those for Claude differ. ``quota_project``: the project that is billed instead of its
    own. ``status`` is the source's own word for it, ``disabled`` says why it is never used, ``paused``: the proxy
    leaves it alone until somebody resumes it.
    """

    id: str
    kind: str
    label: Secret
    access_token: Secret
    expires_at: float
    grant: Grant
    name: Secret = Secret("")
    group: str = ""
    project: str | None = None
    egress: Secret | None = None
    quota: Mapping[str, ModelQuota] | None = None
    models: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    priority: int = 0
    max_requests: int = 0
    max_per_day: int = 0
    tier: str = ""
    locations: tuple[str, ...] = ()
    claude_locations: tuple[str, ...] = ()
    quota_project: str = ""
    status: str = "active"
    disabled: str = ""
    paused: bool = False

    def may_use(self, model: str) -> bool:
        """Whether it may be used for an upstream id."""
        if any(fnmatchcase(model, pattern) for pattern in self.exclude):
            return False
        return not self.models or any(fnmatchcase(model, pattern) for pattern in self.models)

    def locations_for(self, model: str) -> tuple[str, ...]:
        """Where a model is asked, in order; empty: its upstream has no locations."""
        return self.claude_locations if self.claude_locations and model.startswith("claude") else self.locations

    @property
    def upstream(self) -> str:
        """The name of the upstream that takes it."""
        return KINDS.get(self.kind, ACCOUNTS)

    @property
    def sign_in(self) -> tuple[object, ...]:
        """Its sign-in and its source's marks: what upstream's judgement of it depends on."""
        return (self.status, self.access_token, self.grant, self.expires_at, self.project, self.egress)
