"""Run by a real ``nuke -t``: the session of tests/host, with Nuke's own nodes; says what it saw as JSON."""

import json
import sys
from pathlib import Path

import nuke


def main(root, plate, folder):
    nuke.pluginAddPath(root)
    seen = {"version": nuke.NUKE_VERSION_STRING, "gizmos": [one for one in nuke.pluginPath() if one.endswith("gizmos")]}
    from nuke_reage.nuke_host import callbacks

    read = nuke.nodes.Read(file=plate, first=1001, last=1003, raw=True)
    grade = nuke.nodes.Grade(inputs=[read])
    node = nuke.createNode("ReAge", inpanel=False)
    node.setInput(0, grade)
    node["device"].setValue("cpu")
    node["source_age"].setValue(35)
    node["target_age"].fromScript("{curve L x1001 60 x1003 80}")
    seen["fresh"] = node["status"].value()
    nuke.scriptSaveAs(folder + "/shot.nk", 1)
    callbacks.track(node)
    seen["tracked"] = node["status"].value()
    callbacks.bake(node)
    seen["baked"] = node["status"].value()
    seen["layers"] = node["layers_file"].value()
    seen["face_size"] = [node["face_size"].valueAt(frame) for frame in (1001, 1002, 1003)]
    grade["white"].setValue(1.5)
    from nuke_reage.nuke_host.status import refresh

    refresh(node)
    seen["stale"] = node["status"].value()
    callbacks.bake(node)
    seen["again"] = node["status"].value()
    for kind in ("Transform", "CornerPin2D", "Tracker4", "STMap"):
        node["export_kind"].setValue(kind)
        callbacks.to_tracker(node)
    seen["made"] = sorted(one.Class() for one in nuke.allNodes())
    tracker = nuke.allNodes("Tracker4")
    seen["tracks"] = tracker[0]["tracks"].toScript().count("curve") if tracker else 0
    nuke.scriptSaveAs(folder + "/shot.nk", 1)
    nuke.scriptClear()
    nuke.scriptOpen(folder + "/shot.nk")
    node = nuke.toNode("ReAge1")
    write = nuke.nodes.Write(inputs=[node], file=folder + "/comp.%04d.exr", file_type="exr", raw=True)
    nuke.execute(write, 1001, 1003)
    seen["reloaded"] = node["status"].value()
    Path(folder + "/seen.json").write_text(json.dumps(seen))


main(*sys.argv[1:4])
