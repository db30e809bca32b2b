"""Anthropic's Messages form, as Claude on Vertex takes it: `Call` → request, events → `Chunk`s, errors. Pure."""
