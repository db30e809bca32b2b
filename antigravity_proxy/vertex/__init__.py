"""Vertex AI's wire: Gemini in Google's form, Claude in Anthropic's, at the locations of a project. Pure."""
