"""The running daemon: its assembly, its life, and what joins its parts. ``service.make`` is the way in."""
