"""The way to Redis: users with few rights, TLS with verification, sentinels; each against a real one."""

from __future__ import annotations

import re
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.deferreds import deferred, until
from support.redis import SERVER, RedisServer, needs_redis, redis_server
from support.replicas import Replica, all_well, farm
from support.stack import free_port

from antigravity_proxy.replicas.connector import Connector
from antigravity_proxy.replicas.counts import Counts
from antigravity_proxy.settings.redis_url import redis_url

pytestmark = needs_redis

DOCS = Path(__file__).parents[2] / "docs"


async def shares(one: Replica, two: Replica) -> None:
    """What one learns the other knows."""
    await all_well(one, two)
    one.shared.cooled("a", "m", 30.0, 0)
    await until(lambda: bool(two.state("a").cooldowns))
    first = one.serving("conversation")
    await until(lambda: two.bound("conversation") == first)


def documented_rights() -> str:
    """The rights in scaling.md, in a line, with the password "secret"."""
    block = re.search(r"^user antigravity on .*(?:\n  .*)*", (DOCS / "scaling.md").read_text(), re.M)
    assert block is not None
    return " ".join(block[0].replace("PASSWORD", "secret").split())


@deferred()
async def test_a_volumes_own_rights_are_enough_for_it_and_reach_no_other(tmp_path: Path) -> None:
    with redis_server(tmp_path) as redis:
        async with farm(redis.url) as make:
            await all_well(make())
            [namespace] = (name.decode() for name in redis.ask("PUBSUB", "CHANNELS", "antigravity:*"))
        redis.ask("FLUSHALL")
        wide = documented_rights()
        rights = wide.replace("~antigravity:*", f"~{namespace}:*").replace("&antigravity:*", f"&{namespace}")
        assert "antigravity:*" not in rights
        assert redis.ask("ACL", "SETUSER", *rights.split()[1:]) == b"OK"
        async with farm(redis.url.replace("//", "//antigravity:secret@")) as make:
            one, two = make(), make()
            await shares(one, two)
            await one.tokens.renew(one.state("a"))
            assert not one.trouble
            assert [entry for entry in redis.ask("ACL", "LOG") if b"antigravity" in entry] == []
        for command in (("SET", "antigravity:1:another:e", "x"), ("PUBLISH", "antigravity:1:another", "x")):
            assert "no permissions" in str(redis.ask("ACL", "DRYRUN", "antigravity", *command))


@deferred()
async def test_the_documented_rights_are_enough(tmp_path: Path) -> None:
    rights = documented_rights()
    with redis_server(tmp_path) as redis:
        assert redis.ask("ACL", "SETUSER", *rights.split()[1:]) == b"OK"
        url = redis.url.replace("//", "//antigravity:secret@")
        async with farm(url) as make:
            one, two = make(), make()
            await shares(one, two)
            await one.tokens.renew(one.state("a"))
            one.pool.forgive("a")
            assert await one.shared.claim("survey", "a", 10.0)
            await until(lambda: not two.state("a").cooldowns)
            counts, now = one.shared.counts, one.reactor.seconds()
            claim = counts.claim("key", now, "one", 1, 1, 0)
            known = await counts.exchange("key", "one", Counts(), claim)
            counts.settle("key", "one", Counts(), [claim.sealed])
            counts.restore("key", {"gone": Counts({1: 1}, {1: 1})})
            again = await counts.exchange("key", "one", Counts())
            assert (set(known.counts), set(again.counts)) == ({"one"}, {"one", "gone"})
            redis.ask("FLUSHALL")
            late = make()
            await all_well(late)
            assert not one.trouble
            refused = [entry for entry in redis.ask("ACL", "LOG") if b"antigravity" in entry]
            assert refused == []


