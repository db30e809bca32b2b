"""Simulates a whole farm, event by event: what goes wrong between replicas, and what its Redis has to bear.

    python benchmarks/simulate_farm.py [--replicas 100] [--accounts 10000] [--requests 2000] [--seconds 120]

Every conversation, choice, limit, batch and delivery is one; what Redis and a replica take for each is what
``replicas.py`` measured. The same seed gives the same figures.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict

from antigravity_proxy.replicas.publisher import HASTE, leisure

#: Redis' CPU microseconds: a batch, a conversation or cooldown in it, its delivery to one replica, any other command
BATCH, ITEM, DELIVERY, COMMAND = 12.5, 1.25, 4.55, 1.6
#: Redis' bytes: a conversation, a cooldown, a token, a project
BYTES = {"conversations": 118, "cooldowns": 153, "tokens": 502, "projects": 235}
#: a replica's CPU microseconds for a conversation that another has begun, and for a message
HEARD, MESSAGE = 0.3, 25.0
#: seconds from a replica to Redis and on to another, on one network
NETWORK = 0.0015
#: requests of a conversation, the seconds between two of them, and those that upstream takes to answer or to refuse
TURNS, THINKING, ANSWER, REFUSAL = 10, 12.0, 4.0, 0.12
#: requests that an account may send in a minute, and the seconds of the limit that follows
ALLOWANCE, LIMIT = 20, 60.0
#: commands by replica and second beside all that: heartbeats; looks for work that one does for all
HEARTBEAT, CLAIMS = 8, 5


class Farm:
    """Replicas, accounts, and what each replica knows when."""

    def __init__(self, replicas: int, accounts: int, rng: random.Random) -> None:
        self.replicas = replicas
        self.rng = rng
        self.leisure = leisure(replicas)
        self.queue = list(range(accounts))  # whose turn it is, the same for all: as fair as each spreads its own
        self.sent: dict[int, list[float]] = defaultdict(list)
        #: account → when its limit was learnt, by whom, when all the others know, when it ends
        self.limits: dict[int, tuple[float, int, float, float]] = {}
        #: conversation → account, replica, when all the others know
        self.bound: dict[int, tuple[int, int, float]] = {}
        self.next_batch: dict[int, float] = {}
        self.requests = self.batches = self.items = self.refused = self.late = self.split = self.begun = 0
        self.exhausted = 0
        self.worst = 0.0

    def told(self, replica: int, now: float, *, urgent: bool) -> float:
        """When all the others know: what one replica learns gathers in one batch."""
        due = self.next_batch.get(replica, 0.0)
        if due <= now or (urgent and due > now + HASTE):
            self.batches += due <= now
            due = self.next_batch[replica] = now + (HASTE if urgent else self.leisure)
        self.items += 1
        return due + NETWORK * (1 + self.rng.random())

    def cools(self, account: int, replica: int, now: float) -> bool:
        """Whether this replica knows that the account is limited."""
        limit = self.limits.get(account)
        if limit is None or now >= limit[3]:
            return False
        learnt, by, known, _ = limit
        return now >= (learnt if by == replica else known)

    def request(self, conversation: int, now: float) -> None:
        """One request of a conversation, at any replica; goes on to another account when it is refused."""
        replica = self.rng.randrange(self.replicas)
        self.requests += 1
        binding = self.bound.get(conversation)
        self.begun += binding is None
        account = None
        if binding is not None:
            if binding[1] != replica and now < binding[2]:
                self.split += 1  # this replica has not heard of it yet
            elif not self.cools(binding[0], replica, now):
                account = binding[0]
        for _ in range(10):
            if account is None:
                account = self.choose(replica, now)
                if account is None:
                    self.exhausted += 1
                    return
                self.bound[conversation] = (account, replica, self.told(replica, now, urgent=False))
            if self.accepted(account, replica, now):
                return
            now += REFUSAL
            account = None

    def choose(self, replica: int, now: float) -> int | None:
        """The account that has waited longest and can serve, as far as this replica knows."""
        for _ in range(50):
            place = self.rng.randrange(len(self.queue))
            account = self.queue[place]
            if not self.cools(account, replica, now):
                return account
        return None

    def accepted(self, account: int, replica: int, now: float) -> bool:
        """Whether upstream takes the request; if not, the replica learns of the limit."""
        limit = self.limits.get(account)
        if limit is not None and now < limit[3]:
            self.refused += 1
            if now > limit[0]:  # somebody knew
                self.late += 1
                self.worst = max(self.worst, now - limit[0])
            return False
        recent = self.sent[account] = [at for at in self.sent[account] if at > now - 60.0]
        recent.append(now)
        if len(recent) <= ALLOWANCE:
            return True
        self.refused += 1
        learnt = now + REFUSAL
        self.limits[account] = (learnt, replica, self.told(replica, learnt, urgent=True), now + LIMIT)
        return False


def run(replicas: int, accounts: int, per_second: float, seconds: float, seed: int) -> Farm:
    """Requests for so many seconds, after a minute in which conversations begin."""
    rng = random.Random(seed)
    farm = Farm(replicas, accounts, rng)
    warm, length = 60.0, TURNS * (THINKING + ANSWER)
    events: list[tuple[float, int]] = []
    conversation, start = 0, -length
    while start < warm + seconds:
        start += rng.expovariate(per_second / TURNS)
        conversation += 1
        at = start
        for _ in range(max(1, round(rng.expovariate(1 / TURNS)))):
            events.append((at, conversation))
            at += ANSWER + rng.expovariate(1 / THINKING)
    counted = False
    for at, which in sorted(events):
        if at > warm + seconds:
            break
        if at > warm and not counted:
            counted = True
            for name in ("requests", "batches", "items", "refused", "late", "split", "begun", "exhausted"):
                setattr(farm, name, 0)
            farm.worst = 0.0
        farm.request(which, at)
    return farm


def main() -> None:
    """Simulates and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name, default, told in (
        ("replicas", 100, "replicas"),
        ("accounts", 10_000, "accounts"),
        ("requests", 2_000, "requests a second, of all replicas"),
        ("seconds", 120, "seconds that are simulated"),
        ("seed", 1, "of the random numbers"),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{told} (%(default)s)")
    given = parser.parse_args()
    farm = run(given.replicas, given.accounts, given.requests, given.seconds, given.seed)
    batches, items = farm.batches / given.seconds, farm.items / given.seconds
    renewals = given.accounts / 3300
    told = batches + renewals
    deliveries = told * given.replicas
    commands = given.replicas * (HEARTBEAT + CLAIMS + 3 * min(renewals, 5))
    cpu = (told * BATCH + items * ITEM + deliveries * DELIVERY + commands * COMMAND) / 1e6
    own = (told * MESSAGE + items * HEARD) / 1e6
    size = farm.begun / given.seconds * 7200 * BYTES["conversations"] + given.accounts * (
        BYTES["tokens"] + BYTES["projects"]
    )
    size += len(farm.limits) * BYTES["cooldowns"]
    share = 100 / max(farm.requests, 1)
    print(
        f"{given.replicas} replicas, {given.accounts} accounts, {farm.requests / given.seconds:.0f} requests a second"
    )
    print(f"  refused by upstream for a limit: {farm.refused * share:.3f} % of requests")
    print(f"  … though another replica knew: {farm.late * share:.4f} %, at worst {1000 * farm.worst:.0f} ms later")
    print(f"  conversations continued before the news of them: {farm.split * share:.4f} % of requests")
    print(f"  no account found: {farm.exhausted * share:.3f} %")
    print(f"  Redis: {told:.0f} batches, {deliveries:.0f} deliveries, {commands:.0f} other commands a second")
    print(f"  Redis: {100 * cpu:.0f} % of a core, {size / 1e6:.0f} MB")
    print(f"  each replica, for what the others tell: {100 * own:.1f} % of a core")


if __name__ == "__main__":
    main()
