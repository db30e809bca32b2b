"""The daemon's observers: log, ledger, metrics, the event loop's watch. Built before the parts that they observe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.application.service import MultiService
from twisted.logger import ILogObserver

from antigravity_proxy import logs
from antigravity_proxy.canonical.credential import ACCOUNTS
from antigravity_proxy.daemon import gauges
from antigravity_proxy.daemon.health import Health
from antigravity_proxy.daemon.in_force import InForce
from antigravity_proxy.daemon.process import hex_digits
from antigravity_proxy.daemon.webhook import Webhook
from antigravity_proxy.logs import Output
from antigravity_proxy.relay.upstream import Upstream
from antigravity_proxy.replicas.store import Replicas
from antigravity_proxy.settings.resolve import SettingsError
from antigravity_proxy.settings.table import Settings
from antigravity_proxy.startup import epoch
from antigravity_proxy.state.store import StateStore
from antigravity_proxy.telemetry.access import AccessLog
from antigravity_proxy.telemetry.loop import LoopWatch
from antigravity_proxy.telemetry.metrics import Metrics
from antigravity_proxy.telemetry.record import Ledger
from antigravity_proxy.upstream.egress import Egresses
from antigravity_proxy.volume.service import VolumeService
from antigravity_proxy.web.site import GuardedSite


class Observability(MultiService):
    """The observers. Raises SettingsError for a log file that can't be written, or traces that can't be made."""

    def __init__(self, reactor: Any, settings: Settings) -> None:
        super().__init__()
        self._reactor = reactor
        self._settings = settings
        self.output = _output(settings)
        self.ledger = Ledger(reactor.seconds, epoch)
        self.metrics = Metrics()
        self.loop = LoopWatch(reactor, self.metrics.lag.observe)
        self._access = AccessLog(
            self.output, settings.log_format, epoch, detailed=settings.log_level == "debug", clock=reactor
        )
        if settings.log_level in ("debug", "info"):
            self.ledger.observe(self._access)
        self.metrics.settle = self.ledger.observe_later(self.metrics)
        self.loop.setServiceParent(self)
        if settings.otlp_endpoint is not None:
            self._trace(settings.otlp_endpoint)

    def _trace(self, endpoint: str) -> None:
        try:
            from antigravity_proxy.telemetry import tracing
        except ImportError:
            raise SettingsError(
                "OTEL_EXPORTER_OTLP_ENDPOINT: traces need more packages: pip install 'antigravity-proxy[otel]'"
            ) from None
        traces = tracing.exporting(self._reactor, epoch, hex_digits, endpoint)
        traces.setServiceParent(self)
        self.ledger.new_trace = traces.new_trace
        self.ledger.observe(traces)

    def stopService(self) -> Any:
        """Stops them all; no line of the log is left waiting."""
        self._access.stop()
        return super().stopService()

    def log_observer(self) -> ILogObserver:
        """The writer of log events."""
        return logs.observer(self.output, self._settings.log_level, self._settings.log_format)

    def watch(
        self,
        site: GuardedSite[Any],
        upstreams: Mapping[str, Upstream],
        egresses: Egresses,
        volume: VolumeService,
        in_force: InForce,
        replicas: Replicas | None,
        health: Health,
        remembered: StateStore,
        webhook: Webhook | None,
    ) -> None:
        """Adds these to the metrics from now on."""
        every = tuple(upstreams.values())
        pools = {name: upstream.pool for name, upstream in upstreams.items()}
        official = {name: pool for name, pool in pools.items() if name != ACCOUNTS}
        self.metrics.watch(
            (
                *gauges.of_traffic(self.ledger, site, self._access, self.loop),
                *gauges.of_pools(pools),
                *gauges.of_credentials(official),
                *gauges.of_windows(pools[ACCOUNTS]),
                *gauges.of_remembered(remembered, webhook),
                *gauges.of_repairs(self._reactor, [each.repairs for each in every]),
                *gauges.of_drift(upstreams[ACCOUNTS].drift),
                *gauges.of_egresses(self._reactor, egresses),
                *gauges.of_volume(self._reactor, volume, lambda: in_force.state),
                *gauges.of_replicas(replicas),
                *gauges.of_health(self._reactor, health),
            )
        )


def _output(settings: Settings) -> Output:
    try:
        return Output(settings.log_file)
    except OSError as e:
        raise SettingsError(f"LOG_FILE: {settings.log_file} can't be written: {e.strerror}") from None
