"""What the daemon remembers over a restart, in a directory of its own: facts, usage (contract.md 10)."""