def certificates(directory: Path) -> None:
    """A CA, and a certificate of localhost by it."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)

    key = ["-days", "2", "-nodes", "-newkey", "rsa:2048"]
    # names of their own: OpenSSL 4.0.0 takes a certificate that is named as its issuer for a self-signed one
    ca = ["-subj", "/CN=a CA", "-addext", "basicConstraints=critical,CA:TRUE"]
    openssl("req", "-x509", *key, *ca, "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", "-x509", *key, "-subj", "/CN=another", "-keyout", "other.key", "-out", "other.pem")
    openssl("req", "-new", *key, "-subj", "/CN=localhost", "-keyout", "redis.key", "-out", "redis.csr")
    (directory / "names").write_text("subjectAltName=DNS:localhost\n")
    sign = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
    openssl("x509", "-req", "-in", "redis.csr", *sign, "-out", "redis.pem")


@deferred(30)
async def test_tls_is_verified_and_may_want_a_certificate_of_ours(tmp_path: Path) -> None:
    certificates(tmp_path)
    port = free_port()
    tls = ["--tls-port", str(port), "--tls-cert-file", "redis.pem", "--tls-key-file", "redis.key"]
    with redis_server(tmp_path, *tls, "--tls-ca-cert-file", "ca.pem") as redis:
        if redis.ask("CONFIG", "GET", "tls-port")[1:] != [str(port).encode()]:
            pytest.skip("this redis-server has no TLS")
        ours = f"ssl_ca_certs={tmp_path}/ca.pem&ssl_certfile={tmp_path}/redis.pem&ssl_keyfile={tmp_path}/redis.key"
        async with farm(f"rediss://localhost:{port}?{ours}") as make:
            await shares(make(), make())
            stranger = make(at=f"rediss://localhost:{port}?{ours.replace('ca.pem', 'other.pem')}")
            nobody = make(at=f"rediss://localhost:{port}?ssl_ca_certs={tmp_path}/ca.pem")
            misnamed = make(at=f"rediss://127.0.0.1:{port}?{ours}")
            await until(lambda: stranger.trouble == misnamed.trouble == "Redis' certificate can't be verified")
            await until(lambda: nobody.trouble not in ("", "Redis is not connected yet"))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("ssl_ca_certs=/nowhere", "No such file"),
        ("ssl_certfile=/nowhere", "No such file"),
        (f"ssl_certfile={__file__}", "no certificate"),
        (f"ssl_ca_certs={__file__}", "no PEM certificate"),
    ],
)
def test_tls_files_of_no_use_end_the_start(query: str, words: str) -> None:
    with pytest.raises(OSError, match=words):
        Connector(None, redis_url(f"rediss://localhost?{query}"))


class Sentinel(RedisServer):
    """A sentinel that watches one master."""

    def __init__(self, directory: Path, master: int) -> None:
        directory.mkdir()
        config = directory / "sentinel.conf"
        config.write_text(
            f"sentinel monitor main 127.0.0.1 {master} 1\n"
            "sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n"
        )
        super().__init__(directory)
        self.config = config

    def start(self) -> None:
        assert SERVER is not None
        options = ["--sentinel", "--port", str(self.port), "--bind", "127.0.0.1"]
        self.process = subprocess.Popen([SERVER, str(self.config), *options], stdout=subprocess.DEVNULL)


@pytest.mark.replicas
@deferred(40)
async def test_sentinels_lead_to_the_master_and_to_the_next_one(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    replica_of = ("--replicaof", "127.0.0.1")
    with ExitStack() as running:
        master = running.enter_context(redis_server(tmp_path / "one"))
        other = running.enter_context(redis_server(tmp_path / "two", *replica_of, str(master.port)))
        sentinel = Sentinel(tmp_path / "sentinel", master.port)
        running.callback(sentinel.kill)
        sentinel.start()
        await until(lambda: _knows_a_replica(sentinel), 20)
        url = f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{sentinel.port}/main/0"
        async with farm(url) as make:
            one, two = make(), make()
            await shares(one, two)
            wrong = make(at=url.replace("/main/", "/another/"))
            await until(lambda: wrong.trouble == "the sentinels know no master of that name")
            master.kill()
            await until(lambda: bool(one.trouble))
            await until(lambda: other.ask("ROLE")[0] == b"master", 15)
            await all_well(one, two, seconds=15)
            one.shared.cooled("b", "m", 30.0, 0)
            await until(lambda: bool(two.state("b").cooldowns))


def _knows_a_replica(sentinel: RedisServer) -> bool:
    try:
        found = sentinel.ask("SENTINEL", "REPLICAS", "main")
    except OSError:
        return False
    return isinstance(found, list) and len(found) == 1
