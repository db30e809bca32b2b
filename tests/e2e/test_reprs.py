"""What one sees of the parts of a request under way: how each is, and no secret."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

from support.deferreds import deferred, until
from support.proxies import proxy
from support.stack import KEY, stack
from twisted.internet.defer import Deferred

from antigravity_proxy.accounts.lease import Lease
from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.daemon.in_force import InForce
from antigravity_proxy.simulator.faults import Fault
from antigravity_proxy.upstream.connection import Connection
from antigravity_proxy.upstream.connections import Connections
from antigravity_proxy.upstream.exchange import Exchange
from antigravity_proxy.upstream.tunnel import ProxyHealth
from antigravity_proxy.web.channel import GuardedChannel
from antigravity_proxy.web.client import HttpClient
from antigravity_proxy.web.edge import GuardedRequest
from antigravity_proxy.web.heads import KnownHead

KINDS: tuple[type[Any], ...] = (
    AccountState,
    Connection,
    Connections,
    Exchange,
    GuardedChannel,
    GuardedRequest,
    HttpClient,
    InForce,
    KnownHead,
    Lease,
    Pool,
    ProxyHealth,
)
SECRETS = (KEY, "ya29", "1//", "example.com", "p:ss", "p%3Ass", "a question", "a-project")


@deferred()
async def test_the_parts_of_a_request_under_way_show_their_state_and_no_secret(tmp_path: Path) -> None:
    async with proxy("http") as way, stack(tmp_path, accounts=0, UPSTREAM_PROXY_URL=way.url) as running:
        running.volume.add(0, project_id="a-project")
        await until(lambda: len(running.daemon.pool.states) == 1)
        running.simulator.script(Fault(pause=1.5))
        asking = Deferred.fromCoroutine(running.chat(text="a question"))
        await until(lambda: running.daemon.pool.counters.held == 1 and bool(running.simulator.requests))
        daemon = running.daemon
        egress = daemon.account_services.egresses.default()
        lasting = [daemon.pool, daemon.in_force, egress._connections, egress.endpoints.proxy_health]
        passing = [each for each in gc.get_objects() if type(each) in KINDS]
        found = {kind: [each for each in (*lasting, *passing) if type(each) is kind] for kind in KINDS}
        for kind, objects in found.items():
            assert objects, kind
            for each in objects:
                shown = repr(each)
                assert shown.startswith(f"<{kind.__name__}")
                assert " at 0x" not in shown
                assert len(shown) < 300
                assert not [secret for secret in SECRETS if secret in shown], shown
        del found, objects, each, passing, lasting
        await asking
