"""A pytest plugin for google-genai's own tests: what they would ask Google goes to $GOOGLE_GEMINI_BASE_URL.

Their client takes no URL from outside, and the source package leaves out the files that they send: some of each kind
are put in their place.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from google.genai import _api_client
from PIL import Image

GOOGLE = "https://generativelanguage.googleapis.com/"
PICTURES = (
    "bridge1.png", "checkerboard.png", "dog.jpg", "google.jpg", "google.png", "google_homepage.png", "man.jpg",
)  # fmt: skip
#: by file name: how a file of that kind begins
OTHERS = {
    "animal.mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
    "pixel.m4a": b"\0\0\0\x18ftypM4A \0\0\0\0M4A isom",
    "story.pdf": b"%PDF-1.4\n%%EOF\n",
    "story.txt": b"A story.\n",
    "voice_sample.wav": b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\0\0\0",
}

_init = _api_client.BaseApiClient.__init__


def _to_the_server(self: Any, *args: Any, **fields: Any) -> None:
    _init(self, *args, **fields)
    if self._http_options.base_url == GOOGLE:
        self._http_options.base_url = os.environ["GOOGLE_GEMINI_BASE_URL"]


def pytest_configure() -> None:
    """Before anything is collected: some files are read at import."""
    _api_client.BaseApiClient.__init__ = _to_the_server  # type: ignore[method-assign]
    data = Path(_api_client.__file__).parent / "tests" / "data"
    data.mkdir(exist_ok=True)
    for name in PICTURES:
        Image.new("RGB", (8, 8)).save(data / name)
    for name, content in OTHERS.items():
        (data / name).write_bytes(content)
