"""The track as Nuke nodes and ST maps, held against the track itself."""

from __future__ import annotations

import re

import numpy as np
import pytest

from nuke_reage.core.errors import UsageError
from nuke_reage.core.tracknodes import TRACK_KINDS, script_of, track_node
from nuke_reage.core.trackpath import POINTS, TrackPath, TrackStep


def keys(text: str) -> list[dict[int, float]]:
    """Curves in a script's text."""
    return [
        {int(frame): float(value) for frame, value in re.findall(r"x(-?\d+) (-?[\d.]+)", curve)}
        for curve in re.findall(r"\{curve L ([^}]*)\}", text)
    ]


def knob(script: str, name: str) -> str:
    return next(line for line in script.splitlines() if line.startswith(f" {name} "))


@pytest.fixture(scope="module")
def scripts(plate, baked, tmp_path_factory):
    """The nodes of the six-frame plate's track, reference 1003, as the command writes them."""
    from click.testing import CliRunner

    from nuke_reage.cli.track import command

    folder = tmp_path_factory.mktemp("export")
    found = {}
    for kind in ("transform", "cornerpin", "tracker"):
        file = folder / f"{kind}.nk"
        done = CliRunner().invoke(
            command,
            [
                plate,
                "-o",
                str(file),
                "--export",
                kind,
                "--reference",
                "1003",
                "--track",
                str(baked / "shot.track.json"),
            ],
        )
        assert done.exit_code == 0, done.output
        found[kind] = file.read_text(encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def track(baked):
    from nuke_reage.faces.trackfile import Track

    return Track.load(baked / "shot.track.json").face()


def test_transform_carries_the_landmarks_of_the_reference_frame_along(scripts, track):
    script = scripts["transform"]
    assert script.startswith("Transform {\n")
    x, y = keys(knob(script, "translate"))
    (turn,), (scale,) = keys(knob(script, "rotate")), keys(knob(script, "scale"))
    centre = np.array(re.findall(r"[\d.]+", knob(script, "center")), float)
    assert (x[1003], y[1003], turn[1003], scale[1003]) == (0, 0, 0, 1), "nothing changes in the reference frame"
    then = track.at(1003).landmarks * (1, -1) + (0, 360)
    moved = 0.0
    for frame in (1001, 1002, 1004, 1005, 1006):
        now = track.at(frame).landmarks * (1, -1) + (0, 360)
        angle = np.radians(turn[frame])
        matrix = scale[frame] * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        placed = (then - centre) @ matrix.T + centre + (x[frame], y[frame])
        away, still = np.abs(placed - now).mean(), np.abs(then - now).mean()
        moved = max(moved, still)
        assert away < 0.6, frame
        assert away < 0.35 * still or still < 1, frame
    assert moved > 4, "the face does move"


def test_corner_pin_has_the_square_around_the_head(scripts, track):
    from nuke_reage.faces.crops import crop_of_face

    script = scripts["cornerpin"]
    to = [keys(knob(script, f"to{index}")) for index in (1, 2, 3, 4)]
    for frame in (1001, 1003, 1006):
        corners = np.array([[curve[frame] for curve in pair] for pair in to])
        crop = crop_of_face(track.at(frame), 1.0)
        assert np.allclose(corners.mean(axis=0), [crop.centre_x, 360 - crop.centre_y], atol=1e-3)
        assert np.allclose(np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1), crop.side_px, atol=2e-3)
        bottom, up = corners[1] - corners[0], corners[3] - corners[0]
        assert bottom[0] > 0 and up[1] > 0, "bottom left, bottom right, top right, top left"
        assert np.degrees(np.arctan2(bottom[1], bottom[0])) == pytest.approx(-crop.angle_degrees, abs=1e-3)
    for index in (1, 2, 3, 4):
        at = [float(one) for one in re.findall(r"-?[\d.]+", knob(script, f"from{index}").replace(f"from{index}", ""))]
        assert at == [curve[1003] for curve in to[index - 1]]


def test_tracker_has_five_points_on_the_face(scripts, track):
    script = scripts["tracker"]
    assert "{ 1 31 5 }" in script and script.count("{curve K x1003 1}") == 5
    curves = keys(script)
    assert len(curves) == 10 and [f'"{name}"' in script for name in POINTS] == [True] * 5
    for index, group in enumerate(([33, 133, 159, 145], [263, 362, 386, 374], [1, 4], [61, 291], [152])):
        middle = track.at(1005).landmarks[group].mean(axis=0) * (1, -1) + (0, 360)
        assert [curves[2 * index][1005], curves[2 * index + 1][1005]] == pytest.approx(middle, abs=1e-3)
    rows = [line for line in script.splitlines() if any(f'"{name}"' in line for name in POINTS)]
    assert len(rows) == 5
    for row in rows:
        inner = row.strip()[1:-1]
        cells = re.findall(r"\{[^{}]*\}|\"[^\"]*\"|\S+", inner)
        assert len(cells) == 31, "one value a column"


def test_st_maps_bring_every_frame_to_the_reference(reage, plate, baked, tmp_path):
    import OpenImageIO

    from nuke_reage.faces.trackfile import Track

    done = reage(
        "track", plate, "-o", tmp_path / "st.####.exr", "--export", "stmap", "--reference", "1003",
        "--track", baked / "shot.track.json", "--json",
    )  # fmt: skip
    assert done.code == 0 and done.json["frames"] == 6
    maps = {f: OpenImageIO.ImageBuf(str(tmp_path / f"st.{f}.exr")) for f in (1001, 1003, 1006)}
    values = {f: np.asarray(one.get_pixels(OpenImageIO.FLOAT)) for f, one in maps.items()}
    height, width = values[1003].shape[:2]
    across = (np.arange(width) + 0.5) / width
    assert np.allclose(values[1003][10, :, 0], across, atol=1e-6), "nothing moves in the reference frame"
    assert np.allclose(values[1003][:, 10, 1], ((np.arange(height) + 0.5) / height)[::-1], atol=1e-6)
    face = Track.load(baked / "shot.track.json").face()
    for frame in (1001, 1006):
        x, y = face.at(frame).landmarks[4]
        u, v = values[frame][int(y), int(x), :2]
        then = face.at(1003).landmarks[4]
        assert [u * width, (1 - v) * height] == pytest.approx(then, abs=1.5)


