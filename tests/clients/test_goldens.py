"""The golden answers as the JavaScript packages read them, this major and the previous; `ai` does so by zod schemas."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.deferreds import deferred
from support.programs import BUILD, run

HERE = Path(__file__).parent
GOLDENS = HERE.parent / "data" / "golden"
NODE = shutil.which("node") or "node"
RELEASES = {"this": BUILD, "previous": BUILD.parent / "previous"}
TOLD = {"text": "Checking the weather …", "calls": ["get_weather", "get_weather"]}

pytestmark = pytest.mark.clients


@pytest.mark.parametrize("release", RELEASES)
@deferred(90)
async def test_the_packages_take_the_goldens(tmp_path: Path, release: str) -> None:
    installed = RELEASES[release]
    if not (installed / "node_modules").exists():
        pytest.skip("no node")
    script = installed / "goldens.mjs"  # beside the packages, which is where node looks for them
    script.write_bytes((HERE / "javascript" / "goldens.mjs").read_bytes())
    ended = await run([NODE, str(script), str(GOLDENS)], tmp_path)
    assert ended.status == 0, ended.everything
    told: dict[str, Any] = json.loads(ended.out.strip().rpartition("\n")[2])  # ai may warn before
    answers = {name: answer for name, answer in told.items() if name.startswith("golden")}
    assert len(answers) == 7
    assert all(answer == TOLD for answer in answers.values()), answers
    blocks = ["thinking", "text", "thinking", "tool_use", "tool_use"]
    items = ["reasoning", "message", "reasoning", "function_call", "function_call"]
    assert (told["anthropic sdk"], told["anthropic sdk, streamed"]) == (blocks, blocks)
    assert (told["openai sdk"], told["openai sdk, streamed"]) == (items, items)
