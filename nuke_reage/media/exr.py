"""EXR in and out: plates are read here, layers written and read."""

from __future__ import annotations

from nuke_reage.media.exr_write import COMPRESSIONS, HALF_MAX, WriteReport, write_layers
from nuke_reage.media.image_read import PlateHeader, read_header, read_plate
from nuke_reage.media.layers import Layers, Part, blank_part, read_layer_metadata, read_layers

__all__ = [
    "COMPRESSIONS",
    "HALF_MAX",
    "Layers",
    "Part",
    "PlateHeader",
    "WriteReport",
    "blank_part",
    "read_header",
    "read_layer_metadata",
    "read_layers",
    "read_plate",
    "write_layers",
]
