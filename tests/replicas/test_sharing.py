"""What one replica learns, the others know, through a real Redis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from support.deferreds import deferred, until, wait
from support.judging import judge
from support.redis import RedisServer, needs_redis, redis_server
from support.replicas import Replica, Upstream, accounts, all_well, farm
from twisted.internet.defer import Deferred, gatherResults

from antigravity_proxy.accounts.replication import session_key
from antigravity_proxy.canonical.grant import RefreshRejected
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.canonical.verdict import Failure, Step
from antigravity_proxy.relay.projects import Projects
from antigravity_proxy.relay.refusals import Doubts, Refusals
from antigravity_proxy.secret import Secret
from antigravity_proxy.startup import epoch
from antigravity_proxy.state.store import StateStore

pytestmark = needs_redis

LIMITED = judge(Failure(429, reason="RATE_LIMIT_EXCEEDED", delay=30))
CANARIES = (b"ya29", b"1//", b"example.com", b"conversation", b"project-of", b"secret", b"U2lnbmVk")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def redis(server: RedisServer) -> RedisServer:
    server.ask("FLUSHALL")
    return server


@deferred()
async def test_a_cooldown_holds_for_all_within_a_tenth_of_a_second(redis: RedisServer) -> None:
    async with farm(redis.url) as make:
        one, two = make(), make()
        await all_well(one, two)
        began = one.reactor.seconds()
        one.pool.penalise(one.state("a"), "m", LIMITED)
        await until(lambda: bool(two.state("a").cooldowns))
        assert one.reactor.seconds() - began < 0.1
        ends = [replica.state("a").cooldowns["m"].until for replica in (one, two)]
        assert abs(ends[0] - ends[1]) < 0.05
        assert {two.serving() for _ in range(10)} == {"b", "c"}
        assert {two.serving(model="other") for _ in range(10)} == {"a", "b", "c"}


@deferred()
async def test_whoever_comes_later_knows_it_all_whatever_comes_first(redis: RedisServer) -> None:
    google = Upstream()
    async with farm(redis.url, google) as make:
        one = make(accounts("a", "b", "c", expires_at=0.0))
        await all_well(one)
        one.pool.penalise(one.state("a"), "m", LIMITED)
        one.pool.observed_quota("b", {"m": ModelQuota(0.5, None)})
        await one.tokens.renew(one.state("b"))
        serving = one.serving("conversation")
        await until(lambda: not len(one.shared.parts.state.outbox))
        await wait(0.05)
        late = make([])
        await all_well(late)
        late.pool.update(accounts("a", "b", "c", expires_at=0.0))
        await until(lambda: late.state("b").access_token == Secret("ya29.renewed-1"))
        assert late.state("a").cooldowns.keys() == {"m"}
        assert late.state("b").quota["m"].remaining == 0.5
        assert late.bound("conversation") == serving == "b"
        assert google.asked == ["b"]


@deferred()
async def test_a_conversation_keeps_its_account_wherever_it_lands(redis: RedisServer) -> None:
    async with farm(redis.url) as make:
        replicas = [make() for _ in range(4)]
        await all_well(*replicas)
        for number in range(20):
            first = replicas[number % 4].serving(f"conversation {number}")
            await until(lambda: all(each.bound(f"conversation {number}") == first for each in replicas))  # noqa: B023
        for number in range(20):
            assert len({each.serving(f"conversation {number}") for each in replicas}) == 1


@deferred()
async def test_when_two_bind_one_conversation_at_once_all_agree_in_the_end(redis: RedisServer) -> None:
    async with farm(redis.url) as make:
        replicas = [make() for _ in range(3)]
        await all_well(*replicas)
        key, now = session_key("conversation", "m"), replicas[0].reactor.seconds()
        for replica, name in zip(replicas, "abc", strict=True):
            replica.shared.bind(key, name, now)
        await wait(0.2)
        assert len({each.bound("conversation") for each in replicas}) == 1
        late = make()
        await all_well(late)
        assert late.bound("conversation") == replicas[0].bound("conversation")


@deferred()
async def test_twenty_callers_over_four_replicas_make_one_renewal(redis: RedisServer) -> None:
    google = Upstream(seconds=0.2)
    async with farm(redis.url, google) as make:
        replicas = [make(accounts("a", expires_at=0.0)) for _ in range(4)]
        await all_well(*replicas)
        await gatherResults([each.tokens.renew(each.state("a")) for each in replicas for _ in range(5)])
        assert google.asked == ["a"]
        assert {each.state("a").access_token.reveal() for each in replicas} == {"ya29.renewed-1"}
        await until(lambda: not [key for key in redis.all_keys() if b":l:" in key])


@deferred()
async def test_a_token_that_upstream_refused_is_not_handed_out_again(redis: RedisServer) -> None:
    google = Upstream()
    async with farm(redis.url, google) as make:
        one, two = make(accounts("a", expires_at=0.0)), make(accounts("a", expires_at=0.0))
        await all_well(one, two)
        await one.tokens.renew(one.state("a"))
        refused = one.state("a").access_token
        one.tokens.expire(one.state("a"), refused)
        await one.tokens.renew(one.state("a"))
        await until(lambda: two.state("a").access_token == Secret("ya29.renewed-2"))
        assert google.asked == ["a", "a"]


@deferred()
async def test_a_refused_sign_in_is_tried_by_one_alone(redis: RedisServer) -> None:
    google = Upstream(seconds=0.1)
    google.refusal = RefreshRejected("dead", "the sign-in is refused: invalid_grant")
    async with farm(redis.url, google) as make:
        replicas = [make(accounts("a", expires_at=0.0)) for _ in range(3)]
        await all_well(*replicas)
        assert await gatherResults(map(refused, replicas)) == 3 * [RefreshRejected]
        assert google.asked == ["a"]
        await until(lambda: all(each.state("a").barred for each in replicas))
        late = make(accounts("a", expires_at=0.0))
        await until(lambda: bool(late.state("a").barred))
        other = make(accounts("a", expires_at=0.0, refresh_token="1//new"))
        await all_well(other)
        assert not other.state("a").barred


@deferred()
async def test_temporary_trouble_is_no_reason_for_all_to_ask_at_once(redis: RedisServer) -> None:
    google = Upstream(seconds=0.1)
    google.refusal = RefreshRejected("temporary", "the token endpoint answered 503")
    async with farm(redis.url, google) as make:
        replicas = [make(accounts("a", expires_at=0.0)) for _ in range(4)]
        await all_well(*replicas)
        assert await gatherResults(map(refused, replicas)) == 4 * [RefreshRejected]
        assert google.asked == ["a"]


@pytest.mark.replicas
@deferred()
async def test_a_holder_that_dies_is_replaced_within_seconds(redis: RedisServer) -> None:
    google = Upstream(seconds=30)
    async with farm(redis.url, google) as make:
        one, two = make(accounts("a", expires_at=0.0)), make(accounts("a", expires_at=0.0))
        await all_well(one, two)
        one.tokens.renew(one.state("a")).addErrback(lambda _: None)
        await until(lambda: bool(google.asked))
        await one.shared.parts.link.stop()
        google.seconds = 0.0
        began = two.reactor.seconds()
        await two.tokens.renew(two.state("a"))
        assert two.reactor.seconds() - began < 3.5


@deferred()
async def test_a_project_is_looked_up_once_and_anew_after_a_refusal(redis: RedisServer) -> None:
    asked: list[str] = []

    async def ask(state: Any) -> str:
        asked.append(state.credential.id)
        await wait(0.05)
        return f"project-of-{len(asked)}"

    async with farm(redis.url) as make:
        replicas = [make(accounts("a", project=None)) for _ in range(3)]
        await all_well(*replicas)
        found = [Projects(each.reactor, ask, None, each.shared) for each in replicas]

        def everywhere() -> Deferred[list[Any]]:
            pairs = zip(found, replicas, strict=True)
            return gatherResults([Deferred.fromCoroutine(each.of(replica.state("a"))) for each, replica in pairs])

        assert await everywhere() == 3 * ["project-of-1"]
        assert asked == ["a"]
        found[0].forget(replicas[0].state("a"))
        assert await everywhere() == ["project-of-2", "project-of-1", "project-of-1"]
        found[1].forget(replicas[1].state("a"))
        assert await everywhere() == ["project-of-2", "project-of-2", "project-of-1"]
        assert asked == ["a", "a"]


@deferred()
async def test_whoever_is_forgiven_is_so_everywhere(redis: RedisServer) -> None:
    async with farm(redis.url) as make:
        one, two = make(), make()
        await all_well(one, two)
        one.pool.penalise(one.state("a"), "m", LIMITED)
        one.pool.penalise(one.state("b"), "m", judge(Failure(403, appeal=True)))
        await until(lambda: bool(two.state("a").cooldowns and two.state("b").barred))
        two.pool.forgive("a")
        two.pool.forgive("b")
        await until(lambda: not one.state("a").cooldowns and not one.state("b").barred)
        late = make()
        await all_well(late)
        assert not late.state("a").cooldowns
        assert not late.state("b").barred


@deferred()
async def test_periodic_work_is_done_by_one_of_all(redis: RedisServer) -> None:
    async with farm(redis.url) as make:
        replicas = [make() for _ in range(3)]
        await all_well(*replicas)
        asking = [Deferred.fromCoroutine(each.shared.claim("quota", "a", 60.0)) for each in replicas]
        assert sorted(await gatherResults(asking)) == [False, False, True]
        assert await replicas[0].shared.claim("quota", "b", 60.0)


@deferred()
async def test_volumes_leave_each_other_alone(redis: RedisServer) -> None:
    async with farm(redis.url) as make:
        one, other = make(), make(key=Secret("cd" * 32))
        await all_well(one, other)
        one.pool.penalise(one.state("a"), "m", LIMITED)
        await wait(0.1)
        assert not other.state("a").cooldowns
        one.shared.use_key(Secret("cd" * 32))
        other.pool.penalise(other.state("b"), "m", LIMITED)
        await until(lambda: bool(one.state("b").cooldowns))
        assert one.shared.sharing.replicas >= 1


@deferred()
async def test_redis_sees_no_token_address_project_or_prompt_and_every_key_ends(redis: RedisServer) -> None:
    google = Upstream()
    async with farm(redis.url, google) as make:
        one = make(accounts("secret@example.com", "b", expires_at=0.0))
        await all_well(one)
        await one.tokens.renew(one.state("secret@example.com"))
        one.pool.penalise(one.state("b"), "gemini", LIMITED)
        one.pool.penalise(one.state("b"), "m", judge(Failure(403, appeal=True)))
        one.pool.observed_quota("b", {"m": ModelQuota(0.5, None)})
        one.serving("conversation about secret things")
        one.shared.signatures.remember(b"digest of a secret call", "U2lnbmVk")
        await Projects(one.reactor, lambda state: _given("project-of-mine"), None, one.shared)._look_up(one.state("b"))
        await until(lambda: len({key.split(b":")[3] for key in redis.all_keys()}) == 9)  # c, s, t, b, p, q, g, e, r
        redis.ask("CONFIG", "SET", "rdbcompression", "no")
        redis.ask("SAVE")
        dump = (redis.directory / "dump.rdb").read_bytes()
        assert b"gemini" in dump
        assert [canary for canary in CANARIES if canary in dump] == []
        assert all(redis.ask("PTTL", key) > 0 for key in redis.all_keys())


def refused(replica: Replica) -> Deferred[Any]:
    renewing: Deferred[Any] = replica.tokens.renew(replica.state("a"))
    return renewing.addErrback(lambda failure: failure.trap(RefreshRejected))


async def _given(value: str) -> str:
    return value


def resting(replica: Replica) -> Replica:
    """A replica whose accounts rest once one is barred."""
    replica.pool.terms_rest.switch_on(StateStore(replica.reactor, epoch, None))
    return replica


@deferred()
async def test_once_one_is_barred_for_its_terms_all_rest_at_every_replica(redis: RedisServer) -> None:
    found = judge(Failure(403, appeal=True))
    async with farm(redis.url) as make:
        one, two = resting(make(accounts("a", "b"))), resting(make(accounts("a", "b")))
        await all_well(one, two)
        one.pool.penalise(one.state("a"), "m", found)
        await until(lambda: bool(two.pool.terms_rest))
        assert (one.serving(), two.serving(), two.pool.free_in("m")) == (None, None, None)
        late = resting(make(accounts("a", "b")))
        await until(lambda: bool(late.pool.terms_rest))
        assert two.pool.terms_rest.end()
        await until(lambda: not one.pool.terms_rest and not late.pool.terms_rest)
        assert one.serving() == "b"
        fresh = resting(make(accounts("a", "b")))
        await all_well(fresh)
        await until(lambda: bool(fresh.state("a").barred))
        assert not fresh.pool.terms_rest


@pytest.mark.row("redis writer")
@deferred()
async def test_whoever_writes_to_redis_sets_no_account_aside(
    redis: RedisServer, observe: Callable[[str], None]
) -> None:
    async with farm(redis.url) as make:
        one = make()
        await all_well(one)
        one.pool.penalise(one.state("a"), "m", LIMITED)
        session = session_key("s", "m")
        one.shared.bind(session, "a", one.reactor.seconds())
        await until(lambda: not one.shared.sharing.untold)
        ours = one.shared.parts.state
        names = [ours.name(account) for account in "abc"]
        now = ours._time.theirs(one.reactor.seconds())
        forged = 0
        for name in names:
            packed = msgspec.msgpack.encode((name, "", 0))
            for member in (packed, bytes(16) + packed):
                redis.ask("ZADD", ours.keys.cooldowns, "+inf", member)
                forged += 1
            said = msgspec.msgpack.encode(("x", now, [], [], [(name, "", now + 10**15, 0)], [], []))
            for words in (said, bytes(16) + said):
                redis.ask("PUBLISH", ours.keys.channel, words)
                forged += 1
        bucket = ours.keys.sessions(ours._time.bucket(one.reactor.seconds()))
        for value in (names[1].encode(), bytes(16) + names[1].encode()):
            redis.ask("HSET", bucket, ours._vault.session(session), value)
            forged += 1
        assert forged == 14
        two = make()
        await all_well(one, two)
        await until(lambda: bool(two.state("a").cooldowns))
        for replica in (one, two):
            assert list(replica.state("a").cooldowns) == ["m"]
            assert not replica.state("b").cooldowns
            assert not replica.state("c").cooldowns
            assert replica.shared.account_of(session, replica.reactor.seconds()) in ("a", None)
            assert replica.serving(model="other")
        observe(f"{forged} forged entries, believed by nobody")


BARE = Failure(429, status="RESOURCE_EXHAUSTED", message="Resource has been exhausted (e.g. check quota).")


@deferred()
async def test_a_refused_request_sets_nobody_aside_at_any_replica(redis: RedisServer) -> None:
    async with farm(redis.url) as make:
        replicas = [make(accounts("a", "b", "c")) for _ in range(2)]
        await all_well(*replicas)
        for replica in replicas:
            refusals = Refusals()
            for state in replica.pool.states:
                replica.pool.observed_quota(state.credential.id, {"m": ModelQuota(0.9)})
            for attempts in (2, 1):
                doubts = Doubts(replica.reactor, refusals, replica.pool, "m", lambda: ["You are an agent."])
                steps = [doubts.judge(replica.state(name), judge(BARE)).step for name in "ab"[:attempts]]
                assert steps == [Step.OTHER_ACCOUNT, Step.STOP][-attempts:]
                doubts.settle()
        await until(lambda: all(not each.shared.sharing.untold for each in replicas))
        await wait(0.1)
        assert [state.cooldowns for each in replicas for state in each.pool.states] == [{}] * 6
