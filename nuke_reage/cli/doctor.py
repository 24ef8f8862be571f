"""``reage doctor``: what this machine has, and what is missing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import click

from nuke_reage import __version__
from nuke_reage.cli.console import show_json
from nuke_reage.cli.finding import Finding
from nuke_reage.core.errors import ReageError, UsageError

__all__ = ["command"]

_REQUIRED = ("numpy", "scipy", "torch", "OpenImageIO", "opencolorio", "opencv-python-headless", "Fileseq", "av")
_OPTIONAL = {
    "openvino": "runs networks on the CPU several times faster",
    "onnxruntime": "another backend",
    "face-alignment": "another face detector",
    "scikit-image": "the demo's portrait",
}
_LOW_DISK_GB = 2.0


@click.command("doctor")
@click.option("--farm", is_flag=True, help="Check also what a render farm's node needs.")
@click.option("--job", "job_file", default="", metavar="FILE", help="Check also that this job can run here.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")
def command(farm: bool, job_file: str, as_json: bool) -> None:
    """Check this machine: Python, packages, detector, models, OCIO, devices, worker, disk.

    \b
    reage doctor
    reage doctor --farm --job job.json

    Exits with 2 when something that is needed is missing.
    """  # noqa: D301
    findings: list[Finding] = []
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        check.__name__.strip("_"): check
        for check in (_python, _packages, _opencv, _detector, _models, _colour, _devices, _worker, _disk)
    }
    if farm or job_file:
        from nuke_reage.cli.doctor_farm import farm_checks

        extra = farm_checks(job_file)
        checks |= {f"farm {name}": check for name, check in extra.items() if farm or name == "job"}
    for subject, check in checks.items():
        findings.extend(_safely(subject, check))
    broken = [one for one in findings if not one.ok and one.fatal]
    if as_json:
        show_json({"version": __version__, "ok": not broken, "findings": [asdict(one) for one in findings]})
    else:
        click.echo(f"ReAge {__version__}, Python {platform.python_version()}, {platform.platform()}")
        for one in findings:
            mark = "ok  " if one.ok else ("FAIL" if one.fatal else "note")
            click.echo(f"{mark} {one.subject:14} {one.text}")
            if one.hint and not one.ok:
                click.echo(f"     {'':14} → {one.hint}")
    if broken:
        raise UsageError("not-ready", f"{len(broken)} of {len(findings)} checks failed.", "Follow the arrows above.")


def _safely(subject: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except ReageError as error:
        yield Finding(subject, False, error.message, error.hint)
    except ImportError as error:
        yield Finding(subject, False, str(error), "Install ReAge again: pip install nuke-reage.")


def _python() -> Iterator[Finding]:
    fits = (3, 10) <= sys.version_info[:2] <= (3, 13)
    yield Finding("python", fits, sys.executable, "The worker needs Python 3.10 to 3.13.")


def _packages() -> Iterator[Finding]:
    for name in _REQUIRED:
        version = _version(name)
        yield Finding(name, version != "", version or "missing", f"pip install {name}")
    for name, purpose in _OPTIONAL.items():
        version = _version(name)
        hint = f"Optional, {purpose}: pip install {name}"
        yield Finding(name, version != "", version or "not installed", hint, fatal=False)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _opencv() -> Iterator[Finding]:
    import cv2

    fits = hasattr(cv2, "dnn") and hasattr(cv2.dnn, "readNetFromTFLite") and int(cv2.__version__.split(".")[0]) == 4
    hint = "Another package has overwritten it: pip install --force-reinstall --no-deps 'opencv-python-headless<5'."
    yield Finding("opencv in use", fits, f"{cv2.__version__} from {Path(cv2.__file__).parent}", hint)


def _detector() -> Iterator[Finding]:
    from nuke_reage.core.plugins import load_plugin

    load_plugin("face_backend", "mediapipe")()
    yield Finding("detector", True, "mediapipe networks load")


def _models() -> Iterator[Finding]:
    from nuke_reage.models.registry import Registry

    registry = Registry.from_environment()
    for problem in registry.problems():
        yield Finding("models", False, problem.message, problem.hint, fatal=False)
    for one in registry.list():
        if one.installed:
            registry.verify(one.name)
            yield Finding("model", True, f"{one.name}: whole, {one.origin}, canvas {one.canvas_px}")
        else:
            yield Finding("model", False, f"{one.name}: not installed", f"reage models fetch {one.name}", fatal=False)


def _colour() -> Iterator[Finding]:
    from nuke_reage.imaging.gamut import WorkingSpace

    space = WorkingSpace.from_name("scene_linear")
    yield Finding("colour", True, f"{space.config_name}: scene_linear is {space.name}")


def _devices() -> Iterator[Finding]:
    from nuke_reage.models.backends import available_backends, available_devices

    yield Finding("devices", True, f"{', '.join(available_devices())}; backends {', '.join(available_backends())}")


def _worker() -> Iterator[Finding]:
    from nuke_reage.client.launcher import find_python
    from nuke_reage.client.session import WorkerSession
    from nuke_reage.core.site import load_site

    site = load_site()
    with Path(os.devnull).open("wb") as nowhere, WorkerSession(site, log=nowhere.fileno()) as session:
        yield Finding("worker", session.pid is not None, f"{find_python(site)} answers")


def _disk() -> Iterator[Finding]:
    folder = tempfile.gettempdir()
    free_gb = shutil.disk_usage(folder).free / 1e9
    hint = "A 2K frame with all layers takes about 10 MB."
    yield Finding("disk", free_gb > _LOW_DISK_GB, f"{free_gb:.0f} GB free in {folder}", hint, fatal=False)
