"""Official credentials: Gemini API keys and Vertex AI, from the environment and from a file that is followed."""
