"""Open Job Description, the format that AWS Deadline Cloud and ``openjd`` run: a job bundle of three YAML files.

Specification: ``jobtemplate-2023-09`` with the extension ``TASK_CHUNKING``, so that the size of a chunk stays a
parameter of the job.  The files lie as Deadline Cloud's job bundles have them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from nuke_reage.core.errors import FarmError
from nuke_reage.core.files import write_text_atomic
from nuke_reage.farm.base import FRAMES, FarmJob, Step, frame_text
from nuke_reage.farm.yamltext import to_yaml

__all__ = ["EXTENSIONS", "asset_references", "job_template", "parameter_values", "write_bundle"]

EXTENSIONS = ("TASK_CHUNKING",)
"""Extensions of the specification that the template uses."""

_NOTIFY_SECONDS = 10
_PARAMETERS = {"reage": "ReageCommand", "nuke": "NukeCommand"}
_DAY_SECONDS = 86_400


def job_template(job: FarmJob) -> dict[str, Any]:
    """The job as a template; its defaults run it as it is.

    Raises:
        FarmError: a word has ``{{`` in it, which the format cannot carry.
    """
    chunked = [step for step in job.steps if step.frames]
    programs = _programs(job)
    parameters: list[dict[str, Any]] = [
        {
            "name": "JobFile",
            "type": "PATH",
            "objectType": "FILE",
            "dataFlow": "OUT" if _is_made(job) else "IN",
            "default": Path(job.job_file).name,
            "description": "ReAge job file.",
        }
    ]
    if chunked:
        parameters += [
            {
                "name": "Frames",
                "type": "STRING",
                "default": frame_text(chunked[0].frames, ":"),
                "description": "Frames, such as 1001-1050 or 1001-1050:2.",
            },
            {
                "name": "FramesPerTask",
                "type": "INT",
                "default": chunked[0].chunk,
                "minValue": 1,
                "description": "Frames a task.",
            },
        ]
    parameters += [
        {"name": name, "type": "STRING", "default": _literal(word), "description": f"The command {word} on the node."}
        for word, name in programs.items()
    ]
    variables = {
        "REAGE_PROGRESS": "openjd",
        **{name: _literal(value) for name, value in job.environment},
    }
    return {
        "specificationVersion": "jobtemplate-2023-09",
        **({"extensions": list(EXTENSIONS)} if chunked else {}),
        "name": _literal(job.name),
        "parameterDefinitions": parameters,
        "jobEnvironments": [{"name": "ReAge", "variables": variables}],
        "steps": [_step(job, step, programs) for step in job.steps],
    }


def parameter_values(job: FarmJob) -> dict[str, Any]:
    """Values of the template's parameters and of Deadline Cloud's own."""
    return {
        "parameterValues": [
            {"name": "JobFile", "value": job.job_file},
            {"name": "deadline:priority", "value": job.priority},
            {"name": "deadline:maxRetriesPerTask", "value": job.retries},
        ]
    }


def asset_references(job: FarmJob) -> dict[str, Any]:
    """What the job reads and writes, for farms that bring files to the node."""
    folders = [path for path in job.inputs if os.path.isdir(path)]  # noqa: PTH112
    return {
        "assetReferences": {
            "inputs": {
                "filenames": [path for path in job.inputs if path not in folders],
                "directories": folders,
            },
            "outputs": {"directories": list(job.outputs)},
            "referencedPaths": [],
        }
    }


def write_bundle(job: FarmJob, folder: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Write the bundle.

    Returns:
        The files: ``template.yaml``, ``parameter_values.yaml``, ``asset_references.yaml``.

    Raises:
        FarmError: the job has what the format cannot carry.
        UsageError: the folder cannot be written.
    """
    made = {
        "template.yaml": job_template(job),
        "parameter_values.yaml": parameter_values(job),
        "asset_references.yaml": asset_references(job),
    }
    for name, content in made.items():
        write_text_atomic(Path(folder) / name, to_yaml(content))
    return tuple(Path(folder) / name for name in made)


def _step(job: FarmJob, step: Step, programs: dict[str, str]) -> dict[str, Any]:
    words = [_word(job, word, programs) for word in step.command]
    if step.tool == "reage":
        # Sessions name this file to actions only, not to environments.
        words[1:1] = ["--path-map", "{{Session.PathMappingRulesFile}}"]
    made: dict[str, Any] = {"name": step.name}
    if step.after:
        made["dependencies"] = [{"dependsOn": name} for name in step.after]
    if step.gpus:
        amounts = [{"name": "amount.worker.gpu", "min": step.gpus}]
        if step.gpu_memory_mib:
            amounts.append({"name": "amount.worker.gpu.memory", "min": step.gpu_memory_mib})
        made["hostRequirements"] = {"amounts": amounts}
    if step.frames:
        made["parameterSpace"] = {
            "taskParameterDefinitions": [
                {
                    "name": "Frames",
                    "type": "CHUNK[INT]",
                    "range": "{{Param.Frames}}",
                    "chunks": {
                        "defaultTaskCount": "{{Param.FramesPerTask}}",
                        "rangeConstraint": "CONTIGUOUS" if step.only_runs else "NONCONTIGUOUS",
                    },
                }
            ]
        }
    made["script"] = {
        "actions": {
            "onRun": {
                "command": words[0],
                **({"args": words[1:]} if len(words) > 1 else {}),
                "timeout": _DAY_SECONDS,
                "cancelation": {"mode": "NOTIFY_THEN_TERMINATE", "notifyPeriodInSeconds": _NOTIFY_SECONDS},
            }
        }
    }
    return made


def _is_made(job: FarmJob) -> bool:
    """Whether the job file comes from a step of the job."""
    return job.steps[0].name == "Export"


def _programs(job: FarmJob) -> dict[str, str]:
    """Program → parameter by which a submitter can exchange it."""
    return {step.command[0]: _PARAMETERS[step.tool] for step in job.steps if step.tool}


def _word(job: FarmJob, word: str, programs: dict[str, str]) -> str:
    if word == FRAMES:
        return "{{Task.Param.Frames}}"
    if word == job.job_file:
        return "{{Param.JobFile}}"
    return "{{Param." + programs[word] + "}}" if word in programs else _literal(word)


def _literal(text: str) -> str:
    if "{{" in text:
        raise FarmError(
            "bad-word", f"{text!r} has {{{{ in it.", "Open Job Description cannot carry that; rename the file."
        )
    return text
