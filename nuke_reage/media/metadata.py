"""Header attributes: what a layer file inherits from its plate, and what it must not.

A plate's header mixes three kinds of attributes.  Facts about the shot (timecode, keycode, camera, chromaticities,
frame rate, custom keys) are passed on.  Facts about the *file* (compression, chunk counts, part names, hashes of the
node that wrote it, Cryptomatte manifests) would be lies in another file and are left behind.  Notes of stills cameras
and paint programs (EXIF, GPS, XMP, ICC profile, thumbnails) mean nothing in an EXR and may be private.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import OpenImageIO as oiio  # noqa: N813

__all__ = ["Attribute", "MetadataValue", "apply_metadata", "inherited_metadata", "without_malformed"]

_FILE_PREFIXES = ("oiio:", "openexr:", "cryptomatte/", "png:", "tiff:", "jpeg:", "textureformat", "ICCProfile")
_FILE_NAMES = frozenset(
    {
        "CompressionQuality",
        "ExifVersion",
        "Orientation",
        "PixelAspectRatio",
        "Software",
        "acesImageContainerFlag",
        "chunkCount",
        "compression",
        "deepImageState",
        "dwaCompressionLevel",
        "multiView",
        "name",
        "nuke/full_layer_names",
        "nuke/node_hash",
        "originalDataWindow",
        "planarconfig",
        "preview",
        "tiles",
        "type",
        "version",
        "view",
        "wrapmodes",
        "zipCompressionLevel",
    }
)
_KEPT_OF_STILLS = frozenset(
    {"Artist", "Copyright", "FramesPerSecond", "ImageDescription", "smpte:KeyCode", "smpte:TimeCode"}
)
# OpenImageIO reads a box as two vectors and cannot write it under that type.
_TYPE_REPAIRS = {"vector2i[2]": "box2i", "double": "float"}
# What OpenEXR insists on when it writes a file of several parts; it reads anything under that name.
_STANDARD_TYPES = {"chromaticities": "float[8]"}


@dataclass(frozen=True)
class Attribute:
    """One header attribute with its type, so that a timecode stays a timecode.

    Attributes:
        type_name: OpenImageIO's name of the type, for example ``timecode``, ``rational`` or ``float[8]``.
        value: the value as OpenImageIO hands it over: a number, a string or a tuple of them.
    """

    type_name: str
    value: Any


MetadataValue = Attribute | str | int | float


def inherited_metadata(spec: oiio.ImageSpec, *, from_exr: bool) -> Mapping[str, Attribute]:
    """The attributes of a plate's header that another file about the same shot may carry.

    Args:
        spec: header of the plate.
        from_exr: whether the plate is an EXR; of other formats only the few shot-related attributes are kept.

    Returns:
        Attributes by OpenImageIO's name, in the header's order, read-only.
    """
    kept = {}
    for parameter in spec.extra_attribs:
        name = parameter.name
        if from_exr:
            wanted = name not in _FILE_NAMES and not name.startswith(_FILE_PREFIXES)
        else:
            wanted = name in _KEPT_OF_STILLS
        if wanted and parameter.value is not None:
            kept[name] = Attribute(str(parameter.type), parameter.value)
    return MappingProxyType(kept)


def without_malformed(metadata: Mapping[str, MetadataValue]) -> tuple[dict[str, MetadataValue], list[str]]:
    """Leave out standard attributes of a wrong type, with which no EXR could be written.

    Args:
        metadata: attributes by name.

    Returns:
        The others, and a sentence for each that was left out.
    """
    kept = dict(metadata)
    notes = []
    for name, expected in _STANDARD_TYPES.items():
        value = kept.get(name)
        found = value.type_name if isinstance(value, Attribute) else type(value).__name__
        if value is not None and found != expected:
            del kept[name]
            notes.append(f"the attribute {name!r} is a {found} where a {expected} belongs, and was left out")
    return kept, notes


def apply_metadata(spec: oiio.ImageSpec, metadata: Mapping[str, MetadataValue]) -> None:
    """Put attributes into the header of a file that is about to be written.

    Args:
        spec: header to fill.
        metadata: attributes by name; plain numbers and strings get the obvious type.

    Raises:
        TypeError: a value is neither an attribute, a string nor a number.
    """
    if "DateTime" not in metadata:
        # Left alone, OpenImageIO stamps the time of writing as the capture date, and no two bakes compare equal.
        spec.attribute("DateTime", "")
    for name, value in metadata.items():
        if isinstance(value, Attribute):
            type_name = _TYPE_REPAIRS.get(value.type_name, value.type_name)
            spec.attribute(name, oiio.TypeDesc(type_name), value.value)
        elif isinstance(value, str | int | float):
            spec.attribute(name, int(value) if isinstance(value, bool) else value)
        else:
            raise TypeError(f"metadata {name!r} is a {type(value).__name__}; expected Attribute, str, int or float")
