"""Damaged input by the thousand: ``python -m benchmarks.attack KIND COUNT SEED FOLDER``, a process for each kind.

The folder holds what is damaged: ``job.json``, ``o.track.json``, a plate and its layers.  What came of it is printed as
JSON: outcomes by error code, what was no error of ReAge, the slowest, and how far the memory rose.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.mutate import mutate_bytes, mutate_json

__all__ = ["KINDS", "main"]

_HEADER_BYTES = {"plate": 400, "layers": 2500}


def main(arguments: list[str]) -> int:
    kind, count, seed, folder = arguments[0], int(arguments[1]), int(arguments[2]), Path(arguments[3])
    os.chdir(folder)
    warnings.simplefilter("error")
    attack = KINDS[kind](folder)
    attack(Random(-1), damage=False)
    before, slowest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0.0
    outcomes: Counter[str] = Counter()
    broken: list[str] = []
    for number in range(seed, seed + count):
        begin = time.monotonic()
        # Read by the caller when this process dies of it.
        Path("last.txt").write_text(f"{kind} {number}")
        try:
            outcomes[_one(attack, Random(number))] += 1
        except BaseException:
            broken.append(f"{kind} {number}: {traceback.format_exc().strip().splitlines()[-1][:300]}")
        slowest = max(slowest, time.monotonic() - begin)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    told = {"outcomes": dict(outcomes), "broken": broken, "slowest_seconds": slowest, "grown_mib": grown}
    print(json.dumps(told))
    return 0


def _one(attack: Callable[..., str], chance: Random) -> str:
    from nuke_reage.core.errors import ReageError

    try:
        return attack(chance)
    except ReageError as error:
        assert error.hint, error.code
        assert len(error.message) < 2000, error.code
        return error.code


def _job(folder: Path) -> Callable[..., str]:
    from nuke_reage.core.job import load_job
    from nuke_reage.pipeline.plan import plan_shot

    text = (folder / "job.json").read_text()

    def attack(chance: Random, *, damage: bool = True) -> str:
        _write("mutated.json", mutate_json(text, chance) if damage else text)
        plan_shot(load_job("mutated.json"))
        return "taken"

    return attack


def _track(folder: Path) -> Callable[..., str]:
    from dataclasses import replace

    from nuke_reage.core.job import load_job
    from nuke_reage.pipeline.bake import bake
    from nuke_reage.pipeline.predictors import PredictorCache
    from nuke_reage.pipeline.shot import open_shot

    text = (folder / "o.track.json").read_text()
    job = load_job("job.json")
    job = replace(job, face=replace(job.face, track="mutated.track.json"))
    job = replace(job, output=replace(job.output, path=f"{folder}/mutated/m.####.exr"))
    predictors = PredictorCache()

    def attack(chance: Random, *, damage: bool = True) -> str:
        _write("mutated.track.json", mutate_json(text, chance) if damage else text)
        shot = open_shot(job, frames="1001", predictors=predictors)
        return bake(shot)[0].state

    return attack


def _protocol(_folder: Path) -> Callable[..., str]:
    from nuke_reage.core.protocol import SCHEMA, decode, encode, message

    examples: dict[type, Any] = {str: "x", int: 1, bool: False, dict: {"a": {"b": [1]}}, list: [1, 2]}
    lines = [
        encode(message(kind, **{name: examples[json_type] for name, json_type in fields.items()}))
        for kind, fields in SCHEMA.items()
    ]

    def attack(chance: Random, *, damage: bool = True) -> str:
        line = chance.choice(lines)
        if damage:
            line = mutate_json(line.decode(), chance).encode("utf-8", "replace") if chance.random() < 0.7 else (
                mutate_bytes(line, chance)
            )  # fmt: skip
        decode(line)
        return "taken"

    return attack


def _exr(folder: Path) -> Callable[..., str]:
    from nuke_reage.media.exr import read_layer_metadata, read_layers, read_plate

    sources = {
        "plate": next(folder.glob("p*.1001.exr")).read_bytes(),
        "layers": next(folder.glob("o*.1001.exr")).read_bytes(),
    }
    readers = (read_plate, read_layers, lambda path: read_layer_metadata(path, to_the_end=True))

    def attack(chance: Random, *, damage: bool = True) -> str:
        kind = chance.choice(sorted(sources))
        last = _HEADER_BYTES[kind] if chance.random() < 0.8 else None
        data = sources[kind]
        Path("mutated.exr").write_bytes(mutate_bytes(data, chance, last=last) if damage else data)
        chance.choice(readers)("mutated.exr")
        return "taken"

    return attack


def _write(name: str, text: str) -> None:
    Path(name).write_bytes(text.encode("utf-8", "surrogatepass"))


KINDS: dict[str, Callable[[Path], Callable[..., str]]] = {
    "job": _job,
    "track": _track,
    "protocol": _protocol,
    "exr": _exr,
}
"""Kind → what makes the attack for a folder."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
