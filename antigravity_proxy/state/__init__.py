"""The daemon's memory over restarts, in a directory of its own: facts, usage (contract.md 10)."""
