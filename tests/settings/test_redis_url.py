"""Where Redis is: what a URL may say, and what is told of one that can't be used."""

from __future__ import annotations

from typing import Any

import pytest

from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.redis_url import RedisUrl, redis_url
from antigravity_proxy.settings.resolve import Resolver, SettingsError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis://localhost", RedisUrl((("localhost", 6379),))),
        ("redis://:s3cret@h:7000/3", RedisUrl((("h", 7000),), password=Secret("s3cret"), database=3)),
        ("redis://me:a%40b%2Fc@[::1]:7/", RedisUrl((("::1", 7),), user="me", password=Secret("a@b/c"))),
        ("rediss://me:p@h?ssl_ca_certs=/ca.pem", RedisUrl((("h", 6379),), True, "me", Secret("p"), ca_file="/ca.pem")),
        (
            "REDISS://h/0?ssl_certfile=c&ssl_keyfile=k",
            RedisUrl((("h", 6379),), True, cert_file="c", key_file="k"),
        ),
        (
            "redis+sentinel://u:p@a,b:1/main/2?sentinel_password=q",
            RedisUrl((("a", 26379), ("b", 1)), False, "u", Secret("p"), 2, "main", Secret("q")),
        ),
        ("rediss+sentinel://a/main", RedisUrl((("a", 26379),), True, master="main")),
    ],
)
def test_urls(text: str, expected: RedisUrl) -> None:
    assert redis_url(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("localhost:6379", "a URL such as"),
        ("http://localhost", "a URL such as"),
        ("redis://", "a URL such as"),
        ("redis://h:0", "a URL such as"),
        ("redis://h:99999", "a URL such as"),
        ("redis://a b", "a URL such as"),
        ("redis://a,b", "one host unless they are sentinels"),
        ("redis://h/first", "a number for the database"),
        ("redis://h/1/2", "a number for the database"),
        ("redis://h?ssl_ca_certs=/ca.pem", "after a ? only nothing"),
        ("rediss://h?ssl_ca_certs=", "after a ? only ssl_ca_certs and ssl_certfile and ssl_keyfile"),
        ("rediss://h?ssl_cert_reqs=none", "after a ? only"),
        ("rediss://h?ssl_keyfile=k", "ssl_certfile beside ssl_keyfile"),
        ("redis+sentinel://a:1", "the name of the master"),
    ],
)
def test_what_is_no_url(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        redis_url(text)
    assert words in str(caught.value)


def test_the_setting_shows_nothing_of_a_wrong_value() -> None:
    environ: dict[str, Any] = {"REDIS_URL": "redis://me:hunter2@"}
    with pytest.raises(SettingsError) as caught:
        Resolver({}, environ, lambda path: "").all({})
    assert "hunter2" not in str(caught.value)
    assert "REDIS_URL (environment REDIS_URL) has a bad value: it takes a URL such as" in str(caught.value)


def test_it_may_stand_in_a_file() -> None:
    settings = Resolver({}, {"REDIS_URL_FILE": "/run/secrets/redis"}, lambda path: "redis://h\n").all({})
    assert settings.redis_url == RedisUrl((("h", 6379),))
    assert "h" in repr(settings.redis_url)
    assert "hunter2" not in repr(redis_url("redis://me:hunter2@h"))
