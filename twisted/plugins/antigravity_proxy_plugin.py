"""Makes ``twistd antigravity`` known. Nothing else here: every ``twistd`` of the machine imports this file."""

from twisted.application.service import ServiceMaker

antigravity = ServiceMaker(
    "antigravity-proxy",
    "antigravity_proxy.tap",
    "OpenAI-, Anthropic- and Gemini-compatible API over the accounts of a credential volume",
    "antigravity",
)
