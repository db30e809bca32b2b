"""The operator's command, a module for each sub-command; ``antigravity_proxy.cli`` is its face."""
