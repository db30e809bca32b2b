"""Upstream's wire form: requests and envelopes out, events and errors in. Pure."""
