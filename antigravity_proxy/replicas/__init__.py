"""One pool over many processes: what they share through Redis. ``store.Replicas`` is the entry point."""
