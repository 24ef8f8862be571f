"""The two pictures that ``reage compare`` holds against each other, as one screen shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nuke_reage.core.errors import MediaError

if TYPE_CHECKING:
    from nuke_reage.evaluation.sheets import Bytes
    from nuke_reage.imaging.gamut import WorkingSpace
    from nuke_reage.media.plate import Plate
    from nuke_reage.media.sequence import PlateSource

__all__ = ["Pair"]


class Pair:
    """Two sources of one format, frame by frame.

    Where ReAge wrote a colour space into one of the two only, the other is taken to be in it too: a plate seldom names
    its own.  A still or movie beside a linear plate is sRGB, for so ReAge writes it.

    Args:
        one: the first source.
        other: the second.
        colorspace: of both; empty = as above, without any name scene_linear for EXR and sRGB for the rest.
        ocio_config: OCIO config; empty = ``$OCIO``, else the built-in one.
        tell: is told once of each source that is shown in the other's space.
    """

    def __init__(
        self, one: PlateSource, other: PlateSource, colorspace: str, ocio_config: str, tell: Callable[[str], None]
    ) -> None:
        self._sources = (one, other)
        self._colorspace = colorspace
        self._config = ocio_config or None
        self._tell = tell
        self._told: set[str] = set()

    def pictures(self, frame: int) -> tuple[Bytes, Bytes]:
        """Both pictures of a frame, sRGB, on the display window, with square pixels.

        Args:
            frame: frame number.

        Raises:
            MediaError: a picture cannot be read, or the two are not of one format.
            UsageError: there is no such colour space.
        """
        from nuke_reage.evaluation.sheets import screen_bytes
        from nuke_reage.pipeline.finished import on_display_window, square_pixels

        first, second = (source.read(frame) for source in self._sources)
        formats = [plate.display_window for plate in (first, second)]
        if formats[0].shape != formats[1].shape:
            sizes = " and ".join(f"{one.width} x {one.height}" for one in formats)
            raise MediaError("other-size", f"Frame {frame} has {sizes} pixels.", "Compare pictures of one size.")
        # PNG and JPEG forget the shape of a plate's pixels: of two pictures of one size the other may know it.
        aspect = first.pixel_aspect if first.pixel_aspect != 1.0 else second.pixel_aspect
        spaces = self._spaces(first, second)
        left, right = (
            square_pixels(screen_bytes(on_display_window(plate), space), aspect)
            for plate, space in zip((first, second), spaces, strict=True)
        )
        return left, right

    def _spaces(self, first: Plate, second: Plate) -> tuple[WorkingSpace, WorkingSpace]:
        if self._colorspace:
            both = self._named(self._colorspace)
            return both, both
        written = [_written(plate) for plate in (first, second)]
        one, other = self._sources
        return self._space_of(one, written[0], written[1]), self._space_of(other, written[1], written[0])

    def _space_of(self, source: PlateSource, own: str, others: str) -> WorkingSpace:
        if own and source.is_scene_linear:
            # A comp is in the space of its plate, be it an EXR or not.
            return self._named(own)
        usual = self._named("scene_linear" if source.is_scene_linear else "srgb")
        if not others:
            return usual
        borrowed = self._named(others)
        if borrowed.is_linear and not source.is_scene_linear:
            return usual
        if borrowed.name != usual.name and source.spec not in self._told:
            self._told.add(source.spec)
            self._tell(f"{source.spec} names no colour space; it is shown as {borrowed.name}, like the other.")
        return borrowed

    def _named(self, name: str) -> WorkingSpace:
        from nuke_reage.imaging.gamut import WorkingSpace

        return WorkingSpace.from_name(name, self._config)


def _written(plate: Plate) -> str:
    """The colour space that ReAge noted in a file, empty where there is none."""
    note = plate.metadata.get("reage/colorspace")
    return str(note.value) if note else ""
