"""The neutral form between dialects and upstream: what a client asks (Call) and what upstream answers (Chunk). Pure."""
