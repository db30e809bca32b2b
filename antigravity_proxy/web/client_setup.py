"""``antigravity-proxy setup``: what is to be written where, so that a client talks to the proxy. Writes nothing. Pure.

Clients change: each of these is tested with the real client (clients.md 1, 12).
"""

from __future__ import annotations

import json
from collections.abc import Callable

from msgspec import Struct

from antigravity_proxy.canonical.catalogue import Catalogue
from antigravity_proxy.dialect.openai.codex_models import codex_catalogue

#: replaces the API key, which is never printed
KEY = "YOUR-API-KEY"
#: a name of a Gemini model that Claude Code's picker keeps
PICKED = "anthropic-gemini-3-flash"
_CATALOGUE = "antigravity-models.json"
_GEMINI, _CLAUDE = "gemini-3-flash", "claude-sonnet-4-6"


class Setup(Struct, frozen=True):
    """Files with their content, below the home directory or where the client is started; variables; what to know."""

    files: dict[str, str] = {}
    environment: dict[str, str] = {}
    notes: tuple[str, ...] = ()


def claude(url: str) -> Setup:
    """Claude Code."""
    settings = {"env": {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_AUTH_TOKEN": KEY}}
    return Setup(
        {"~/.claude/settings.json": _json(settings)},
        notes=(
            "The URL has no /v1 at its end. A file that is there already keeps its other keys.",
            "Its own model names work as they are; `claude --model gemini-3-flash` asks for another.",
            "Where the proxy has Gemini API keys alone, nobody has Claude: give its names to a model that is there, "
            "such as PROXY_MODEL_ALIASES=claude-*=gemini-3.8-flash at the proxy.",
            "Its model picker lists what the proxy offers with CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY=1, but only "
            "ids with 'claude' or 'anthropic' in them. For a Gemini model set such a name at the proxy: "
            f"PROXY_MODEL_ALIASES={PICKED}={_GEMINI} (without that setting, in the desktop app's custom mapping).",
        ),
    )


def codex(url: str) -> Setup:
    """Codex, by a provider of its own."""
    catalogue = {"models": codex_catalogue(Catalogue().public())}
    config = f"""model = "{_GEMINI}"
model_provider = "antigravity"
model_catalog_json = "{_CATALOGUE}"

[model_providers.antigravity]
name = "antigravity"
base_url = "{url}/v1"
env_key = "ANTIGRAVITY_API_KEY"
wire_api = "responses"
"""
    return Setup(
        {"~/.codex/config.toml": config, f"~/.codex/{_CATALOGUE}": _json(catalogue)},
        {"ANTIGRAVITY_API_KEY": KEY},
        (
            "Either this, or its built-in provider (`setup codex-built-in`): not both in one file.",
            "model_catalog_json is read from beside config.toml.",
            f"The catalogue of what the accounts are offered now: curl -H 'Authorization: Bearer {KEY}' "
            f"'{url}/v1/models?client_version=1'",
            "A provider that is named OpenAI has the proxy make long conversations shorter; any other does it itself.",
        ),
    )


def codex_built_in(url: str) -> Setup:
    """Codex, by its built-in provider and with its own model names."""
    return Setup(
        {"~/.codex/config.toml": f'openai_base_url = "{url}/v1"\n'},
        {"CODEX_API_KEY": KEY},
        (
            "The key has to be in CODEX_API_KEY: with OPENAI_API_KEY alone this provider sends none.",
            "It keeps Codex's own model names, which the proxy serves by what the accounts are offered.",
            "It tries a WebSocket first, and goes on with POST where the proxy has none.",
        ),
    )


def gemini(url: str) -> Setup:
    """Gemini CLI."""
    settings = {"security": {"auth": {"selectedType": "gemini-api-key"}}}
    return Setup(
        {"~/.gemini/settings.json": _json(settings)},
        {"GOOGLE_GEMINI_BASE_URL": url, "GEMINI_API_KEY": KEY},
        ("The URL has no version at its end.", "In a folder that is new to it: GEMINI_CLI_TRUST_WORKSPACE=true."),
    )


def opencode(url: str) -> Setup:
    """opencode."""
    provider = {
        "npm": "@ai-sdk/anthropic",
        "name": "antigravity",
        "options": {"baseURL": f"{url}/v1", "apiKey": "{env:ANTIGRAVITY_API_KEY}"},
        "models": {model.id: {"name": model.display_name} for model in Catalogue().public()},
    }
    settings = {
        "$schema": "https://opencode.ai/config.json",
        "model": f"antigravity/{_CLAUDE}",
        "small_model": f"antigravity/{_GEMINI}",
        "provider": {"antigravity": provider},
    }
    return Setup(
        {"~/.config/opencode/opencode.json": _json(settings)},
        {"ANTIGRAVITY_API_KEY": KEY},
        ("Without small_model it asks a model of its own choice for titles.",),
    )


def openai(url: str) -> Setup:
    """The openai packages."""
    code = f"""from openai import OpenAI

client = OpenAI()  # reads the two variables
answer = client.responses.create(model="{_GEMINI}", input="Hello")
print(answer.output_text)
"""
    return Setup({"example.py": code}, {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": KEY}, _PYTHON)


def anthropic(url: str) -> Setup:
    """The anthropic packages."""
    code = f"""from anthropic import Anthropic

client = Anthropic()  # reads the two variables
message = client.messages.create(
    model="{_CLAUDE}", max_tokens=1000, messages=[{{"role": "user", "content": "Hello"}}]
)
print(message.content[0].text)
"""
    notes = ("The URL has no /v1 at its end.", *_PYTHON)
    return Setup({"example.py": code}, {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": KEY}, notes)


def genai(url: str) -> Setup:
    """The google-genai packages."""
    code = f"""from google import genai

client = genai.Client()  # reads the two variables
print(client.models.generate_content(model="{_GEMINI}", contents="Hello").text)
"""
    notes = ("The URL has no version at its end.", *_PYTHON)
    return Setup({"example.py": code}, {"GOOGLE_GEMINI_BASE_URL": url, "GEMINI_API_KEY": KEY}, notes)


def ai_sdk(url: str) -> Setup:
    """Vercel's ai package."""
    code = f"""import {{ createOpenAI }} from "@ai-sdk/openai";
import {{ generateText }} from "ai";

const proxy = createOpenAI({{ baseURL: "{url}/v1", apiKey: process.env.ANTIGRAVITY_API_KEY }});
const {{ text }} = await generateText({{ model: proxy("{_GEMINI}"), prompt: "Hello" }});
console.log(text);
"""
    return Setup(
        {"example.mjs": code},
        {"ANTIGRAVITY_API_KEY": KEY},
        (
            "proxy(…) is the Responses API, which the proxy remembers for an hour; proxy.chat(…) is chat completions.",
            f"createAnthropic takes {url}/v1, createGoogleGenerativeAI {url}/v1beta.",
        ),
    )


_PYTHON = ("The JavaScript package reads the same variables.",)
#: by the word that is asked for
CLIENTS: dict[str, Callable[[str], Setup]] = {
    "claude": claude,
    "codex": codex,
    "codex-built-in": codex_built_in,
    "gemini": gemini,
    "opencode": opencode,
    "openai": openai,
    "anthropic": anthropic,
    "genai": genai,
    "ai-sdk": ai_sdk,
}


def as_text(setup: Setup) -> str:
    """For people: each file under its name, then variables for a shell, then what to know."""
    parts = [f"# --- {name}\n{content.rstrip()}\n" for name, content in setup.files.items()]
    if setup.environment:
        lines = "".join(f"export {name}={value}\n" for name, value in setup.environment.items())
        parts.append(f"# --- the shell's environment\n{lines}")
    parts.append("".join(f"# {note}\n" for note in setup.notes))
    return "\n".join(part for part in parts if part)


def as_json(setup: Setup) -> str:
    """For programs."""
    return json.dumps({"files": setup.files, "environment": setup.environment, "notes": setup.notes}, indent=2)


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"
