"""A headless proxy that serves OpenAI-, Anthropic- and Gemini-compatible APIs from a desktop app's Google accounts."""

__version__ = "0.2.0"
