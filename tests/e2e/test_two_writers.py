"""The whole daemon and a desktop app that write into one volume at the same time: nobody loses, nobody waits in vain.

A few seconds of it; ``make hammer`` lets them go on for a minute.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from support.admin import Site, site
from support.browser import Browser
from support.deferreds import deferred, in_thread, wait
from support.stack import KEY
from support.volumes import reader_of

SECONDS = float(os.environ.get("WRITERS_SECONDS", "2"))

#: as the desktop app writes: a connection for each change, busy time-out of three seconds, one statement, closed again
APP = """
import itertools, json, sqlite3, sys, time
path, counted, busy, seconds = sys.argv[1:]
end, done = time.monotonic() + float(seconds), {"used": 0, "settings": 0, "added": 0, "removed": 0}
def change(words, *values):
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA busy_timeout=3000")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(words, values)
    db.close()
for number in itertools.count():
    if time.monotonic() > end:
        break
    change("UPDATE accounts SET last_used = last_used + 1 WHERE id = ?", counted)
    done["used"] += 1
    change("UPDATE accounts SET status = 'active', last_used = ? WHERE id = ?", number, busy)
    change("INSERT INTO settings VALUES (?, '1')", f"app.{number}")
    done["settings"] += 1
    if number % 10 == 5:
        change("INSERT INTO accounts SELECT 'app-' || ?, provider, ? || '@app.example', name, avatar_url, token_json,"
               " quota_json, NULL, NULL, 1, 1, 'active', NULL, 0, NULL FROM accounts WHERE id = ?",
               number, number, counted)
        done["added"] += 1
    if number % 20 == 19:
        change("DELETE FROM accounts WHERE id = 'app-' || ?", number - 14)
        done["removed"] += 1
print(json.dumps(done))
"""


async def pause(here: Site, identity: str, action: str) -> int:
    """The status of the daemon's answer to a change."""
    body = f'{{"action": "{action}", "account": "{identity}"}}'.encode()
    sent = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
    answer = await in_thread(Browser().request, "POST", here.url + "/accounts", body, sent)
    return int(answer.status)


@deferred(SECONDS + 60)
async def test_daemon_and_app_write_at_the_same_time(tmp_path: Path, lines: list[str]) -> None:
    async with site(tmp_path, ACCOUNTS="3") as here:
        counted, busy, paused = (f"00000000-0000-4000-8000-{number:012}" for number in range(3))
        database, daemon = here.directory / "cloud_accounts.db", here.stack.daemon
        here.stack.volume.add(1, expires_at=1000)  # an older token than any that the daemon is given
        with closing(sqlite3.connect(database)) as db, db:
            db.execute("UPDATE accounts SET last_used = 0")
        app = subprocess.Popen(
            [sys.executable, "-c", APP, str(database), counted, busy, str(SECONDS)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        done: Counter[str] = Counter()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end or done["rounds"] < 4:
            done["rounds"] += 1
            done[f"paused {await pause(here, paused, 'pause' if done['rounds'] % 2 else 'resume')}"] += 1
            state = next(state for state in daemon.pool.states if state.credential.id == busy)
            await daemon.account_services.tokens.renew(state)
            if done["rounds"] % 4 == 0:
                here.simulator.person = {"email": f"{done['rounds']}@example.com", "name": "N", "verified_email": True}
                page = await here.get(await here.consented())
                done[f"signed in {page.status}"] += 1
        out, err = await in_thread(app.communicate)
        assert (app.returncode, err) == (0, "")
        app_did: dict[str, Any] = json.loads(out)
        last = "pause" if done["rounds"] % 2 == 0 else "resume"
        assert await pause(here, paused, last) == 200
        await wait(1.1)  # the token's expiry is in whole seconds, and a later one alone is written
        await daemon.account_services.tokens.renew(state)
        renewed = state.access_token
        await pause(here, counted, "resume")  # stands in line behind that
        signed_in = done["signed in 200"]
    print(f"app: {app_did}; daemon: {dict(done)}")
    assert {key: value for key, value in done.items() if key[-3:].isdigit() and not key.endswith("200")} == {}
    assert signed_in == done["rounds"] // 4
    with closing(sqlite3.connect(database)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT last_used FROM accounts WHERE id = ?", (counted,)).fetchone() == (app_did["used"],)
        assert db.execute("SELECT count(*) FROM settings WHERE key LIKE 'app.%'").fetchone() == (app_did["settings"],)
    read = reader_of(here.directory).read()
    assert len(read.accounts) == 3 + signed_in + app_did["added"] - app_did["removed"]
    assert {account.id for account in read.accounts if account.paused} == ({paused} if last == "pause" else set())
    assert next(account.access_token for account in read.accounts if account.id == busy) == renewed
    assert not [line for line in lines if "locked" in line or "stays in memory" in line or "can't be written" in line]
