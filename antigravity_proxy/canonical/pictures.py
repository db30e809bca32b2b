"""The forms in which upstream makes pictures, and what clients call them. Pure (upstream.md 8.5)."""

from __future__ import annotations

import math

from msgspec import Struct

#: width by height of the ratios that upstream knows
RATIOS = {
    ratio: int(ratio.partition(":")[0]) / int(ratio.partition(":")[2])
    for ratio in ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
}
#: sizes, the smallest first, with the longest side in pixels that still counts as one
SIZES = {"1K": 1280, "2K": 2560, "4K": math.inf}
#: what is asked for if a size is refused
SMALLER = {"4K": "2K", "2K": "1K"}

_NAMED_RATIOS = {ratio.replace(":", "x"): ratio for ratio in RATIOS}
_NAMED_SIZES = {"2k": "2K", "4k": "4K", "hd": "4K"}


class PictureForm(Struct, frozen=True, rename="camel", omit_defaults=True):
    """``imageConfig``: upstream's word for the ratio and for the size; empty where nothing is said."""

    aspect_ratio: str = ""
    image_size: str = ""


def of_pixels(width: int, height: int) -> PictureForm:
    """The form nearest to a width and a height, both above 0."""
    wanted = math.log(width / height)
    ratio = min(RATIOS, key=lambda ratio: abs(wanted - math.log(RATIOS[ratio])))
    return PictureForm(ratio, next(size for size, side in SIZES.items() if max(width, height) <= side))


def of_name(model: str) -> PictureForm:
    """The form that a model's name ends with, such as ``…-image-16x9-4k``."""
    ratio = size = ""
    for piece in reversed(model.lower().rsplit("-", 2)[1:]):
        if piece in _NAMED_RATIOS and not ratio:
            ratio = _NAMED_RATIOS[piece]
        elif piece in _NAMED_SIZES and not size:
            size = _NAMED_SIZES[piece]
        else:
            break
    return PictureForm(ratio, size)
