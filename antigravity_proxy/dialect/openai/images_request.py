"""Decodes ``POST /v1/images/generations`` and ``/v1/images/edits`` (translation.md 6). Pure."""

from __future__ import annotations

import re
from functools import partial
from typing import Literal, TypeVar

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from antigravity_proxy.canonical import pictures
from antigravity_proxy.canonical.call import Call, OutputFormat
from antigravity_proxy.canonical.content import Content, Part
from antigravity_proxy.canonical.estimate import input_tokens, text_tokens
from antigravity_proxy.canonical.pictures import PictureForm
from antigravity_proxy.dialect import media
from antigravity_proxy.dialect.base import Decoded
from antigravity_proxy.dialect.numbers import Whole, whole
from antigravity_proxy.dialect.openai.form import Form, Upload, is_form, read_form
from antigravity_proxy.dialect.openai.images_answer import PictureOptions, new_answer
from antigravity_proxy.dialect.parse import parse
from antigravity_proxy.errors import BadRequest

#: for requests that name no model
_MODEL = "gpt-image-1"
_MAX_PICTURES = 10
_MAX_IMAGES = 16
_PIXELS = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})", re.ASCII)
#: sizes by quality; the others mean the smallest, which is upstream's own choice (upstream.md 8.5)
_QUALITIES = {"medium": "2K", "high": "4K", "hd": "4K", "xhigh": "4K", "max": "4K"}
_STYLES = {"vivid": "Make it vivid: hyper-real and dramatic.", "natural": "Make it natural, not hyper-real."}
_TRANSPARENT = "Make the background transparent."
_MASK = "The last image is a mask: change only its transparent area."


class PictureSettings(Struct, kw_only=True):
    """The common fields of both bodies; unknown fields are ignored, null is absent."""

    prompt: str | None = None
    model: str | None = None
    n: Whole | None = None
    size: str | None = None
    quality: Literal["low", "medium", "high", "xhigh", "max", "auto", "standard", "hd"] | None = None
    response_format: Literal["url", "b64_json"] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    output_compression: Whole | None = None
    background: Literal["transparent", "opaque", "auto"] | None = None
    style: Literal["vivid", "natural"] | None = None
    stream: bool | None = None
    partial_images: Whole | None = None
    aspect_ratio: str | None = None
    image_size: str | None = None


class _ImageRef(Struct):
    image_url: str | None = None


class EditRequest(PictureSettings, kw_only=True):
    """The JSON form of an edit."""

    images: list[_ImageRef] | None = None
    mask: _ImageRef | None = None


_settings = msgspec.json.Decoder(PictureSettings)
_edit = msgspec.json.Decoder(EditRequest)
S = TypeVar("S", bound=PictureSettings)


def decode(body: bytes) -> Decoded:
    """A request for new pictures; raises BadRequest with the ``param`` at fault."""
    return _decoded(parse(body, _settings), [], None, b"image_generation")


def decode_edit(body: bytes, content_type: str) -> Decoded:
    """A request for changed pictures, as a form or as JSON; raises BadRequest with the ``param`` at fault."""
    settings: PictureSettings
    if is_form(content_type):
        form = read_form(body, content_type)
        settings = form.fields(PictureSettings)
        images, mask = _uploaded(form)
    else:
        settings = request = parse(body, _edit)
        images = [_linked(image, f"images[{i}]") for i, image in enumerate(request.images or ())]
        mask = _linked(request.mask, "mask") if request.mask is not None else None
    field = "image" if is_form(content_type) else "images"
    if not images:
        raise BadRequest("There is no image to edit.", param=field)
    if len(images) > _MAX_IMAGES:
        raise BadRequest(f"At most {_MAX_IMAGES} images in one request.", param=field)
    return _decoded(settings, images, mask, b"image_edit")


