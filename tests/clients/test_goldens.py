"""The golden answers as the vendors' packages read them, this major and the previous, in JavaScript and in Python.

Each golden stream of upstream is read in every dialect, plain and streamed: as the golden file has it, and where there
is none as the dialect writes it. `ai` checks by zod schemas, the Python packages by pydantic's types.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.deferreds import deferred
from support.programs import BUILD, run

from antigravity_proxy.dialect.anthropic import request as anthropic
from antigravity_proxy.dialect.base import Decoded, Stamp
from antigravity_proxy.dialect.gemini import request as gemini
from antigravity_proxy.dialect.openai import chat_request, responses_request
from antigravity_proxy.errors import UpstreamOverloaded
from antigravity_proxy.generatecontent.events import read_event
from antigravity_proxy.generatecontent.sse import SSEDecoder

HERE = Path(__file__).parent
GOLDENS = HERE.parent / "data" / "golden"
NODE = shutil.which("node") or "node"
RELEASES = {"this": BUILD, "previous": BUILD.parent / "previous"}
PYTHONS = {"this": Path(sys.executable), "previous": BUILD / "venv" / "bin" / "python"}


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


#: upstream's streams, and what is read in each answer to them
UPSTREAM = {
    "golden-a": ("golden-a.upstream.sse", {"text": "Checking the weather …", "calls": ["get_weather", "get_weather"]}),
    "golden-b": ("golden-b.claude-upstream.sse", {"text": "", "calls": ["add"]}),
}
#: one that breaks off: every reader of a stream has to raise an error
BROKEN = "error-in-stream"
#: readers that pass over an error in a stream: what came before it is all they give
DEAF = {"openai-responses, @langchain/openai", "gemini, @langchain/google-genai"}
#: knows no thoughts, never asks for them, and takes those that the goldens show for text
OLD = "gemini, @langchain/google-genai"
TURN = [{"role": "user", "content": "x"}]
#: by dialect: the question that asks for an answer with everything in it, and its decoder
ASKED: dict[str, Callable[[bool], Decoded]] = {
    "anthropic": lambda stream: anthropic.decode(
        _json({"model": "claude-opus-4-8", "max_tokens": 10, "stream": stream, "messages": TURN})
    ),
    "openai-chat": lambda stream: chat_request.decode(_json({"model": "gpt-5", "stream": stream, "messages": TURN})),
    "openai-responses": lambda stream: responses_request.decode(
        _json({"model": "gpt-5", "stream": stream, "input": "x", "reasoning": {"summary": "auto"}})
    ),
    "gemini": lambda stream: gemini.decode(
        _json({
            "contents": [{"role": "user", "parts": [{"text": "x"}]}],
            "generationConfig": {"thinkingConfig": {"includeThoughts": True}},
        }),
        "gemini-3-flash",
        stream=stream,
        alt="sse",
    ),
}  # fmt: skip

pytestmark = pytest.mark.clients


def written(dialect: str, upstream: str, streamed: bool) -> bytes:
    """An upstream stream as the dialect answers it."""
    digits = count(1)
    answer = ASKED[dialect](streamed).new_answer(Stamp(1790000000, lambda length: f"{next(digits):0{length}x}"))
    decoder = SSEDecoder()
    payloads = decoder.feed((GOLDENS / upstream).read_bytes()) + decoder.close()
    if upstream.startswith(BROKEN):
        return answer.feed([read_event(payloads[0])]) + answer.fail(UpstreamOverloaded("Overloaded."))
    return answer.feed([read_event(payload) for payload in payloads]) + answer.close()


@pytest.fixture(scope="module")
def goldens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with every golden in every dialect, plain and streamed."""
    directory = tmp_path_factory.mktemp("goldens")
    for dialect in ASKED:
        for form in ("json", "sse"):
            for name, (upstream, _) in UPSTREAM.items():
                file = f"{name}.{dialect}.{form}"
                known = GOLDENS / file
                content = known.read_bytes() if known.exists() else written(dialect, upstream, form == "sse")
                (directory / file).write_bytes(content)
        (directory / f"{BROKEN}.{dialect}.sse").write_bytes(written(dialect, f"{BROKEN}.upstream.sse", True))
    return directory


def test_every_golden_answer_is_among_them(goldens: Path) -> None:
    answers = {path.name for path in GOLDENS.glob("golden-*") if "upstream" not in path.name}
    assert answers <= {path.name for path in goldens.iterdir()}
    assert len(answers) == 8


def is_right(file: str, reader: str, read: dict[str, Any], release: str) -> bool:
    """Whether a package has read a golden as it is meant."""
    golden, dialect, _ = file.split(".")
    name = f"{dialect}, {reader}"
    if golden == BROKEN:
        return read == {"text": "Checking the weather …", "calls": []} if name in DEAF else "error" in read
    expected = UPSTREAM[golden][1]
    if name == OLD and release == "previous":
        return read["calls"] == expected["calls"] and str(read["text"]).endswith(str(expected["text"]))
    return read == expected


@pytest.mark.parametrize("release", RELEASES)
@deferred(90)
async def test_the_javascript_packages_take_them(tmp_path: Path, goldens: Path, release: str) -> None:
    installed = RELEASES[release]
    if not (installed / "node_modules").exists():
        pytest.skip("no node")
    script = installed / "goldens.mjs"  # beside the packages, which is where node looks for them
    script.write_bytes((HERE / "javascript" / "goldens.mjs").read_bytes())
    ended = await run([NODE, str(script), str(goldens)], tmp_path)
    assert ended.status == 0, ended.everything
    told: dict[str, dict[str, Any]] = json.loads(ended.out.strip().rpartition("\n")[2])  # ai may warn before
    assert told.keys() == {path.name for path in goldens.iterdir()}
    wrong = {
        f"{file}, {reader}": read
        for file, readers in told.items()
        for reader, read in readers.items()
        if not is_right(file, reader, read, release)
    }
    assert {len(readers) for readers in told.values()} == {3}
    assert not wrong, json.dumps(wrong, indent=1)


@pytest.mark.parametrize("release", PYTHONS)
@deferred(90)
async def test_the_python_packages_take_them(tmp_path: Path, goldens: Path, release: str) -> None:
    if not PYTHONS[release].exists():
        pytest.skip("`make test-clients` installs the previous packages")
    ended = await run([str(PYTHONS[release]), str(HERE / "python" / "goldens.py"), str(goldens)], tmp_path)
    assert ended.status == 0, ended.everything
    counts: dict[str, int] = json.loads(ended.out)
    assert counts.keys() == {path.name for path in goldens.iterdir()}
    assert all(counts.values()), counts
