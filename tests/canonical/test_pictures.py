"""The forms of pictures: from pixels, from names."""

from __future__ import annotations

import pytest

from antigravity_proxy.canonical.pictures import PictureForm, of_name, of_pixels


@pytest.mark.parametrize(
    ("width", "height", "ratio", "size"),
    [
        (256, 256, "1:1", "1K"),
        (1024, 1024, "1:1", "1K"),
        (1280, 1280, "1:1", "1K"),
        (1281, 1281, "1:1", "2K"),
        (1536, 1024, "3:2", "2K"),
        (1024, 1536, "2:3", "2K"),
        (1792, 1024, "16:9", "2K"),
        (1024, 1792, "9:16", "2K"),
        (2560, 1440, "16:9", "2K"),
        (2561, 1440, "16:9", "4K"),
        (3840, 1646, "21:9", "4K"),
        (800, 1000, "4:5", "1K"),
        (99999, 1, "21:9", "4K"),
        (1, 99999, "9:16", "4K"),
    ],
)
def test_the_nearest_form(width: int, height: int, ratio: str, size: str) -> None:
    assert of_pixels(width, height) == PictureForm(ratio, size)


@pytest.mark.parametrize(
    ("name", "ratio", "size"),
    [
        ("gemini-3-pro-image", "", ""),
        ("gemini-3-pro-image-16x9", "16:9", ""),
        ("gemini-3-pro-image-4k", "", "4K"),
        ("Gemini-3-pro-image-HD", "", "4K"),
        ("gemini-3-pro-image-9x16-2K", "9:16", "2K"),
        ("gemini-3-pro-image-2k-9x16", "9:16", "2K"),
        ("gemini-3-pro-image-1x1-9x16", "9:16", ""),
        ("gemini-3-pro-image-4k-2k", "", "2K"),
        ("gemini-4k-image", "", ""),
        ("gemini-3-pro-image-7x3", "", ""),
        ("4k", "", ""),
        ("", "", ""),
        ("-4k" * 100_000, "", "4K"),
    ],
)
def test_what_a_name_says(name: str, ratio: str, size: str) -> None:
    assert of_name(name) == PictureForm(ratio, size)
