"""The wire of the Gemini API (ai.google.dev): pure."""
