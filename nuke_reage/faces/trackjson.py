"""The text of a trackfile: JSON with one line a frame, so that it can be read, edited, compared and merged.

::

    {"format": "reage.track",
     "version": 1,
     "plate": {"pattern": "shot.####.exr", ...},
     "backend": "mediapipe",
     "faces": {
      "0": {
       "exposure_gain": 1.25,
       "white_gain": [1.0, 1.0, 1.0],
       "overrides": {
        "1010": {"centre_x": 960.5, "centre_y": 540.0, "side_px": 700.0, "angle_degrees": -3.0}},
       "frames": {
        "1001": {"state": "detected", "confidence": 0.9991, "pose": {...}, "landmarks": [x0, y0, x1, y1, ...]},
        "1002": {"state": "missing"}}}}}
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NoReturn, cast, get_args

import numpy as np

from nuke_reage.core.errors import FaceError
from nuke_reage.core.strict import nearest
from nuke_reage.faces.crops import ManualCrop
from nuke_reage.faces.types import LANDMARK_COUNT, Pose, TrackedFace, TrackState

__all__ = ["HINT", "FaceContent", "TrackContent", "parse", "render"]

_FORMAT = "reage.track"
_VERSION = 1
_FAR_PX = 1e6
"""No plate is that large: such a number is damage, and would only fill the memory."""

_THIN_PX = 1e-3
HINT = (
    "Correct the file by hand, or replace it: reage track PLATE -o FILE --overwrite. The old one is kept as FILE.bak, "
    "with what was keyed by hand."
)
"""What to do about a damaged file."""

_PLATE_KINDS: Mapping[str, type] = {
    "pattern": str,
    "fingerprint": str,
    "display_width": int,
    "display_height": int,
    "pixel_aspect": float,
}


@dataclass(frozen=True, eq=False)
class FaceContent:
    """What the file holds of one face."""

    frames: dict[int, TrackedFace]
    exposure_gain: float = 1.0
    white_gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    overrides: dict[int, ManualCrop] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class TrackContent:
    """What the file holds."""

    version: int
    plate: Mapping[str, Any]
    backend: str
    faces: dict[int, FaceContent]


def render(content: TrackContent) -> str:
    """The file's text."""
    faces = []
    for face_id, face in sorted(content.faces.items()):
        overrides = (f'    "{frame}": {_line(asdict(crop))}' for frame, crop in sorted(face.overrides.items()))
        frames = (f'    "{frame}": {_line(_frame_out(one))}' for frame, one in sorted(face.frames.items()))
        faces.append(
            f'  "{face_id}": {{\n'
            f'   "exposure_gain": {_line(face.exposure_gain)},\n'
            f'   "white_gain": {_line(list(face.white_gain))},\n'
            f'   "overrides": {_block(overrides)},\n'
            f'   "frames": {_block(frames)}}}'
        )
    return (
        f'{{"format": "{_FORMAT}",\n "version": {content.version},\n "plate": {_line(dict(content.plate))},\n'
        f' "backend": {_line(content.backend)},\n "faces": {_block(faces)}}}\n'
    )