def _decoded(settings: PictureSettings, images: list[Part], mask: Part | None, event: bytes) -> Decoded:
    if not settings.prompt:
        raise BadRequest("There is no prompt.", param="prompt")
    whole(settings.output_compression, "output_compression", 0, 100)
    whole(settings.partial_images, "partial_images", 0, 3)
    sentences = [
        settings.prompt,
        _STYLES.get(settings.style or "", ""),
        _TRANSPARENT if settings.background == "transparent" else "",
        _MASK if mask is not None else "",
    ]
    prompt = "\n".join(filter(None, sentences))
    shown = [*images, *([mask] if mask is not None else [])]
    model = settings.model or _MODEL
    form = _form(settings, model)
    call = Call(
        model=model,
        contents=(Content("user", (*shown, Part(text=prompt))),),
        output=OutputFormat("image"),
        extra_config={"imageConfig": Raw(msgspec.json.encode(form))} if form != PictureForm() else {},
        choices=whole(settings.n, "n", 1, _MAX_PICTURES) or 1,
        stream=bool(settings.stream),
    )
    options = PictureOptions(  # holds none of the images: the answer outlives them
        event=event,
        stream=call.stream,
        as_url=settings.response_format == "url",
        quality=settings.quality,
        background=settings.background,
        reads_images=bool(shown),
        text_estimate=text_tokens(prompt),
        input_estimate=input_tokens(call),
    )
    return Decoded(call, partial(new_answer, options), any_will_do=True)


def _form(settings: PictureSettings, model: str) -> PictureForm:
    """The picture's form, by the first that says something of it: our own fields, size, model's name, quality."""
    own, size = _own_form(settings), _sized(settings.size)
    name, quality = pictures.of_name(model), PictureForm(image_size=_QUALITIES.get(settings.quality or "", ""))
    form = PictureForm()
    for said in (own, size, name, quality):
        form = replace(
            form, aspect_ratio=form.aspect_ratio or said.aspect_ratio, image_size=form.image_size or said.image_size
        )
    return form if form.image_size != "1K" or own.image_size else replace(form, image_size="")


def _own_form(settings: PictureSettings) -> PictureForm:
    ratio, size = settings.aspect_ratio or "", (settings.image_size or "").upper()
    if ratio and ratio not in pictures.RATIOS:
        raise BadRequest(f"aspect_ratio must be one of {', '.join(pictures.RATIOS)}.", param="aspect_ratio")
    if size and size not in pictures.SIZES:
        raise BadRequest(f"image_size must be one of {', '.join(pictures.SIZES)}.", param="image_size")
    return PictureForm(ratio, size)


def _sized(size: str | None) -> PictureForm:
    if not size or size == "auto":
        return PictureForm()
    pixels = _PIXELS.fullmatch(size)
    if pixels is None:
        raise BadRequest('size must be "auto" or a width and height such as "1024x1536".', param="size")
    return pictures.of_pixels(int(pixels[1]), int(pixels[2]))


def _uploaded(form: Form) -> tuple[list[Part], Part | None]:
    if form.files("markup"):
        raise BadRequest("markup is not supported.", param="markup")
    masks = form.files("mask")
    if len(masks) > 1:
        raise BadRequest("There is more than one mask.", param="mask")
    return [_image(upload, "image") for upload in form.files("image")], _image(masks[0], "mask") if masks else None


def _image(upload: Upload, param: str) -> Part:
    if not upload.data:
        raise BadRequest("The file is empty.", param=param)
    declared = upload.mime_type if upload.mime_type.startswith("image/") else ""
    return _checked(media.inline_bytes(declared, upload.data), param)


def _linked(image: _ImageRef, param: str) -> Part:
    if not image.image_url:
        raise BadRequest("Send the image itself, as a data URL in image_url.", param=param)
    return _checked(media.from_url(image.image_url, f"{param}.image_url"), param)


def _checked(part: Part, param: str) -> Part:
    blob = part.inline_data
    if blob is None or not blob.mime_type.startswith("image/"):
        raise BadRequest("This is not an image.", param=param)
    return part
