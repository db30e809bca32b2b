"""The matrix of faults and attacks: what each row is called in tests, what happens, and the bound that must hold.

The bounds are for a machine with two cores that are shared.
"""

from __future__ import annotations

from msgspec import Struct


class Row(Struct, frozen=True):
    """One row. ``name`` is what ``@pytest.mark.row`` says."""

    name: str
    fault: str
    bound: str


SECTIONS: dict[str, tuple[Row, ...]] = {
    "HTTP syntax and size": (
        Row(
            "lengths",
            "CL+TE, two lengths, lists, signs, hex, non-ASCII digits, 400 digits",
            "16/16 refused, upstream 0",
        ),
        Row("encodings", "Transfer-Encoding unknown, doubled, padded, folded", "11/11 refused, upstream 0"),
        Row("header syntax", "bare LF, CR or NUL in a header, space in a name, no colon", "7/7 refused, upstream 0"),
        Row("chunks", "chunk sizes negative, signed, of 80 digits, badly ended", "10/10 never forwarded, upstream 0"),
        Row("chunk flood", "8 MB of chunk extension; of trailers", "cut; memory <= +40 MiB"),
        Row(
            "big heads",
            "256 KiB header, 10,000 headers, 1 MB URI, endless line",
            "4xx or closed; <= 5 s; memory <= +20 MiB",
        ),
        Row("request lines", "bad request line, HTTP/0.9, /9.9, TLS hello, h2 preface", "8/8 refused"),
        Row("hosts", "no Host, two Hosts", "2/2 refused"),
        Row("other hosts", "absolute form, CONNECT, X-Forwarded-Host", "0 contacts"),
        Row("pipeline", "500 requests in a pipeline; Expect: 100-continue", "in order; memory <= +30 MiB; <= 5 s"),
        Row(
            "pipelines",
            "20 connections x 64 KiB of pipelined requests, nothing read; public, admin and keyed pages, preflights",
            "others wait <= 0.1 s; memory <= +30 MiB",
        ),
        Row(
            "large bodies",
            "bodies up to 32 MiB: one text, 20,000 tool calls, 90,000 messages, 190,000 parts, millions of values",
            "2xx or 4xx; others wait <= 0.1 s",
        ),
        Row("injection", "CR LF in path, model, request id, upstream's header", "5/5 vectors clean"),
        Row("404 and 405", "unknown paths, wrong methods", "in the dialect's shape, with Allow; >= 7"),
        Row("mutations", "3,000 mutated requests, fixed seed", "invalid 0; hangs <= 1 %; 5xx <= 0.5 %"),
        Row(
            "bodies",
            "1 TB announced; 300 MB chunked; a large body without a key",
            "<= 2 s; memory <= +150 MiB; <= 8 MiB taken",
        ),
        Row(
            "keyless bodies",
            "30 connections with bodies of 31 MiB to pages that need no key, announced or chunked",
            "413, 405 or 401 before the body is read; memory <= +20 MiB",
        ),
        Row(
            "all bodies",
            "thousands of connections of a key's holder with bodies of 31 MiB each; chunks of one byte",
            "503 at the budget, those let in finish; memory <= 512 MiB; chunks <= 0.5 CPU s",
        ),
        Row("deep JSON", "100,000 levels of JSON; a tool schema of 3,000", "10/10 refused with 4xx"),
        Row("odd text", "bad UTF-8, BOM, UTF-16, lone surrogates, NUL, NaN, 1e400, 5,000 digits", "54/54 never 5xx"),
        Row("wrong types", "a wrong type in every field, 3 dialects", ">= 417 cases: 4xx in shape or a harmless 2xx"),
        Row(
            "many things",
            "20,000 of whatever a request, a tool's schema or upstream's words may have many of",
            "<= 5 times the CPU of 5,000",
        ),
        Row("large JSON", "a body of 15 MB", "/health meanwhile <= 1.5 s"),
        Row("gzip request", "a gzip bomb as a request", "415, 400 or 413; memory <= +100 MiB"),
    ),
    "Slow peers, descriptors, memory": (
        Row(
            "slow senders",
            "500 slow heads and 100 slow bodies, a byte every 2 s",
            "p99 of others <= 0.1 s; 0 left after 40 s",
        ),
        Row("idle connections", "3,000 idle connections", "others served <= 1 s; <= 30 KiB each"),
        Row("descriptors", "128 descriptors, 400 clients", "CPU < 50 %; log < 200 kB in 3 s; well again <= 5 s"),
        Row(
            "stalled reader",
            "a client stops reading while upstream pushes 1 GB, 3 dialects",
            "<= 16 MiB taken; memory <= +64 MiB",
        ),
        Row(
            "aborts", "20,000 mixed requests with aborts and faults", "descriptors <= +10; memory <= +25 MiB; timers +0"
        ),
        Row("reader gone silent", "a reader that takes nothing for good", "dropped after 120 s without progress"),
        Row("shedding", "more connections than the cap", "503 with Retry-After in the dialect; then closed at once"),
    ),
    "Identity, disclosure, browser": (
        Row("keyless", "no key, a wrong one, an empty one", "18/18 refused in the path's dialect, upstream 0"),
        Row(
            "spellings", "path spellings, encodings, dot segments, double slashes", "57 spellings, none served keyless"
        ),
        Row(
            "false keys", "prefix, suffix, case, NUL, list, other schemes, spoofed addresses", "59 refused, 5 accepted"
        ),
        Row("timing", "keys are compared in constant time", "hmac.compare_digest on bytes, all keys"),
        Row("guessing", "a refusal is cheap", "median <= 20 ms"),
        Row("read-only", "writing calls in READONLY_MODE", "40/40 refused with 403, 404 or 405; 0 token exchanges"),
        Row("redaction", "upstream repeats tokens and addresses in errors", "24/24 removed"),
        Row("tracebacks", "tracebacks, paths, versions, TRACE", "28/28 show none"),
        Row("canaries", "marked tokens, keys, addresses and prompts planted everywhere, log level debug", "0 found"),
        Row("log lines", "CR LF, ESC, forged lines by model, path, user agent, key", "escaped, one line"),
        Row("log flood", "refused requests", "bounded lines; <= 1,000 B each, 0 tracebacks"),
        Row("containers", "what containers may do", "read-only, no capabilities, no new privileges, no socket"),
        Row("public pages", "health pages", "no address, token, path or account id"),
        Row(
            "ssrf",
            "image and file URLs, base-URL fields and headers, a model as a path",
            "0 contacts, a fixed upstream path",
        ),
        Row("origins", "foreign origins", "15/15 without * or reflection"),
        Row("rebinding", "DNS rebinding against a keyless daemon", "names that are not ours: 403"),
        Row(
            "foreign pages",
            "pages of other sites use a keyless daemon: no-cors POST, other ports of the host, forged Origin",
            "403 unless the origin is named; the body is not read",
        ),
        Row("html", "HTML from upstream", "never as HTML; nosniff"),
        Row(
            "page attacks",
            "the operator's pages: XSS, CSRF, clickjacking, open redirect, session fixation, guessed keys",
            "nothing changed, nobody let in or led away",
        ),
        Row(
            "sign-in attacks",
            "XSS, forged or reused state, PKCE, a login that has ended, a flood of sign-ins",
            "escaped; 4xx without exchange; S256; nobody pushed out",
        ),
        Row(
            "admin connections",
            "one address takes all connections of the admin pages; silent and resting ones when they are full",
            "<= a quarter for an address; others let in <= 4 s",
        ),
        Row("key files", "files that are made", "0600 in directories 0700"),
        Row(
            "client keys",
            "limits of a client key: rate, concurrency, models, expiry",
            "429 or 403 in the dialect, Retry-After",
        ),
        Row("upstream TLS", "a wrong certificate upstream", "0 requests through"),
    ),
    "Upstream": (
        Row("unreachable", "refused, no such name", "502 or 503 in shape <= 15 s; well again <= 5 s"),
        Row("broken before", "reset or end before the answer", "another account, or 502: 6/6"),
        Row("broken within", "reset or end within the answer", "an error event, never a clean end, no replay: 6/6"),
        Row("stalled upstream", "silent; stalled", "limit set to 8 s: ends <= 30 s"),
        Row("unfinished", "no finish reason; garbage events", "6/6 end, no traceback"),
        Row("cuts", "cut at every byte, CRLF or LF, comments", "3/3 texts whole"),
        Row(
            "upstream bombs",
            "endless line of 512 MB, gzip bomb, 300 MB JSON, 4 MB header, 200,000 headers",
            "cut; memory <= +100 MiB (line, bomb), +150 (JSON), +60 (head)",
        ),
        Row("redirects", "301, 302, 303, 307, 308", "0 contacts"),
        Row("always failing", "always 500; always 503", "<= 3 attempts per request; 20 take <= 60; <= 20 s"),
        Row("refused request", "400", "passed on, 1 attempt"),
        Row("one bad account", "one account's 401, 403, 429", "16/16 served; <= 3 calls on it"),
        Row("all cooling", "every account is limited", "429 with Retry-After; 0 calls; <= 2 s"),
        Row("client leaves", "while waiting, streaming, collecting", "upstream closed <= 1 s, not sent again: 9/9"),
        Row("buffering", "an upstream that streams", "first event passed on <= 0.3 s"),
    ),
    "Volume, keys, disk, clock": (
        Row(
            "volume changes",
            "a row added, removed, file renamed over",
            "in effect <= 2 s (+1 to measure), no error between",
        ),
        Row("exclusive lock", "the database locked for 8 s", "worst answer <= 1 s"),
        Row("broken volume", "noise, half, 0 bytes, deleted, while running", "6/6 served meanwhile; well again <= 8 s"),
        Row("half copies", "new database, old log", "never mixed; the last good one stays"),
        Row("late volume", "no volume at the start", "up, 503 in shape; well <= 5 s after it comes"),
        Row("bad rows", "15 kinds of bad rows", "the good one serves"),
        Row("schemas", "newer and older schemas", "2/2 served"),
        Row(
            "broken config",
            "configuration half, empty, noise, {}, null, deleted, running and at the start",
            "16/16 closed",
        ),
        Row("open address", "no key on an address that isn't loopback", "refuses to start, status 1 or 2"),
        Row("full disk", "nothing writable", "up, 200"),
        Row("untouched", "a whole run, read-only", "0 changes, no new file"),
        Row(
            "hostile volume",
            "database, log, configuration of 100 GiB; a view without end; each twice while it runs",
            "said, served meanwhile; others <= 0.5 s; memory <= +64 MiB; 0 tracebacks, <= 2 lines each; well <= 8 s",
        ),
        Row("hostile databases", "views, triggers without end; logs of false page sizes", "damaged, in words"),
        Row(
            "foreign directories", "links in what root writes, in .keys, in .restore", "0 followed, 0 files given away"
        ),
        Row("hostile archives", "16 kinds of members that no backup holds", "refused in one line, 0 files written"),
        Row("other users", "a volume that this user may not read", "every command in words, 0 tracebacks"),
        Row("key not there yet", "rows sealed anew, emptied", "served with the token that they had; degraded"),
        Row("clock jumps", "the wall clock jumps", "timers and refreshes go on"),
    ),
    "Tokens and process": (
        Row("one refresh", "50 requests on one expired account", "1 refresh, 50/50 served"),
        Row(
            "bad refreshes",
            "invalid_grant, a hang, 401 on a fresh token",
            "set aside; others served <= 2 s, <= 3 attempts",
        ),
        Row("tokens in memory", "read-only", "0 files"),
        Row("sigterm", "SIGTERM with streams, idle, stuck", "whole; <= 5 s; <= 35 s"),
        Row("other signals", "HUP, USR1, PIPE", "alive, the stream whole"),
        Row("bad start", "a taken port, bad settings", "status 1 or 2, one line that names it, <= 10 s"),
        Row("start", "a start", "<= 3 s"),
        Row(
            "redis away",
            "Redis closed, mute, nonsense",
            "8/8 served from what is known, who asks it waits <= 50 ms, at a start <= 1 s",
        ),
    ),
    "Redis": (
        Row(
            "redis writer",
            "cooldowns without end, messages and bindings, written by somebody without the volume's key",
            "14/14 believed by nobody",
        ),
    ),
}

#: who does what a section's rows describe
ATTACKERS: dict[str, str] = {
    "HTTP syntax and size": (
        "whoever reaches a port, without a key; deep and large JSON, odd text and wrong types: a client with a key."
    ),
    "Slow peers, descriptors, memory": (
        "whoever reaches a port, without a key; the stalled reader and the aborts: clients with a key."
    ),
    "Identity, disclosure, browser": (
        "whoever reaches a port, without a key; a page of another site in a user's browser; for the limits of "
        "client keys and the URLs in requests, a client with a key."
    ),
    "Upstream": "upstream when it is out of order, or somebody in its place.",
    "Volume, keys, disk, clock": (
        "whoever may write into the credential volume; and accidents: power cuts, half copies, other versions "
        "of the app."
    ),
    "Tokens and process": "accidents, and operators in a hurry; Redis when it is out of order.",
    "Redis": "whoever may write to Redis, without the volume's master key.",
}
