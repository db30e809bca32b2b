"""The daemon's present condition, for health pages and warnings; it only reads what is in memory."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.tokens import TokenKeeper
from antigravity_proxy.canonical.credential import ACCOUNTS
from antigravity_proxy.canonical.model_table import ModelTable
from antigravity_proxy.credentials.file import Found
from antigravity_proxy.daemon.in_force import InForce
from antigravity_proxy.daemon.official import Official
from antigravity_proxy.followed import FollowedFile
from antigravity_proxy.relay.upstream import Upstream
from antigravity_proxy.replicas.store import Replicas, Sharing
from antigravity_proxy.settings import limits
from antigravity_proxy.startup import epoch
from antigravity_proxy.state.store import StateStore
from antigravity_proxy.telemetry.drift import Seen
from antigravity_proxy.upstream.egress import Egresses
from antigravity_proxy.volume.reader import VolumeState
from antigravity_proxy.volume.service import VolumeService
from antigravity_proxy.volume.threads import HANGS
from antigravity_proxy.web.client_keys_file import ClientKeysFile
from antigravity_proxy.web.gate import ApiGate
from antigravity_proxy.web.health import NO_VOLUME, Condition
from antigravity_proxy.web.health import Volume as VolumeHealth
from antigravity_proxy.web.warnings import Surroundings, warnings

log = Logger()

#: seconds for which a warning names a proxy of an account's own that failed: no one may try it again
OWN_EGRESS_FAILED = 600.0


class Health:
    """Looks at the daemon's parts. ``writable``: whether the data directory is; ``draining`` is set by who ends it."""

    def __init__(
        self,
        clock: IReactorTime,
        in_force: InForce,
        volume: VolumeService,
        pool: Pool,
        tokens: TokenKeeper,
        egresses: Egresses,
        gate: ApiGate,
        replicas: Replicas | None,
        client_keys: ClientKeysFile | None,
        remembered: StateStore,
        official: Official,
        credentials: FollowedFile[Found] | None,
        models: FollowedFile[ModelTable] | None,
        upstream: Upstream,
        *,
        writable: bool,
    ) -> None:
        self._clock = clock
        self._in_force = in_force
        self._volume = volume
        self._pool = pool
        self._tokens = tokens
        self._egresses = egresses
        self._gate = gate
        self._replicas = replicas
        self._client_keys = client_keys
        self._remembered = remembered
        self._official = official
        self._credentials = credentials
        self._models = models
        self._refusals = upstream.refusals
        self._drift = upstream.drift
        self._upstream = upstream
        self._writable = writable
        self._told: frozenset[str] = frozenset()
        self.draining = False

    def now(self) -> Condition:
        """The condition at this moment."""
        state = self._in_force.state
        sharing = self._sharing()
        usable_credentials = sum(each.pool.usable() for each in self._official.upstreams.values())
        return Condition(
            epoch=epoch(),
            database=self._database(state),
            ever_read=state.read_at is not None,
            accounts=len(state.accounts),
            usable=self._pool.usable() + usable_credentials,
            read_only=self._in_force.settings.read_only or not self._writable,
            draining=self.draining,
            volume=self._volume_health(state),
            apart="" if sharing is None else sharing.trouble,
            replicas=None if sharing is None else sharing.replicas,
            warnings=self.warnings(),
            credentials=self._official.counts(),
            usable_credentials=usable_credentials,
            resting=bool(self._pool.terms_rest),
        )

    def warnings(self) -> tuple[str, ...]:
        """Everything that an operator should know now."""
        sharing = self._sharing()
        around = Surroundings(
            keys_closed=self._gate.keys.closed,
            client_keys="" if self._client_keys is None else self._client_keys.trouble,
            misconfigured=self._tokens.misconfigured,
            apart="" if sharing is None else sharing.trouble,
            writable=self._writable,
            state=self._remembered.trouble,
            exposed=self._remembered.exposed,
            tally=self._pool.tally(),
            resting=bool(self._pool.terms_rest),
            refused_since=self._refused_since(),
            drift=self._unknown(),
            unanswered=self._unanswered(),
            egress=self._egresses.trouble(),
            own_egress=self._egresses.own_troubles(self._clock.seconds() - OWN_EGRESS_FAILED),
            credentials="" if self._credentials is None else self._credentials.trouble,
            models="" if self._models is None else self._models.trouble,
            notes=self._official.found.notes + self._official.warnings(),
            no_volume=self._official.replace_the_volume,
        )
        return warnings(self._in_force.settings, self._in_force.state, around)

    def _unanswered(self) -> tuple[str, ...]:
        """The upstreams whose every host failed a moment ago."""
        now = self._clock.seconds()
        every = {ACCOUNTS: self._upstream, **self._official.upstreams}
        return tuple(name for name, upstream in every.items() if upstream.bases.trouble(now))

    def _unknown(self) -> tuple[Seen, ...]:
        """What upstream sent that is not known; a model that an operator's file has added since is."""
        known = self._in_force.models.accounts
        return tuple(each for each in self._drift.all() if each.kind != "model" or each.name not in known)

    def _refused_since(self) -> float:
        now = self._clock.seconds()
        return epoch() - now + self._refusals.client_since if self._refusals.refuses_client(now) else 0.0

    def tell(self) -> None:
        """Logs the warnings that are new since the last call."""
        found = self.warnings()
        for warning in found:
            if warning not in self._told:
                log.warn("{warning}", warning=warning)
        self._told = frozenset(found)

    def _sharing(self) -> Sharing | None:
        return None if self._replicas is None else self._replicas.sharing

    def _database(self, state: VolumeState) -> str:
        """``connected``, or why the volume can't be read at the moment."""
        if self._official.replace_the_volume:
            return NO_VOLUME
        busy_since = self._volume.busy_since
        if state.error:
            return state.error
        if busy_since is not None and self._clock.seconds() - busy_since > limits.SLOW_READ:
            return HANGS
        return "connected" if state.read_at is not None else "not read yet"

    def _volume_health(self, state: VolumeState) -> VolumeHealth:
        seen_at = self._volume.seen_at
        return VolumeHealth(
            age=None if seen_at is None else round(self._clock.seconds() - seen_at, 1),
            open=len(state.accounts) - state.unconfirmed - state.kept,
            sealed=state.sealed_rows,
            broken=len(state.problems) - state.sealed_rows,
            leaving=state.unconfirmed,
            kept=state.kept,
            paused=state.paused,
        )
