"""What a farm's node lacks, found out before a task fails on it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from nuke_reage.cli.finding import Finding
from nuke_reage.core.job import load_job
from nuke_reage.core.site import Site, load_site, path_rules

__all__ = ["farm_checks"]

_SKEW_SECONDS = 2.0
_LOW_TEMPORARY_GB = 1.0
_CONFUSING = ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH")


def farm_checks(
    job_file: str = "", environ: Mapping[str, str] | None = None
) -> dict[str, Callable[[], Iterator[Finding]]]:
    """Checks by subject, to be run one after the other; each may raise a ReageError.

    Args:
        job_file: a job that this node shall be able to run; empty = none.
        environ: the environment; None = the process's own.
    """
    env = os.environ if environ is None else environ
    site = load_site(env)
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "site": partial(_site, site, env),
        "paths": partial(_paths, site),
        "models": partial(_models, site),
        "programs": partial(_programs, site, env),
        "environment": partial(_environment, env),
        "temporary": _temporary,
    }
    if job_file:
        checks["job"] = partial(_job, job_file)
    return checks


def _site(site: Site, env: Mapping[str, str]) -> Iterator[Finding]:
    named = env.get("REAGE_SITE", "")
    text = named or ("a site file is in force" if site != Site() else "no site file")
    hint = "Set REAGE_SITE to the studio's file, so that all nodes agree; see docs/farm.md."
    yield Finding("site", bool(named) or site != Site(), text, hint, fatal=False)
    rules = path_rules(site, env)
    yield Finding("path rules", bool(rules), f"{len(rules)} rules for other systems' paths",
                  "Add \"paths\" to the site file if other systems submit jobs.", fatal=False)  # fmt: skip


def _paths(site: Site) -> Iterator[Finding]:
    folders = {root.here(): "shared folder" for root in site.paths}
    folders |= dict.fromkeys(site.roots, "allowed folder")
    for folder, what in folders.items():
        if not folder:
            hint = f'Add its name on {sys.platform} to "paths" in the site file.'
            yield Finding(what, False, "a shared folder has no name on this system", hint, fatal=False)
            continue
        if not Path(folder).is_dir():
            yield Finding(what, False, f"{folder} is not there", "Mount it, or correct the site file.")
            continue
        yield Finding(what, True, folder)
        yield from _writing(folder)


def _writing(folder: str) -> Iterator[Finding]:
    from nuke_reage.core.files import partial_path

    probe = partial_path(folder)
    try:
        before = time.time()
        probe.write_bytes(b"0")
        skew = probe.stat().st_mtime - (before + time.time()) / 2
    except OSError as error:
        hint = "Right for plates and models; an output needs it."
        yield Finding("writing", False, f"{folder}: {error.strerror}", hint, fatal=False)
        return
    finally:
        probe.unlink(missing_ok=True)
    hint = "Results stay right, but logs and other programs will not: let the node keep time by NTP."
    text = f"{folder} and this node differ by {abs(skew):.1f} s"
    yield Finding("clock", abs(skew) <= _SKEW_SECONDS, text, hint, fatal=False)


def _models(site: Site) -> Iterator[Finding]:
    for folder in site.models:
        fits = Path(folder).is_dir() and os.access(folder, os.R_OK | os.X_OK)
        hint = "Mount it, or correct REAGE_MODELS and the site file. Reading is all that is needed."
        yield Finding("model folder", fits, folder if fits else f"{folder} cannot be read", hint)


def _programs(site: Site, env: Mapping[str, str]) -> Iterator[Finding]:
    path = env.get("PATH", os.defpath)
    reage = shutil.which(site.farm.reage, path=path)
    hint = 'Put it on the path of the farm\'s user, or name it whole: "farm": {"reage": ...} in the site file.'
    yield Finding("command", reage is not None, reage or f"{site.farm.reage} is not found", hint)
    nuke = shutil.which(env.get("NUKE_EXECUTABLE") or site.farm.nuke, path=path)
    yield Finding("Nuke", nuke is not None, nuke or f"{site.farm.nuke} is not found",
                  "Only export and render need it: name it in the site file.", fatal=False)  # fmt: skip
    for package, what in {"openjd.sessions": "reage submit --to local", "outline": "--to opencue"}.items():
        found = importlib.util.find_spec(package.partition(".")[0]) is not None
        text = "installed" if found else "not installed"
        yield Finding(package, found, text, f"Only {what} needs it, and only where it is called.", fatal=False)


def _environment(env: Mapping[str, str]) -> Iterator[Finding]:
    found = [name for name in _CONFUSING if env.get(name)]
    hint = "They lead Python and torch to other programs' libraries; start reage without them."
    yield Finding("environment", not found, f"{', '.join(found) or 'nothing'} in the way", hint, fatal=False)


def _temporary() -> Iterator[Finding]:
    folder = tempfile.gettempdir()
    free_gb = shutil.disk_usage(folder).free / 1e9
    hint = "Open Job Description sessions live there; free some space or set TMPDIR."
    yield Finding("temporary", free_gb > _LOW_TEMPORARY_GB, f"{free_gb:.1f} GB free in {folder}", hint, fatal=False)


def _job(job_file: str) -> Iterator[Finding]:
    from nuke_reage.core.frames import format_frames
    from nuke_reage.media.atomic import require_writable_folder
    from nuke_reage.pipeline.outputs import output_folders
    from nuke_reage.pipeline.plan import plan_shot

    plan = plan_shot(load_job(job_file))
    yield Finding("job", True, f"{job_file}: {plan.job.plate.path} {format_frames(plan.frames)}")
    for folder in output_folders(plan.job.output):
        require_writable_folder(folder)
        yield Finding("output", True, f"{folder} can be written")
