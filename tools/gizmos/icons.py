"""The icons: a face split in two, young and lined; Apply has a brush over it."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw

__all__ = ["icons"]

_DRAWN_PX = 384
_SIZES = {"": 24, "@2x": 48, "_128": 128}
_YOUNG, _OLD, _LINE, _BRUSH = (247, 190, 150, 255), (203, 150, 118, 255), (92, 58, 42, 255), (235, 96, 44, 255)


def icons() -> dict[str, bytes]:
    """PNG files by name: 24 x 24 for menus, 48 x 48 for screens of double density, 128 x 128."""
    made = {}
    for name, brush in (("ReAge", False), ("ReAgeApply", True)):
        large = _draw(brush=brush)
        for suffix, size in _SIZES.items():
            buffer = io.BytesIO()
            large.resize((size, size), Image.Resampling.LANCZOS).save(buffer, "PNG")
            made[f"{name}{suffix}.png"] = buffer.getvalue()
    return made


def _draw(*, brush: bool) -> Image.Image:
    size = _DRAWN_PX
    image = Image.new("RGBA", (size, size), (0, 0, 0, 0))
    old = Image.new("RGBA", (size, size), (0, 0, 0, 0))
    oval = (62, 22, 322, 362)
    ImageDraw.Draw(image).ellipse(oval, fill=_YOUNG, outline=_LINE, width=16)
    ImageDraw.Draw(old).ellipse(oval, fill=_OLD, outline=_LINE, width=16)
    image.paste(old.crop((size // 2, 0, size, size)), (size // 2, 0))
    draw = ImageDraw.Draw(image)
    for x in (136, 248):
        draw.ellipse((x - 20, 150, x + 20, 190), fill=_LINE)
    draw.arc((132, 190, 252, 292), 25, 155, fill=_LINE, width=16)
    for box, start, end in (((206, 70, 290, 120), 200, 320), ((206, 100, 300, 150), 200, 320)):
        draw.arc(box, start, end, fill=_LINE, width=13)
    for y in (146, 172, 198):
        draw.line((284, 168, 306, y), fill=_LINE, width=11)
    draw.arc((216, 196, 296, 320), 290, 20, fill=_LINE, width=13)
    draw.line((size // 2, 40, size // 2, 344), fill=(255, 255, 255, 230), width=8)
    if brush:
        draw.line((366, 366, 250, 250), fill=_BRUSH, width=44)
        draw.polygon([(270, 226), (226, 270), (196, 196)], fill=_LINE)
    return image
