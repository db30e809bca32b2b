"""The log: one event a line, nothing that must not be shown."""

from __future__ import annotations

import io
import json
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import Logger, LogLevel, LogPublisher
from twisted.python.failure import Failure

from antigravity_proxy.logs import MOST_WAITING, Output, clean, observer, one_line, redact, timestamp
from antigravity_proxy.secret import Secret


def output(stream: io.StringIO) -> Output:
    """An output to a stream of the test's."""
    made = Output(None)
    made._out = stream
    return made


def logged(form: str, level: str = "info") -> tuple[Logger, io.StringIO]:
    out = io.StringIO()
    return Logger(namespace="antigravity_proxy.x", observer=LogPublisher(observer(output(out), level, form))), out


@pytest.mark.parametrize(
    "hidden",
    [
        "ya29.a0AfH6SMB-x_y",
        "1//0gAbc-def",
        "Authorization: Bearer abc.def",
        "AIzaSyA-1234567890",
        "sk-0123456789abcdef",
        "GET /v1/models?key=hunter2&x=1",
        "someone.else+tag@mail.example.com",
        "http://user:hunter2@proxy.example:3128",
        "AQ.Ab8RN6JOx-y_z0123456789",
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJodW50ZXIyIn0.c2lnbmF0dXJl-_x",
        "-----BEGIN PRIVATE KEY-----\\nMIIEhunter2/+=\\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----MIIEhunter2",
        "a" * 100 + "@mail.example.com",
    ],
)
def test_what_looks_like_a_secret_is_hidden(hidden: str) -> None:
    shown = redact(f"before {hidden} after")
    assert "[hidden]" in shown
    assert hidden not in shown
    assert "hunter2" not in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")


def test_plain_words_stay() -> None:
    text = "account 00000000-0000-4000-8000-000000000001 set aside: row 1, delay 30.0"
    assert redact(text) == text


@pytest.mark.row("log lines")
def test_control_characters_can_not_forge_a_line() -> None:
    assert one_line("a\r\nb\x1b[31m\u2028c\x85") == "a\\r\\nb\\x1b[31m\\u2028c\\x85"


def test_nothing_invisible_stays() -> None:
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    invisible = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert [hex(ord(each)) for each in one_line(every) if unicodedata.category(each) in invisible] == []
    visible = "".join(each for each in every if unicodedata.category(each) not in {*invisible, "Cn"})
    assert one_line(visible) == visible


@pytest.mark.parametrize("length", [5, 90, 100, 101, 1000, 1_000_000])
@pytest.mark.parametrize("secret", ["someone@mail.example.com", "ya29.abc", "sk-0123456789abcdef"])
def test_a_long_text_is_cut_and_no_half_of_a_secret_stays(length: int, secret: str) -> None:
    for text in ("x" * length + " " + secret, (secret + " ") * (length // 10)):
        shown = clean(text, 100)
        assert len(shown) <= 100
        assert not any(part in shown for part in ("someone", "ya29", "sk-", "0123"))


def test_a_text_line() -> None:
    log, out = logged("text")
    log.warn("told {what}", what="a\nb ya29.secret")
    line = out.getvalue()
    assert line.count("\n") == 1
    assert line.endswith(" warn  antigravity_proxy.x: told a\\nb [hidden]\n")
    assert line[:2] == "20"
    assert line[23] == "Z"


def test_a_json_line_shows_only_known_fields() -> None:
    log, out = logged("json")
    log.info("told", account="id\n1", cause="quota", token=Secret("x"), password="hunter2")
    fields = json.loads(out.getvalue())
    assert fields["message"] == "told"
    assert (fields["account"], fields["cause"], fields["level"]) == ("id\\n1", "quota", "info")
    assert "password" not in fields
    assert "token" not in fields


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_is_one_line_without_secrets(form: str) -> None:
    log, out = logged(form)
    try:
        raise ValueError("with ya29.secret\nand more")
    except ValueError:
        log.failure("it failed", Failure())
    assert out.getvalue().count("\n") == 1
    assert "ValueError" in out.getvalue()
    assert "ya29" not in out.getvalue()


def test_levels_filter_and_twisted_is_quiet() -> None:
    log, out = logged("text", "warn")
    log.info("no")
    assert out.getvalue() == ""
    quiet = io.StringIO()
    publisher = LogPublisher(observer(output(quiet), "info", "text"))
    for namespace in ("twisted.web", "log_legacy"):
        Logger(namespace=namespace, observer=publisher).info("Starting factory")
    Logger(namespace="antigravity_proxy.x", observer=publisher).info("shown")
    assert quiet.getvalue().count("\n") == 1


def test_a_reader_that_is_gone_stops_nothing() -> None:
    log, out = logged("text")
    out.close()
    log.info("into the void")


def test_time_is_utc_with_milliseconds() -> None:
    assert timestamp(0.5) == "1970-01-01T00:00:00.500Z"
    assert timestamp(1_795_485_600.25) == "2026-11-24T02:00:00.250Z"


def test_the_level_names_are_twisteds() -> None:
    assert {level.name for level in LogLevel.iterconstants()} >= {"debug", "info", "warn", "error"}


def test_a_file_is_written_to_and_opened_anew_after_its_rotation(tmp_path: Path) -> None:
    path = tmp_path / "log"
    out = Output(str(path))
    out.write("one\n")
    path.rename(tmp_path / "log.1")
    out.write("two\n")
    for _ in range(MOST_WAITING):
        out.write_soon(str)
    out.write_soon("{}\n".format, "soon")
    out.reopen()
    out.write("three \udcff\n")
    assert (tmp_path / "log.1").read_text() == "one\ntwo\nsoon\n"
    assert path.read_text() == "three \\udcff\n"
    assert path.stat().st_mode & 0o007 == 0


def test_a_line_that_can_not_be_made_takes_none_with_it(tmp_path: Path) -> None:
    out = Output(str(tmp_path / "log"))
    out.write_soon("{}\n".format, "one")
    out.write_soon(lambda: str(1 // 0))
    out.write("two\n")
    assert (tmp_path / "log").read_text() == "one\na line could not be made: ZeroDivisionError\ntwo\n"


def test_a_file_that_can_not_be_opened_anew_goes_on(tmp_path: Path, no_leaks: list[Any]) -> None:
    (tmp_path / "logs").mkdir()
    path = tmp_path / "logs/log"
    out = Output(str(path))
    (tmp_path / "logs").rename(tmp_path / "moved")
    out.reopen()
    out.write("one\n")
    assert (tmp_path / "moved/log").read_text() == "one\n"
    assert no_leaks.pop() == "{path} can't be reopened: {reason}"


def test_standard_output_is_not_opened_anew(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output(None)
    out.reopen()
    out.write("one\n")
    assert capsys.readouterr().out == "one\n"