def parse(text: str, where: str) -> TrackContent:
    """Read the file's text.

    Args:
        text: of the file.
        where: its name, for messages.

    Raises:
        FaceError: cut off, not a trackfile, of a newer version, or with an unknown key or a bad value.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        _corrupt(where, f"it is not whole JSON ({error})")
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        _corrupt(where, f"it does not say that its format is {_FORMAT}")
    version = data.get("version")
    if version != _VERSION:
        raise FaceError(
            "track-version",
            f"Trackfile {where} has version {version!r}; this ReAge reads {_VERSION}.",
            "Replace it with reage track PLATE -o FILE --overwrite, or use the version that wrote the file.",
        )
    _keys(data, {"format", "version", "plate", "backend", "faces"}, where)
    plate = _object(data["plate"], f"{where}: plate")
    _keys(plate, set(_PLATE_KINDS), f"{where}: plate")
    checked = {name: _value(plate[name], kind, f"{where}: plate.{name}") for name, kind in _PLATE_KINDS.items()}
    if checked["pixel_aspect"] <= 0:
        _corrupt(where, "its pixel_aspect is not above 0")
    faces = {
        _whole(face_id, f"{where}: faces"): _face_in(face, f"{where}: face {face_id}")
        for face_id, face in _object(data["faces"], f"{where}: faces").items()
    }
    return TrackContent(version, checked, _value(data["backend"], str, f"{where}: backend"), faces)


def _face_in(data: Any, where: str) -> FaceContent:
    face = _object(data, where)
    _keys(face, {"exposure_gain", "white_gain", "overrides", "frames"}, where)
    gain = _value(face["exposure_gain"], float, f"{where}: exposure_gain")
    white = _numbers(face["white_gain"], 3, f"{where}: white_gain")
    if gain <= 0 or min(white) <= 0:
        _corrupt(where, "a gain is not above 0")
    names = {one.name for one in fields(ManualCrop)}
    overrides = {}
    for frame, crop in _object(face["overrides"], f"{where}: overrides").items():
        place = f"{where}: override {frame}"
        _keys(_object(crop, place), names, place)
        values = {name: _value(crop[name], float, f"{place}: {name}") for name in names}
        overrides[_whole(frame, place)] = ManualCrop(**values)
    frames = {
        _whole(frame, f"{where}: frames"): _frame_in(one, f"{where}: frame {frame}")
        for frame, one in _object(face["frames"], f"{where}: frames").items()
    }
    return FaceContent(frames, gain, (white[0], white[1], white[2]), overrides)


def _frame_in(data: Any, where: str) -> TrackedFace:
    frame = _object(data, where)
    state = frame.get("state")
    if state not in get_args(TrackState):
        _corrupt(where, f"state {state!r} is none of {', '.join(get_args(TrackState))}")
    if state == "missing":
        _keys(frame, {"state"}, where)
        return TrackedFace.missing()
    _keys(frame, {"state", "confidence", "pose", "landmarks"}, where)
    pose = _object(frame["pose"], f"{where}: pose")
    names = [one.name for one in fields(Pose)]
    _keys(pose, set(names), f"{where}: pose")
    values = [_value(pose[name], float, f"{where}: pose.{name}") for name in names]
    if values[names.index("scale_px")] <= 0:
        _corrupt(where, "its scale_px is not above 0")
    landmarks = _numbers(frame["landmarks"], 2 * LANDMARK_COUNT, f"{where}: landmarks")
    if max(map(abs, [*values, *landmarks])) > _FAR_PX:
        _corrupt(where, f"a pose or landmark is further away than {_FAR_PX:g} pixels")
    points = np.array(landmarks, np.float32).reshape(LANDMARK_COUNT, 2)
    if np.linalg.eigvalsh(np.cov(points.T.astype(np.float64)))[0] < _THIN_PX**2:
        _corrupt(where, "its landmarks lie on one line")
    confidence = _value(frame["confidence"], float, f"{where}: confidence")
    return TrackedFace(points, Pose(*values), confidence, cast(TrackState, state))


def _frame_out(face: TrackedFace) -> dict[str, Any]:
    if not face.is_present:
        return {"state": "missing"}
    landmarks = [round(value, 4) for value in face.landmarks.astype(np.float64).ravel().tolist()]
    return {"state": face.state, "confidence": face.confidence, "pose": asdict(face.pose), "landmarks": landmarks}


def _line(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def _block(lines: Iterable[str]) -> str:
    inside = ",\n".join(lines)
    return f"{{\n{inside}}}" if inside else "{}"


def _keys(data: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in data:
        if key not in known:
            raise FaceError("unknown-track-key", f"{where} has no setting {key!r}.", nearest(str(key), known))
    for key in sorted(known):
        if key not in data:
            _corrupt(where, f"{key!r} is missing")


def _object(data: Any, where: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        _corrupt(where, "an object is expected")
    return data


def _whole(text: str, where: str) -> int:
    try:
        return int(text)
    except ValueError:
        _corrupt(where, f"{text!r} is not a whole number")


def _value(value: Any, kind: type, where: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 2**1000 else math.inf
    if not isinstance(value, kind) or isinstance(value, bool):
        _corrupt(where, f"{value!r} is not {'a number' if kind is float else kind.__name__}"[:100])
    if isinstance(value, float) and not math.isfinite(value):
        _corrupt(where, f"{value!r} is not finite")
    return value


def _numbers(values: Any, count: int, where: str) -> list[float]:
    if not isinstance(values, list) or len(values) != count:
        _corrupt(where, f"a list of {count} numbers is expected")
    if set(map(type, values)) == {float} and all(map(math.isfinite, values)):
        return values
    # Whole numbers and what is wrong are looked at one by one.
    return [_value(value, float, where) for value in values]


def _corrupt(where: str, why: str) -> NoReturn:
    raise FaceError("corrupt-track", f"Trackfile {where}: {why}.", HINT)
