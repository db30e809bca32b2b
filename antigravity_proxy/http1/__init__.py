"""HTTP/1.1 on the hot path: a strict parser for both sides, and a socket's shortest way out."""
