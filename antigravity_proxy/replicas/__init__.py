"""One pool over many processes: what they share through Redis. ``service.Replicas`` is the way in."""
