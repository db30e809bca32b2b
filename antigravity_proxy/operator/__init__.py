"""What the operator's command does, a module for each sub-command; ``antigravity_proxy.cli`` is its face."""
