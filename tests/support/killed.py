"""A kill of the process, as what lasts sees it."""

from __future__ import annotations

from antigravity_proxy.state.store import StateStore


def kill(store: StateStore) -> None:
    """Ends a store as a kill does: nothing more is written, and the system takes the lock."""
    database = store._database
    assert database is not None
    database.close()
    if store._call is not None:
        store._call.cancel()
    store._thread.stop(1.0)
