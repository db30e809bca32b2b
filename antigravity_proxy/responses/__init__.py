"""Responses that are kept for later requests of the same key (contract.md 8)."""
