"""``antigravity-proxy``: the operator's command, a module for each group of sub-commands; ``main`` is its face.

What a sub-command needs is imported when it runs.
"""
