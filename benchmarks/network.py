"""How long the full-size network takes for one face, and how exact it is.

All rows are measured in one run on one machine, each in a process of its own so that peak memory can be told.  The
network has 31.0 M parameters and weights from a formula.

The region is what the face mask reaches: 79 % of the rows and 63 % of the columns in the framing of the full-size
model, as the pipeline lays it out for the demo's shot.  Errors are taken inside the region, against PyTorch in
float32 in one pass over the whole canvas, and given as a share of the delta's range.

"processor" is the time that all cores together worked, in the best run: a guide where other programs run beside.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["main"]


@dataclass(frozen=True)
class Row:
    """One way to run the network."""

    title: str
    backend: str
    precision: str
    tiling: str
    whole: bool


ROWS = (
    Row("torch, nine windows (published)", "torch", "exact", "windows", True),
    Row("torch exact, whole canvas", "torch", "exact", "single", True),
    Row("torch exact", "torch", "exact", "single", False),
    Row("torch fast", "torch", "fast", "single", False),
    Row("openvino exact", "openvino", "exact", "single", False),
    Row("openvino fast", "openvino", "fast", "single", False),
    Row("onnxruntime exact", "onnxruntime", "exact", "single", False),
)
BASELINE, REFERENCE = ROWS[0].title, ROWS[1].title


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks network", description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=3, help="timed runs of each row, after one that warms up; the median counts"
    )
    parser.add_argument("--canvas", type=int, default=1024, help="side of the canvas in pixels, a multiple of 64")
    parser.add_argument("--rows", type=float, default=0.79, help="rows that the mask reaches, as a share")
    parser.add_argument("--columns", type=float, default=0.63, help="columns that the mask reaches, as a share")
    parser.add_argument("--width", type=int, default=64, help="of the network; 64 = full size, 20 = fran-lite")
    parser.add_argument("--only", default="", help="rows whose title contains this; the two references always run")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args(arguments)

    rows = [row for row in ROWS if options.only in row.title or row.title in (BASELINE, REFERENCE)]
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for row in rows:
            print(f"{row.title} ...", file=sys.stderr, flush=True)
            results[row.title] = in_own_process(row, options, Path(folder) / f"{len(results)}.npy")
        add_errors(results)

    machine = {
        "processor": processor_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "canvas_px": options.canvas,
        "region": [options.rows, options.columns],
        "width": options.width,
        "runs": options.runs,
    }
    if options.json:
        print(json.dumps({"machine": machine, "rows": results}, indent=2))
        return 0
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    columns = ("median", "best", "speed", "processor", "max error", "mean error", "peak MiB")
    print(" " * 33 + "".join(f"{column:>12}" for column in columns))
    base = results[BASELINE]["median_seconds"]
    for title, result in results.items():
        if "failed" in result:
            print(f"{title:34}  {result['failed']}")
            continue
        values = (
            f"{result['median_seconds']:.2f} s",
            f"{result['best_seconds']:.2f} s",
            f"{base / result['median_seconds']:.1f}x",
            f"{result['processor_seconds']:.2f} s",
            f"{result['max_error']:.4%}",
            f"{result['mean_error']:.4%}",
            f"{result['peak_mib']:.0f}",
        )
        print(f"{title:33}" + "".join(f"{value:>12}" for value in values))
    return 0


def region_of(options: argparse.Namespace) -> tuple[slice, slice]:
    return part_of(options.canvas, options.rows), part_of(options.canvas, options.columns)


def part_of(side_px: int, share: float) -> slice:
    margin = round(side_px * (1 - share) / 2)
    return slice(margin, side_px - margin)


def in_own_process(row: Row, options: argparse.Namespace, output: Path) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=measure, args=(asdict(row), vars(options), str(output), sender))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        return {"failed": "process ended without a result"}
    finally:
        process.join()


def measure(row: dict[str, Any], options: dict[str, Any], output: str, sender: Any) -> None:
    from nuke_reage.core.errors import ReageError
    from nuke_reage.models.backends import create_predictor
    from nuke_reage.models.descriptor import ModelDescriptor
    from nuke_reage.models.formula import formula_state_dict
    from nuke_reage.models.inference import predict_canvas
    from nuke_reage.models.weights import save_weights

    side = options["canvas"]
    reach = region_of(argparse.Namespace(**options))
    region = None if row["whole"] else reach
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "formula.safetensors"
        save_weights(formula_state_dict(options["width"]), weights, dtype="float32", metadata={})
        descriptor = ModelDescriptor(
            name="formula",
            title="formula weights",
            architecture="fran",
            width=options["width"],
            canvas_px=side,
            tile_px=side,
            max_canvas_px=side,
            licence="none",
            training_data="none",
            weights_file=weights.name,
            weights_path=weights,
        )
        try:
            predictor = create_predictor(descriptor, device="cpu", backend=row["backend"], precision=row["precision"])
        except ReageError as error:
            sender.send({"failed": error.message})
            return
    picture = colour_waves(side)
    seconds, processor_seconds = [], []
    for _ in range(options["runs"] + 1):
        start, processor_start = time.perf_counter(), time.process_time()
        delta = predict_canvas(predictor, picture, 35.0, 70.0, region=region, tiling=row["tiling"])
        seconds.append(time.perf_counter() - start)
        processor_seconds.append(time.process_time() - processor_start)
    np.save(output, delta[reach])
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if platform.system() == "Darwin" else 1)
    timed = seconds[1:]
    sender.send(
        {
            "name": predictor.name,
            "median_seconds": statistics.median(timed),
            "best_seconds": min(timed),
            "first_seconds": seconds[0],
            "processor_seconds": min(processor_seconds[1:]),
            "peak_mib": peak_kib / 1024,
            "output": output,
        }
    )


def colour_waves(side_px: int) -> np.ndarray:
    """(N, N, 3) float32 in [0, 1], smooth."""
    y, x = np.arange(side_px)[:, None] / side_px, np.arange(side_px)[None, :] / side_px
    red, green = 0.5 + 0.5 * np.sin(7 * x + 3 * y), 0.5 + 0.5 * np.cos(11 * y - 2 * x)
    return np.ascontiguousarray(np.stack([red, green, x * y], axis=-1), np.float32)


def add_errors(results: dict[str, dict[str, Any]]) -> None:
    reference = np.load(results[REFERENCE]["output"]).astype(np.float64)
    for result in results.values():
        if "failed" not in result:
            error = np.abs(np.load(result.pop("output")) - reference) / np.ptp(reference)
            result.update(max_error=float(error.max()), mean_error=float(error.mean()))


def processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
