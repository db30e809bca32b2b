"""``antigravity-proxy``: the operator's command, a module for each group of sub-commands; ``main`` is its face.

A sub-command imports what it needs when it runs.
"""
