"""Requests for pictures: new ones and changed ones, as JSON and as forms."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from support.forms import CONTENT_TYPE, Field, form
from support.mutations import WRONG, as_param, at, of_another_type, paths, replaced

from antigravity_proxy.canonical.call import Call, OutputFormat
from antigravity_proxy.canonical.content import Blob, Content, Part
from antigravity_proxy.dialect.base import Decoded
from antigravity_proxy.dialect.openai.images_request import EditRequest, PictureSettings, decode, decode_edit
from antigravity_proxy.errors import BadRequest

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
DATA = base64.b64encode(PNG).decode()
URL = "data:image/png;base64," + DATA
IMAGE = Part(inline_data=Blob("image/png", DATA))
FILE: tuple[str, Field] = ("image", ("a.png", PNG, "image/png"))


def generation(**fields: Any) -> Call:
    return decode(json.dumps({"prompt": "A cat", **fields}).encode()).call


def edit(*fields: tuple[str, Field]) -> Call:
    return decode_edit(form(("prompt", "Blue"), *fields), CONTENT_TYPE).call


def edit_json(**fields: Any) -> Call:
    body = {"prompt": "Blue", "images": [{"image_url": URL}], **fields}
    return decode_edit(json.dumps(body).encode(), "application/json").call


def asked(*parts: Part, model: str = "gpt-image-1", **more: Any) -> Call:
    return Call(model, (Content("user", parts),), output=OutputFormat("image"), **more)


def shape(call: Call) -> Any:
    return json.loads(bytes(call.extra_config.get("imageConfig", Raw(b"{}"))))


def test_a_prompt_is_enough() -> None:
    assert generation() == asked(Part(text="A cat"))


def test_null_is_absent_and_unknown_fields_are_ignored() -> None:
    nulls = {name: None for name in PictureSettings.__struct_fields__ if name != "prompt"}
    assert generation(**nulls, moderation=5, user=5) == generation()
    nulls = {name: None for name in EditRequest.__struct_fields__ if name not in ("prompt", "images")}
    assert edit_json(**nulls, input_fidelity=5) == asked(IMAGE, Part(text="Blue"))


def test_settings() -> None:
    found = generation(
        model="gemini-3-pro-image",
        n=2.0,
        stream=True,
        style="vivid",
        background="transparent",
        output_format="webp",
        output_compression=100,
        partial_images=3,
    )
    prompt = "A cat\nMake it vivid: hyper-real and dramatic.\nMake the background transparent."
    assert found == asked(Part(text=prompt), model="gemini-3-pro-image", choices=2, stream=True)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {}),
        ({"size": "auto", "quality": "auto"}, {}),
        ({"size": "1024x1024"}, {"aspectRatio": "1:1"}),
        ({"size": "1536x1024"}, {"aspectRatio": "3:2", "imageSize": "2K"}),
        ({"quality": "low"}, {}),
        ({"quality": "standard"}, {}),
        ({"quality": "medium"}, {"imageSize": "2K"}),
        *(({"quality": quality}, {"imageSize": "4K"}) for quality in ("high", "hd", "xhigh", "max")),
        ({"size": "1024x1024", "quality": "high"}, {"aspectRatio": "1:1"}),
        ({"model": "gemini-3-pro-image-16x9-2k", "quality": "high"}, {"aspectRatio": "16:9", "imageSize": "2K"}),
        ({"model": "gemini-3-pro-image-16x9", "quality": "high"}, {"aspectRatio": "16:9", "imageSize": "4K"}),
        ({"model": "gemini-3-pro-image-16x9-2k", "size": "512x512"}, {"aspectRatio": "1:1"}),
        ({"aspect_ratio": "21:9", "size": "1024x1024"}, {"aspectRatio": "21:9"}),
        ({"image_size": "4k", "size": "1024x1024"}, {"aspectRatio": "1:1", "imageSize": "4K"}),
        ({"image_size": "1K", "model": "gemini-3-pro-image-4k"}, {"imageSize": "1K"}),
    ],
)
def test_the_pictures_form_is_by_the_first_that_says_it(fields: dict[str, Any], expected: dict[str, str]) -> None:
    assert shape(generation(**fields)) == expected


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"n": 0}, "n"),
        ({"n": 11}, "n"),
        ({"n": 1.5}, "n"),
        ({"size": "big"}, "size"),
        ({"size": "0x1024"}, "size"),
        ({"size": "1024x"}, "size"),
        ({"size": "100000x1"}, "size"),
        ({"size": "1024x1024\n"}, "size"),
        ({"aspect_ratio": "5:1"}, "aspect_ratio"),
        ({"image_size": "8K"}, "image_size"),
        ({"output_format": "gif"}, "output_format"),
        ({"output_compression": 101}, "output_compression"),
        ({"partial_images": 4}, "partial_images"),
        ({"background": "blue"}, "background"),
    ],
)
def test_the_field_at_fault_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        generation(**fields)
    assert caught.value.param == param


def test_an_edit_as_a_form() -> None:
    assert edit(FILE) == asked(IMAGE, Part(text="Blue"))
    found = edit(FILE, ("n", "2"), ("stream", "true"), ("size", "1536x1024"), ("model", "m"))
    assert (found.choices, found.stream, found.model) == (2, True, "m")
    assert shape(found) == {"aspectRatio": "3:2", "imageSize": "2K"}


def test_several_images_and_a_mask_stand_in_their_order_before_the_prompt() -> None:
    sentence = "The last image is a mask: change only its transparent area."
    found = edit(
        ("image[]", ("a.png", PNG)),
        ("image[]", ("b", b"\xff\xd8\xff", "application/octet-stream")),
        ("mask", ("m", b"GIF8", "text/plain")),
        ("image[]", ("c", b"heic", "image/heic")),
    )
    (content,) = found.contents
    assert [part.inline_data.mime_type for part in content.parts[:-1] if part.inline_data] == [
        "image/png",
        "image/jpeg",
        "image/heic",
        "image/gif",
    ]
    assert content.parts[-1].text == f"Blue\n{sentence}"


def test_an_edit_as_json() -> None:
    assert edit_json() == asked(IMAGE, Part(text="Blue"))
    (content,) = edit_json(mask={"image_url": URL}).contents
    assert len(content.parts) == 3


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ([], "image"),
        ([FILE] * 17, "image"),
        ([("image", ("a.png", b""))], "image"),
        ([("image", ("a.png", b"text", "text/plain"))], "image"),
        ([("image", ("a.pdf", b"%PDF-1", "application/pdf"))], "image"),
        ([FILE, ("mask", ("m", b"x"))], "mask"),
        ([FILE, ("mask", ("m", PNG)), ("mask", ("m", PNG))], "mask"),
        ([FILE, ("markup", ("m", PNG))], "markup"),
        ([FILE, ("n", "many")], "n"),
        ([FILE, ("size", "x")], "size"),
        ([FILE, ("prompt", b"\xff")], "prompt"),
    ],
)
def test_the_field_of_a_form_at_fault_is_named(fields: list[tuple[str, Field]], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        edit(*fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"images": None}, "images"),
        ({"images": []}, "images"),
        ({"images": [{"image_url": URL}] * 17}, "images"),
        ({"images": [{"image_url": URL}, {"file_id": "f"}]}, "images[1]"),
        ({"images": [{"image_url": "https://example.com/a.png"}]}, "images[0].image_url"),
        ({"images": [{"image_url": "gs://bucket/a.png"}]}, "images[0]"),
        ({"images": [{"image_url": "data:text/plain;base64,eA=="}]}, "images[0]"),
        ({"mask": {"file_id": "f"}}, "mask"),
        ({"mask": {"image_url": "/etc/passwd"}}, "mask.image_url"),
    ],
)
def test_the_field_of_a_json_edit_at_fault_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        edit_json(**fields)
    assert caught.value.param == param


RICH: dict[str, Any] = {
    "prompt": "x",
    "model": "m",
    "n": 2,
    "size": "1024x1024",
    "quality": "high",
    "response_format": "url",
    "output_format": "png",
    "output_compression": 5,
    "background": "auto",
    "style": "vivid",
    "stream": True,
    "partial_images": 1,
    "aspect_ratio": "1:1",
    "image_size": "2K",
    "images": [{"image_url": URL}],
    "mask": {"image_url": URL},
}


@given(st.data())
def test_wrong_values_do_no_harm(data: st.DataObject) -> None:
    request = RICH
    for _ in range(data.draw(st.integers(1, 3))):
        request = replaced(request, data.draw(st.sampled_from(list(paths(request)))), data.draw(st.sampled_from(WRONG)))
    try:
        decoded: Decoded = decode_edit(json.dumps(request).encode(), "application/json")
    except BadRequest as e:
        assert e.message  # noqa: PT017 - only that it is a clear one matters
    else:
        assert decoded.any_will_do


@pytest.mark.parametrize("path", list(paths(RICH)), ids=as_param)
def test_a_wrong_type_is_refused_and_its_place_named(path: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        decode_edit(json.dumps(replaced(RICH, path, of_another_type(at(RICH, path)))).encode(), "application/json")
    assert caught.value.param == as_param(path)


@given(st.binary(max_size=100), st.text(max_size=40))
def test_no_bytes_raise_anything_else(body: bytes, content_type: str) -> None:
    for attempt in (
        lambda: decode(body),
        lambda: decode_edit(body, content_type),
        lambda: edit(("image", ("x", body))),
    ):
        try:
            attempt()
        except BadRequest as e:
            assert e.message  # noqa: PT017
