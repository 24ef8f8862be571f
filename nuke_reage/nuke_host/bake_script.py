"""The farm's first step: open a script, export the plates of its ReAge nodes, write their job files.

Export, bake and render are three steps: this one wants Nuke, the second (``reage run job.json --frames ...``) a GPU and
no Nuke, the third is an ordinary render.  The node's knobs are filled in and the script is saved beside the old one, so
that the third step finds the layers.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nuke_reage.core.errors import HostError, ReageError, UsageError
from nuke_reage.core.frames import format_frames, parse_frames
from nuke_reage.core.node import NODE_CLASS
from nuke_reage.nuke_host import api, bridge, work
from nuke_reage.nuke_host.session import host_session
from nuke_reage.nuke_host.status import read_record, write_record

__all__ = ["export_script", "main"]


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
    parser.add_argument("--track", action="store_true", help="track here too, which fills in the face's size")
    parser.add_argument("--save", default="", help="where to save the script with the layers filled in")
    parser.add_argument("--json", action="store_true", help="report as JSON on stdout")
    options = parser.parse_args(list(arguments))
    try:
        jobs = export_script(options.script, options.node, options.frames, options.save, track=options.track)
    except ReageError as error:
        sys.stderr.write(f"ERROR: {error.message} ({error.code})\n{error.hint}\n")
        return error.exit_code
    if options.json:
        sys.stdout.write(json.dumps({"jobs": jobs}) + "\n")
    else:
        for job in jobs:
            sys.stdout.write(f"{job['node']} {job['view']}: {job['job']} --frames {job['frames']}\n")
    return 0


def export_script(
    script: str, nodes: Sequence[str] = (), frames: str = "", save: str = "", *, track: bool = False
) -> list[dict[str, Any]]:
    """Export the plates of a script's ReAge nodes.

    Args:
        script: file to open.
        nodes: full names; empty = all ReAge nodes that are not disabled.
        frames: frames to export and to bake; empty = those of the node.
        save: where to save the script with the layers filled in; empty = nowhere.
        track: track here, with a worker on this machine; otherwise the first bake does, and the node's face size and
            luma weights stay as they are.

    Returns:
        For each node and view: ``node``, ``view``, ``job`` (file), ``frames``, ``plate``, ``layers``.

    Raises:
        ReageError: no such script or node, or an export failed; job files written before stay.
    """
    if not Path(script).is_file():
        raise UsageError("no-script", f"There is no script {script}.", "Check the path.")
    api.open_script(Path(script).as_posix())
    found = {one.fullName(): one for one in api.all_nodes(NODE_CLASS)}
    missing = [name for name in nodes if name not in found]
    if missing:
        known = ", ".join(found) or "none"
        raise HostError("no-node", f"{script} has no ReAge node {missing[0]}.", f"ReAge nodes there: {known}.")
    wanted = [found[name] for name in nodes] if nodes else [one for one in found.values() if not _is_disabled(one)]
    if not wanted:
        raise HostError("no-node", f"{script} has no ReAge node.", "Name a script that has one.")
    jobs: list[dict[str, Any]] = []
    for node in wanted:
        asked = parse_frames(frames) if frames else bridge.frames_of(node)
        prepared = work.prepare(node, asked)
        if track:
            work.run(host_session(), node, work.track_task(node, prepared))
        work.expect_layers(node, prepared)
        write_record(node, read_record(node))
        jobs += [
            {
                "node": node.fullName(),
                "view": view,
                "job": prepared.cache.job_file(view).as_posix(),
                "frames": format_frames(asked),
                "plate": job.plate.path,
                "layers": job.output.path,
            }
            for view, job in prepared.jobs.items()
        ]
    if save:
        api.save_script(Path(save).as_posix())
    return jobs


def _is_disabled(node: api.Node) -> bool:
    knob = node.knob("disable")
    return knob is not None and bool(knob.value())
