"""Applies a new state of the volume: the pool, the model names, the rules, the keys. All of it at once."""

from __future__ import annotations

from functools import partial

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.admin.service import Admin
from antigravity_proxy.daemon.in_force import InForce
from antigravity_proxy.daemon.official import Official
from antigravity_proxy.replicas.store import Replicas, sealing_key
from antigravity_proxy.settings.table import Settings
from antigravity_proxy.upstream.egress import Egresses
from antigravity_proxy.volume.reader import VolumeState
from antigravity_proxy.web.client_keys import ClientKey
from antigravity_proxy.web.gate import ApiGate
from antigravity_proxy.web.key_policy import KeyPolicy

log = Logger()

#: account rows that can't be used, logged for one read at most
_PROBLEMS_TOLD = 20
#: what the app is known to write (credential-volume.md 1.6)
_STATUSES = frozenset({"active", "rate_limited", "expired"})


class VolumeApplier:
    """Takes each state of the volume into effect."""

    def __init__(
        self,
        in_force: InForce,
        keys: KeyPolicy,
        pool: Pool,
        egresses: Egresses,
        gate: ApiGate,
        admin: Admin,
        replicas: Replicas | None,
        official: Official,
    ) -> None:
        self._in_force = in_force
        self._keys = keys
        self._pool = pool
        self._egresses = egresses
        self._gate = gate
        self._admin = admin
        self._replicas = replicas
        self._official = official
        self._odd_statuses: set[str] = set()

    def take(self, state: VolumeState) -> Deferred[None]:
        """This state is in effect from now on; its accounts when the Deferred fires, which never fails."""
        in_force, before = self._in_force, self._in_force.state
        is_configured_anew = in_force.take(state)
        if self._replicas is not None:
            self._replicas.use_key(sealing_key(state, in_force.settings))
        updating = self._pool.update(state.accounts)
        self._official.route()
        if is_configured_anew:
            self.use(in_force.settings)
        else:
            self._use_keys()
        if not state.error:
            updating.addCallback(self._tell_of_accounts, state, before)
        elif state.error != before.error and not self._official.replace_the_volume:
            log.error("the volume can't be read: {reason}", reason=f"{state.error} (data directory: {state.where})")
        return updating.addErrback(partial(log.failure, "the volume's accounts could not be applied"))

    def take_clients(self, keys: tuple[ClientKey, ...]) -> None:
        """These are the clients' own keys from now on."""
        self._keys.clients = keys
        self._use_keys()

    def use(self, settings: Settings) -> None:
        """These settings are in force now: keys, rules, egress proxy. A key in force stays where they leave none."""
        before, self._keys = self._keys, KeyPolicy.of(settings)
        self._keys.clients, self._keys.needs_config = before.clients, before.needs_config
        self._pool.rules = Rules.of(settings)
        self._official.use(self._pool.rules)
        self._egresses.redirect(settings.upstream_proxy)
        self._use_keys()

    def _use_keys(self) -> None:
        ring = self._keys.decide(self._in_force.state.config, absent=self._in_force.state.config_absent)
        if ring is not None:
            self._gate.keys = ring
            self._admin.use(ring)

    def _tell_of_accounts(self, _: None, state: VolumeState, before: VolumeState) -> None:
        log.info(
            "the volume has {count} accounts, {usable} usable", count=len(state.accounts), usable=self._pool.usable()
        )
        known = set(before.problems)
        new = [problem for problem in state.problems if problem not in known]
        served = {account.id for account in state.accounts} if state.kept else frozenset()
        for problem in new[:_PROBLEMS_TOLD]:
            what = "stays in use with the sign-in that it had" if problem.id in served else "can't be used"
            log.warn("account {account} {what}: {reason}", account=problem.id, what=what, reason=problem.reason)
        if len(new) > _PROBLEMS_TOLD:
            words = "{count} further accounts can't be used; 'antigravity-proxy accounts list' shows why"
            log.warn(words, count=len(new) - _PROBLEMS_TOLD)
        for status in sorted({account.status for account in state.accounts} - _STATUSES - self._odd_statuses):
            self._odd_statuses.add(status)
            log.warn("accounts with the unknown status {status!r} are used like active ones", status=status)
