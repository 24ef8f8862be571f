"""The farm's first step: open a script, export the plates of its ReAge nodes, write their job files.

Export, bake and render are three steps: this one wants Nuke, the second (``reage run job.json --frames ...``) a GPU and
no Nuke, the third is an ordinary render.  The node's knobs are filled in and the script is saved beside the old one, so
that the third step finds the layers.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nuke_reage.core.errors import HostError, ReageError, UsageError
from nuke_reage.core.frames import format_frames, parse_frames
from nuke_reage.core.job import JobSpec, save_job
from nuke_reage.core.node import NODE_CLASS
from nuke_reage.nuke_host import api, bridge, work
from nuke_reage.nuke_host.cache import CacheFolder
from nuke_reage.nuke_host.session import host_session
from nuke_reage.nuke_host.status import read_record, write_record

__all__ = ["export_script", "main"]

_HINT = "Press Track and save before, or add --track."


def main(arguments: Sequence[str]) -> int:
    """Run as a command.

    Args:
        arguments: without the program's name.

    Returns:
        The exit code of the error tree, 0 without an error.
    """
    parser = argparse.ArgumentParser(prog="nuke -t reage_bake.py", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("script", help="Nuke script; it is not changed")
    parser.add_argument("--node", action="append", default=[], help="full name of a ReAge node; default: all")
    parser.add_argument("--frames", default="", help="frames such as 1001-1010; default: those of the node")
    parser.add_argument("--job", default="", metavar="FILE", help="write the job of the one node there too")
    parser.add_argument("--view", default="", help="view of the script; default: all")
    parser.add_argument("--track", action="store_true", help="track here too, which fills in the face's size")
    parser.add_argument("--save", default="", help="where to save the script with the layers filled in")
    parser.add_argument("--json", action="store_true", help="report as JSON on stdout")
    options = parser.parse_args(_with_values_joined(arguments))
    try:
        jobs = export_script(
            options.script,
            options.node,
            options.frames,
            options.save,
            track=options.track,
            job_file=options.job,
            view=options.view,
        )
    except ReageError as error:
        sys.stderr.write(f"ERROR: {error.message} ({error.code})\n{error.hint}\n")
        return error.exit_code
    if options.json:
        sys.stdout.write(json.dumps({"jobs": jobs}) + "\n")
    else:
        for job in jobs:
            sys.stdout.write(f"{job['node']} {job['view']}: {job['job']} --frames {job['frames']}\n")
    return 0


def _with_values_joined(arguments: Sequence[str]) -> list[str]:
    """``--frames -5--1`` as ``--frames=-5--1``: argparse would take the range for an option."""
    words = list(arguments)
    for index in range(len(words) - 1, 0, -1):
        if words[index - 1] == "--frames" and re.match(r"-\d", words[index]):
            words[index - 1 : index + 1] = [f"--frames={words[index]}"]
    return words


def export_script(
    script: str,
    nodes: Sequence[str] = (),
    frames: str = "",
    save: str = "",
    *,
    track: bool = False,
    job_file: str = "",
    view: str = "",
) -> list[dict[str, Any]]:
    """Export the plates of a script's ReAge nodes.

    Args:
        script: file to open.
        nodes: full names; empty = all ReAge nodes that are not disabled.
        frames: frames to export and to bake; empty = those of the node.
        save: where to save the script with the layers filled in; empty = nowhere.
        track: track here, with a worker on this machine; otherwise the first bake does, and the node's face size and
            luma weights stay as they are.
        job_file: where to write the job of the one node and view too; empty = in the node's folder only.
        view: view to export; empty = all.

    Returns:
        For each node and view: ``node``, ``view``, ``job`` (file), ``frames``, ``plate``, ``layers``.

    Raises:
        ReageError: no such script, node or view, several of them for one job file, or an export failed; job files
            written before stay.
    """
    if not Path(script).is_file():
        raise UsageError("no-script", f"There is no script {script}.", "Check the path.")
    # A worker elsewhere has another current folder: what the jobs name must be whole.
    api.open_script(Path(script).absolute().as_posix())
    found = {one.fullName(): one for one in api.all_nodes(NODE_CLASS)}
    missing = [name for name in nodes if name not in found]
    if missing:
        known = ", ".join(found) or "none"
        raise HostError("no-node", f"{script} has no ReAge node {missing[0]}.", f"ReAge nodes there: {known}.")
    wanted = [found[name] for name in nodes] if nodes else [one for one in found.values() if not _is_disabled(one)]
    if not wanted:
        raise HostError("no-node", f"{script} has no ReAge node.", "Name a script that has one.")
    views = _views(view, script)
    if job_file:
        _require_one([one.fullName() for one in wanted], "ReAge nodes", "--node")
        _require_one(views, "views", "--view")
    jobs: list[dict[str, Any]] = []
    for node in wanted:
        asked = parse_frames(frames) if frames else bridge.frames_of(node)
        prepared = work.prepare(node, asked, views=views)
        if track:
            work.run(host_session(), node, work.track_task(node, prepared))
        elif not read_record(node).tracked:
            sys.stderr.write(
                f"{node.fullName()}: not tracked, so face size and luma weights stay as they are. {_HINT}\n"
            )
        work.expect_layers(node, prepared)
        write_record(node, read_record(node))
        jobs += [
            {
                "node": node.fullName(),
                "view": one,
                "job": _place_job(job, one, job_file, prepared.cache),
                "frames": format_frames(asked),
                "plate": job.plate.path,
                "layers": job.output.path,
            }
            for one, job in prepared.jobs.items()
        ]
    if save:
        api.save_script(Path(save).as_posix())
    return jobs


def _views(view: str, script: str) -> list[str]:
    known = api.views()
    if view and view not in known:
        raise HostError("no-view", f"{script} has no view {view}.", f"Views there: {', '.join(known)}.")
    return [view] if view else known


def _require_one(names: Sequence[str], what: str, flag: str) -> None:
    if len(names) > 1:
        raise UsageError(
            "bad-command-line",
            f"--job is one file, and there are {len(names)} {what}: {', '.join(names)}.",
            f"Add {flag} {names[0]}, or leave --job away: each has a job file in its folder.",
        )


def _place_job(job: JobSpec, view: str, file: str, cache: CacheFolder) -> str:
    """Where the job lies; written there too, where somebody wants it elsewhere than in the node's folder."""
    if not file:
        return cache.job_file(view).as_posix()
    save_job(job, file)
    return Path(file).absolute().as_posix()


def _is_disabled(node: api.Node) -> bool:
    knob = node.knob("disable")
    return knob is not None and bool(knob.value())
