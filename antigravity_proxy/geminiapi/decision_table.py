"""The Gemini API's decision table (official-upstreams.md 6.3): every failure once. Pure.

The rows that Vertex has too are those of ``generatecontent.official``.
"""

from __future__ import annotations

from antigravity_proxy.canonical.verdict import Row
from antigravity_proxy.generatecontent import official
from antigravity_proxy.generatecontent.verdicts import anything

TABLE: tuple[Row, ...] = (
    *official.QUOTA_ROWS,
    Row({429}, anything, official.EXHAUSTED),
    *official.CREDENTIAL_ROWS,
    Row({401}, anything, official.KEY_KIND),  # a key was sent: there is no token to renew
    Row({404}, anything, official.NO_SUCH_MODEL),
    *official.REQUEST_ROWS,
)
