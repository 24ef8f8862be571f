"""The other backends: crops by hand, and the library face-alignment with weights of its own shape."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nuke_reage.core.errors import FaceError, UsageError
from nuke_reage.faces.backends import create_backend
from nuke_reage.faces.backends.face_alignment import WEIGHT_URLS, FaceAlignmentBackend, weights_folder
from nuke_reage.faces.canonical import canonical_mesh, fit_pose, project_mesh
from nuke_reage.faces.crops import ManualCrop, crops_at
from nuke_reage.faces.sparse import MESH_INDEX_OF_68, mesh_from_68
from nuke_reage.faces.types import FaceBackend, Pose


def test_backends_by_name():
    assert create_backend().name == "mediapipe"
    made = create_backend("manual", crops={1: ManualCrop(10, 10, 40)})
    assert isinstance(made, FaceBackend) and made.name == "manual"
    with pytest.raises(UsageError) as error:
        create_backend("mediapip")
    assert error.value.code == "usage.unknown-plugin" and "mediapipe" in error.value.hint


def test_a_crop_by_hand_needs_a_key_and_a_frame(astronaut):
    with pytest.raises(FaceError) as nothing:
        create_backend("manual")
    assert nothing.value.code == "face.no-crop-keys"
    (found,) = create_backend("manual", crops={1: ManualCrop(225, 110, 168, 3)}).detect(astronaut)
    pose = fit_pose(found.landmarks)
    assert pose.scale_px == pytest.approx(42, rel=1e-3) and pose.roll_degrees == pytest.approx(3, abs=1e-3)
    two = create_backend("manual", crops={1: ManualCrop(0, 0, 10), 2: ManualCrop(0, 0, 10)})
    with pytest.raises(FaceError) as unclear:
        two.detect(astronaut)
    assert unclear.value.code == "face.frame-unknown"


def test_crop_keys_interpolate_sizes_by_factor_and_angles_the_short_way():
    keys = {10: ManualCrop(0, 0, 100, 350), 20: ManualCrop(100, 50, 400, 10)}
    middle = crops_at(keys, 15)
    assert (middle.centre_x, middle.centre_y, middle.side_px) == pytest.approx((50, 25, 200))
    assert middle.angle_degrees % 360 == pytest.approx(0, abs=1e-9)
    assert crops_at(keys, 1).side_px == pytest.approx(100) and crops_at(keys, 99).side_px == pytest.approx(400)
    for bad in ({"side_px": 0}, {"side_px": -4}, {"centre_x": float("nan")}):
        with pytest.raises(FaceError) as error:
            ManualCrop(**({"centre_x": 0, "centre_y": 0, "side_px": 1} | bad))
        assert error.value.code == "face.bad-crop"


@pytest.mark.parametrize(
    "pose", [Pose(400, 300, 80, 12, 0, 0), Pose(400, 300, 80, -25, 30, 10), Pose(0, 0, 9, 170, -20, -15)]
)
def test_68_points_give_back_the_whole_mesh(pose: Pose):
    mesh = project_mesh(pose)
    found = mesh_from_68(mesh[list(MESH_INDEX_OF_68), :2])
    assert np.linalg.norm((found - mesh)[:, :2], axis=1).max() < 0.01 * pose.scale_px
    fitted = fit_pose(found)
    assert fitted.scale_px == pytest.approx(pose.scale_px, rel=0.01)
    assert np.allclose(fitted.as_tuple()[3:], pose.as_tuple()[3:], atol=1.0)


def test_68_points_of_a_real_face_give_its_mesh(astronaut_face):
    found = mesh_from_68(astronaut_face.landmarks[list(MESH_INDEX_OF_68), :2])
    errors = np.linalg.norm((found - astronaut_face.landmarks)[:, :2], axis=1)
    assert errors.mean() < 1.0 and errors.max() < 5.0
    assert errors[list(MESH_INDEX_OF_68)].max() < 0.5
    assert abs(fit_pose(found).yaw_degrees - fit_pose(astronaut_face.landmarks).yaw_degrees) < 5


def test_the_68_points_are_named_left_to_right_as_300w_does():
    x = canonical_mesh()[list(MESH_INDEX_OF_68), 0]
    for left, right in [(0, 16), (17, 26), (36, 45), (39, 42), (48, 54), (31, 35), (60, 64)]:
        assert x[left] == pytest.approx(-x[right], abs=0.02) and x[left] < 0


@pytest.mark.parametrize("points", [np.zeros((68, 2)), np.zeros((5, 2)), np.full((68, 2), np.nan)])
def test_68_points_that_are_no_face_are_refused(points):
    with pytest.raises(FaceError) as error:
        mesh_from_68(points)
    assert error.value.code == "face.bad-landmarks" and error.value.hint


@pytest.fixture(scope="module", autouse=True)
def interpreted():
    """The library has a loop of 68 turns compiled, which takes ten seconds."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("NUMBA_DISABLE_JIT", "1")
        yield


def test_missing_weights_stop_with_the_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("face_alignment")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(FaceError) as error:
        create_backend("face-alignment")
    assert error.value.code == "face.weights-missing" and str(tmp_path) in error.value.message
    assert all(url in error.value.hint for url in WEIGHT_URLS.values())
    assert list(tmp_path.iterdir()) == [], "nothing may be fetched or made"


def test_weights_are_looked_for_where_torch_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    hub = pytest.importorskip("torch.hub")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert weights_folder() == Path(hub.get_dir()) / "checkpoints"
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert weights_folder() == Path(hub.get_dir()) / "checkpoints"


def test_the_faces_room_does_not_load_torch():
    code = (
        "import sys; from nuke_reage.faces import backends, tracking; "
        "backends.create_backend(); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def save_random_weights(folder: Path) -> None:
    """Weights of the shapes that the library wants; its box detector is biased to see no face anywhere."""
    import torch
    from face_alignment.detection.sfd.net_s3fd import s3fd
    from face_alignment.models import FAN

    torch.manual_seed(0)
    folder.mkdir(parents=True)
    torch.save(FAN(4).state_dict(), folder / WEIGHT_URLS["landmarks"].rsplit("/", 1)[1])
    boxes = s3fd()
    for name, values in boxes.state_dict().items():
        if "mbox_conf" in name:
            values.zero_()
        if name.endswith("mbox_conf.bias"):
            values[0] = 20.0
    torch.save(boxes.state_dict(), folder / WEIGHT_URLS["boxes"].rsplit("/", 1)[1])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_the_real_library_runs_offline_on_files_of_its_names(tmp_path, monkeypatch, astronaut, astronaut_face):
    pytest.importorskip("face_alignment")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    save_random_weights(tmp_path / "hub" / "checkpoints")
    files = sorted(tmp_path.rglob("*"))
    backend = FaceAlignmentBackend(boxes="bundled")
    assert isinstance(backend, FaceBackend)
    (found,) = backend.detect(astronaut)
    # Random weights give random points, but inside the square that the library cuts around the box.
    low, high = np.array(astronaut_face.box[:2]), np.array(astronaut_face.box[2:])
    assert ((found.landmarks[:, :2] > low - 200) & (found.landmarks[:, :2] < high + 200)).mean() > 0.5
    assert found.landmarks.shape == (468, 3) and 0 <= found.confidence <= 1
    assert backend.detect(np.zeros((64, 64, 3), np.float32)) == []
    assert FaceAlignmentBackend().detect(astronaut[::4, ::4]) == [], "this box detector sees no face"
    assert sorted(tmp_path.rglob("*")) == files
