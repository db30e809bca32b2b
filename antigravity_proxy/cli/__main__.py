"""``python -m antigravity_proxy.cli``."""

from __future__ import annotations

from antigravity_proxy.cli.main import main

main()
