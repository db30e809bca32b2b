"""Each parser takes what it says it takes, and says so when it doesn't."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from antigravity_proxy.secret import Secret
from antigravity_proxy.settings import parse


@pytest.mark.parametrize(
    ("parser", "text", "value"),
    [
        (parse.text, "x", "x"),
        (parse.secret, "x", Secret("x")),
        (parse.boolean, "TRUE", True),
        (parse.boolean, "off", False),
        (parse.port, "8045", 8045),
        (parse.seconds, "0.5", 0.5),
        (parse.wait, "0", 0.0),
        (parse.wait, "2.5", 2.5),
        (parse.steps, "60, 300,0.5", (60.0, 300.0, 0.5)),
        (parse.count, "12", 12),
        (parse.percent, "10", 0.1),
        (parse.percent, "12.5%", 0.125),
        (parse.priorities, "a=1, b=c=-2", {"a": 1, "b=c": -2}),
        (parse.size, "33554432", 33554432),
        (parse.size, "32MiB", 32 << 20),
        (parse.size, "1 k", 1024),
        (parse.size, "2GB", 2 << 30),
        (parse.url, "https://x.example/y", "https://x.example/y"),
        (parse.base_urls, "http://a, http://b/v1internal/", ("http://a/v1internal", "http://b/v1internal")),
        (parse.comma_list, " a, ,b", ("a", "b")),
        (parse.secrets, "a,b", (Secret("a"), Secret("b"))),
        (parse.networks, "10.0.0.1/8, ::1", (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1"))),
        (parse.master_key, "aB" * 32, Secret("aB" * 32)),
        (parse.one_of("text", "json"), "JSON", "json"),
        (parse.upstreams, "Vertex, gemini", ("vertex", "gemini")),
    ],
)
def test_good_values(parser: parse.Parser, text: str, value: Any) -> None:
    assert parser(text) == value


@pytest.mark.parametrize(
    ("parser", "text", "takes"),
    [
        (parse.wait, "-1", "0 or more"),
        (parse.wait, "nan", "0 or more"),
        (parse.wait, "x", "0 or more"),
        (parse.steps, "60,0", "separated by commas"),
        (parse.count, "0", "whole number"),
        (parse.count, "1.5", "whole number"),
        (parse.percent, "100", "percentage"),
        (parse.percent, "x", "percentage"),
        (parse.priorities, "a", "account ids"),
        (parse.priorities, "=1", "account ids"),
        (parse.priorities, "a=x", "account ids"),
        (parse.boolean, "maybe", "true or false"),
        (parse.port, "0", "a port from 1 to 65535"),
        (parse.port, "65536", "a port"),
        (parse.port, "²", "a port"),
        (parse.seconds, "-1", "a positive number of seconds"),
        (parse.seconds, "soon", "a positive number"),
        (parse.seconds, "nan", "a positive number"),
        (parse.size, "0", "a number of bytes"),
        (parse.size, "much", "a number of bytes"),
        (parse.url, "ftp://x", "an absolute URL"),
        (parse.url, "http://[x", "an absolute URL"),
        (parse.base_urls, " , ", "one or more URLs"),
        (parse.networks, "10.0.0.1/99", "IP addresses and networks"),
        (parse.master_key, "short", "64 hex characters"),
        (parse.host_names, "https://box.example", "host names"),
        (parse.host_names, "box:80", "host names"),
        (parse.origins, "*", "no wildcard"),
        (parse.origins, "chat.example", "origins"),
        (parse.origins, "https://chat.example/page", "origins"),
        (parse.one_of("text", "json"), "xml", "text or json"),
        (parse.upstreams, "", "accounts, gemini and vertex"),
        (parse.upstreams, "gemini,gemini", "each once"),
        (parse.upstreams, "openai", "accounts, gemini and vertex"),
    ],
)
def test_bad_values_say_what_is_taken(parser: parse.Parser, text: str, takes: str) -> None:
    with pytest.raises(ValueError, match=takes):
        parser(text)


def test_a_port_or_none() -> None:
    assert (parse.port_or_none("0"), parse.port_or_none("8888")) == (0, 8888)
    for wrong in ("x", "-1", "65536", "00"):
        with pytest.raises(ValueError, match="or 0 for none"):
            parse.port_or_none(wrong)


def test_hosts_and_origins() -> None:
    assert parse.host_names("box.example, box") == ("box.example", "box")
    assert parse.origins("https://chat.example/, http://localhost:3000") == (
        "https://chat.example",
        "http://localhost:3000",
    )
    assert parse.origins("") == parse.host_names("") == ()
