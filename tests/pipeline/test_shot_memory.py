"""What a worker remembers of a shot changes no result."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nuke_reage.core.errors import FaceError
from nuke_reage.faces.trackfile import Track
from nuke_reage.pipeline.bake import bake
from nuke_reage.pipeline.memory import ShotMemory
from nuke_reage.pipeline.shot import open_shot


@pytest.mark.slow
def test_a_remembered_shot_is_the_same_and_a_changed_one_is_seen(shots, tmp_path):
    plate = shots.write(tmp_path / "p.####.exr", shots.move(3))
    job = shots.job(plate, tmp_path / "o.####.exr", layers=("delta", "mask", "regions", "protect"))
    shots.bake(job)
    memory = ShotMemory()

    def again(job, frame):
        out = tmp_path / "again" / "o.####.exr"
        known = replace(job, face=replace(job.face, track=str(tmp_path / "o.track.json")))
        shot = open_shot(
            replace(known, output=replace(job.output, path=str(out))),
            frames=str(frame),
            predictors=shots.predictors,
            memory=memory,
        )
        (result,) = bake(shot, overwrite=True)
        assert result.state == "baked" and result.network_seconds > 0
        return shot, shots.layers(result.path)

    first, _ = again(job, 1001)
    second, layers = again(job, 1002)
    assert second.track is first.track and second.canvas is first.canvas
    assert second.encoding.working_space is first.encoding.working_space
    theirs = shots.layers(tmp_path / "o.1002.exr")
    assert theirs.keys() == layers.keys() and all(np.array_equal(layers[name], theirs[name]) for name in theirs)

    wider, _ = again(replace(job, mask=replace(job.mask, expand=0.2)), 1002)
    assert wider.canvas != second.canvas, "the mask reaches further"
    other, _ = again(replace(job, plate=replace(job.plate, colorspace="ACES2065-1")), 1002)
    assert other.encoding.working_space.name == "ACES2065-1"

    path = tmp_path / "o.track.json"
    track = Track.load(path)
    face = track.faces[0]
    replace(track, faces={0: replace(face, frames={1002: face.frames[1002]})}).save(path)
    changed, _ = again(job, 1002)
    assert tuple(changed.face.present_frames) == (1002,)
    path.write_text("{")
    with pytest.raises(FaceError):
        again(job, 1002)
