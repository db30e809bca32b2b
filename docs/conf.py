"""How `make docs` renders the documents: Markdown by MyST, the OpenAPI documents by sphinxcontrib-openapi."""

from __future__ import annotations

from sphinxcontrib.httpdomain import HTTP_STATUS_CODES

from antigravity_proxy import __version__

project = "antigravity-proxy"
release = __version__
extensions = ["myst_parser", "sphinxcontrib.openapi"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**", "tests/README.md"]
exclude_patterns = [".*", "*/**/.*", "antigravity_proxy", "build", "docs/tools"]
html_theme = "furo"
html_title = f"antigravity-proxy {release}"
html_show_copyright = False
#: headings down to this level can be linked to, as on a forge
myst_heading_anchors = 4
#: Anthropic's, which the registry of HTTP statuses lacks
HTTP_STATUS_CODES[529] = "Overloaded"

#: with the fields of requests and answers
openapi_default_renderer = "httpdomain"
