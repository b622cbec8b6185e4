"""Keep what a training gave: scores, learning curve and machine, as small JSON beside the recipe.

Reads a finished system's folder (``runs/RECIPE/SYSTEM``) and writes
``recipes/results/RECIPE.SYSTEM[.LABEL].json``; the README's table and picture are made of these.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import safetensors
import typer

from nmt.files import write_json
from nmt.model_folder import open_model_folder
from nmt.neural.system import WEIGHTS

RESULTS = Path(__file__).resolve().parents[1] / "recipes" / "results"


def learning_curve(metrics: Path) -> list[dict[str, float]]:
    """The validations of a training: update, seconds, processor seconds, loss, BLEU, chrF."""
    curve = []
    for line in metrics.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if record["kind"] == "validation":
            curve.append(
                {
                    "update": record["update"],
                    "seconds": round(record["seconds"], 1),
                    "cpu_seconds": round(record["cpu_seconds"], 1),
                    "loss": round(record["loss"], 4),
                    **{name: round(value, 2) for name, value in record["scores"].items()},
                }
            )
    return curve


def throughput(metrics: Path) -> dict[str, float]:
    """Median target pieces a second and a processor second, and mean padding, over a training."""
    records = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    training = [record for record in records if record["kind"] == "training"]

    def median(name: str) -> float:
        values = sorted(record[name] for record in training)
        return round(float(values[len(values) // 2]), 1)

    return {
        "target_pieces_per_second": median("target_pieces_per_second"),
        "target_pieces_per_cpu_second": median("target_pieces_per_cpu_second"),
        "padding": round(sum(record["padding"] for record in training) / len(training), 4),
    }


def num_parameters(weights: Path) -> int:
    """Parameters in a safetensors file, shared ones counted once."""
    with safetensors.safe_open(weights, framework="np") as file:
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
    return sum(math.prod(shape) for shape in shapes)


def summarise(folder: Path) -> dict[str, Any]:
    """Everything worth keeping of a finished system's folder."""
    model = open_model_folder(folder)
    training = dict(model.training)
    recipe = training.pop("recipe")
    training.pop("identity")
    scores = model.scores() or {"test": {}}
    result = {
        "recipe": recipe["name"],
        "system": folder.name,
        "kind": model.kind,
        "bytes": sum(file.size for file in model.files.values()),
        "training": training,
        "test": {name: test["scores"] for name, test in scores["test"].items()},
    }
    metrics = folder / "training" / "metrics.jsonl"
    if metrics.exists():  # a neural system
        result["architecture"] = model.settings["architecture"]
        result["parameters"] = num_parameters(model.file(WEIGHTS))
        result["throughput"] = throughput(metrics)
        result["curve"] = learning_curve(metrics)
    return result


def main(
    folder: Annotated[Path, typer.Argument(help="A finished system: runs/RECIPE/SYSTEM.")],
    label: Annotated[str, typer.Option(help="Tells apart results of one recipe.")] = "",
) -> None:
    """Write the result of a finished system beside its recipe."""
    result = summarise(folder)
    parts = [result["recipe"], result["system"], *([label] if label else [])]
    path = RESULTS / f"{'.'.join(parts)}.json"
    write_json(path, result)
    print(f"wrote {path.relative_to(RESULTS.parents[1])}")
    for test, scores in result["test"].items():
        for score in scores.values():
            print(test, score["metric"], round(score["value"], 2), score["signature"])


if __name__ == "__main__":
    typer.run(main)
