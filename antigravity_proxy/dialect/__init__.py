"""Client dialects: each decodes its requests to canonical calls and encodes canonical chunks to its answers. Pure."""