def test_what_cannot_be_exported_is_an_error(reage, plate, tmp_path):
    done = reage("track", plate, "-o", tmp_path / "a.nk", "--track", tmp_path / "none.json", "--export", "tracker")
    assert done.code == 4 and not (tmp_path / "a.nk").exists()
    done = reage("track", plate, "-o", tmp_path / "a.json", "--track", tmp_path / "none.json")
    assert done.code == 2, "a trackfile to read makes sense with --export alone"
    with pytest.raises(UsageError, match="no frame"):
        track_node(TrackPath(10, 10, 1.0, ()), "Transform", 1)
    with pytest.raises(UsageError) as caught:
        track_node(TrackPath(10, 10, 1.0, ()), "Tracker3", 1)
    assert "Tracker4" in caught.value.hint


@pytest.mark.parametrize("kind", TRACK_KINDS)
def test_a_head_that_rolls_over_turns_on(kind):
    square = ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0))
    steps = tuple(
        TrackStep(frame, (5.0, 5.0), 2.0, angle, square, ((5.0, 5.0),) * 5, 4.0)
        for frame, angle in ((1, 170.0), (2, -175.0), (3, -160.0))
    )
    node = track_node(TrackPath(10, 10, 1.0, steps), kind, 1, name="Roll")
    assert " name Roll\n" in script_of(node)
    if kind == "Transform":
        assert keys(node.knobs["rotate"]) == [{1: 0, 2: 15, 3: 30}]


@pytest.fixture
def own_plate(shots, tmp_path):
    """A plate of three frames that a mistake would damage, a link to its folder, and its frames' bytes."""
    folder = tmp_path / "plates"
    folder.mkdir()
    pattern = shots.write(folder / "shot.####.exr", shots.move(3))
    (tmp_path / "link").symlink_to(folder)
    return pattern, {path: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("place", ["plates/shot.####.exr", "plates/shot.%04d.exr", "link/shot.####.exr"])
def test_st_maps_never_overwrite_the_plate(reage, own_plate, tmp_path, place):
    plate, before = own_plate
    done = reage("track", plate, "-o", tmp_path / place, "--export", "stmap", "--overwrite", "--json")
    assert done.code == 2 and done.json["error"]["code"] == "usage.output-is-input", done.out
    assert {path: path.read_bytes() for path in sorted((tmp_path / "plates").iterdir())} == before, "not even a track"


def test_the_worker_too_never_writes_st_maps_over_the_plate(own_plate, baked):
    from nuke_reage.faces.trackfile import Track
    from nuke_reage.media.sequence import open_plate
    from nuke_reage.pipeline.reporting import Silent
    from nuke_reage.pipeline.trackpath import write_st_maps

    plate, before = own_plate
    face = Track.load(baked / "shot.track.json").face()
    with pytest.raises(UsageError) as caught:
        write_st_maps(open_plate(plate), face, plate, 1001, Silent(), [1001, 1002])
    assert caught.value.code == "usage.output-is-input"
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    ("name", "kind", "slug"),
    [
        ("st.exr", "stmap", "one-file-for-many"),
        ("st.####.nk", "stmap", "bad-output"),
        ("st.exr", "tracker", "bad-output"),
    ],
)
def test_a_name_that_cannot_hold_the_export_is_refused_before_tracking(reage, plate, tmp_path, name, kind, slug):
    done = reage("track", plate, "-o", tmp_path / name, "--export", kind, "--json")
    assert done.code == 2 and done.json["error"]["code"] == f"usage.{slug}" and done.json["error"]["hint"]
    assert not list(tmp_path.iterdir())


def test_a_reference_frame_is_one_of_the_shot(reage, plate, baked, tmp_path):
    command = ("track", plate, "-o", tmp_path / "s.nk", "--export", "tracker", "--track", baked / "shot.track.json")
    done = reage(*command, "--reference", 5, "--json")
    assert done.code == 2 and "1001-1006" in done.json["error"]["hint"] and not list(tmp_path.iterdir())
    lost = reage("track", plate, "-o", tmp_path / "s.json", "--reference", 1003)
    assert lost.code == 2 and "--reference goes with --export" in lost.err


@pytest.mark.parametrize("kind", ["transform", "cornerpin", "tracker"])
def test_a_script_that_reage_did_not_write_is_replaced_only_when_asked(reage, plate, baked, scripts, tmp_path, kind):
    file = tmp_path / "s.nk"
    command = ("track", plate, "-o", file, "--export", kind, "--track", baked / "shot.track.json")
    comp = f"Root {{\n name comp\n}}\n{scripts['tracker']}"
    for own in (comp, f"{scripts['cornerpin']}Blur {{\n size 3\n}}\n", ""):
        file.write_text(own)
        done = reage(*command, "--json")
        assert done.code == 2 and done.json["error"]["code"] == "usage.foreign-file"
        assert file.read_text() == own
    assert reage(*command, "--overwrite").code == 0 and file.read_text() != comp
    assert reage(*command, "--reference", "1003").code == 0, "its own it replaces"
    assert file.read_text() == scripts[kind]
