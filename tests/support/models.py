"""The models that this release knows, for tests."""

from __future__ import annotations

from antigravity_proxy.canonical.model_file import BUNDLED

#: the accounts', by id
MODELS = BUNDLED.accounts
