"""What the operator's command does, a module for each matter; ``antigravity_proxy.cli`` is its face."""
