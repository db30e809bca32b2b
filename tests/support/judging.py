"""What Code Assist's refusals mean, for tests that need a verdict."""

from __future__ import annotations

from antigravity_proxy.codeassist.wire import CodeAssist

judge = CodeAssist(lambda: "").judge
