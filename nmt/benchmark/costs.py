"""What a system took to make and takes to use, from its folder."""

from __future__ import annotations

import json
import math
from pathlib import Path, PurePosixPath
from typing import Any, Final

from nmt.benchmark.results import CurvePoint, SystemCost, SystemResult
from nmt.benchmark.speed import Speed
from nmt.model_folder import ModelFolder

_WEIGHTS: Final = "model.safetensors"
"""Of a network, alone or as a member of an ensemble; a shortlist is no part of its size."""


def describe_system(name: str, model: ModelFolder, speed: Speed | None) -> SystemResult:
    """A system's costs and its learning curve."""
    facts = model.training
    return SystemResult(
        name=name,
        kind=model.kind,
        cost=SystemCost(
            training_seconds=facts.get("seconds", 0.0),
            training_cpu_seconds=computing_seconds(facts),
            training_memory_bytes=facts.get("peak_memory_bytes"),
            training_device=facts.get("device", "unknown"),
            model_bytes=sum(file.size for file in model.files.values()),
            parameters=_num_parameters(model),
            sentences_per_second=speed.sentences_per_second if speed else None,
            translation_memory_bytes=speed.memory_bytes if speed else None,
        ),
        curve=_read_curve(model),
    )


def computing_seconds(facts: dict[str, Any]) -> float:
    """Seconds of all processors; on a GPU, those of the clock.

    ``facts`` are of a training or a moment of it, or of the machine and both.
    """
    on_processor = "CPU" in facts.get("device", "CPU")
    return float(facts.get("cpu_seconds" if on_processor else "seconds", 0.0))


def _num_parameters(model: ModelFolder) -> int | None:
    """The numbers in the model's weights; None for a system without."""
    names = [name for name in model.files if PurePosixPath(name).name == _WEIGHTS]
    if not names:
        return None
    return sum(_num_values(model.file(name)) for name in names)


def _num_values(path: Path) -> int:
    """The numbers that a file of safetensors holds, by its header."""
    import safetensors

    with safetensors.safe_open(path, framework="np") as file:
        return sum(math.prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118 (no mapping)


def _read_curve(model: ModelFolder) -> list[CurvePoint]:
    """The validations of a training in updates, if its log is still beside the model."""
    path = model.path / "training" / "metrics.jsonl"
    if not path.is_file():
        return []
    curve = []
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if record["kind"] != "validation":
            continue
        scores = {"loss": record["loss"], **record["scores"]}
        seconds = {key: record[key] for key in ("seconds", "cpu_seconds")}
        curve.append(
            CurvePoint(
                update=record["update"],
                cpu_seconds=computing_seconds({**seconds, "device": model.training["device"]}),
                scores={name: value for name, value in scores.items() if value is not None},
            )
        )
    return curve
