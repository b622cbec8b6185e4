"""Draw validation BLEU against training time, from results that ``record_result.py`` kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import matplotlib as mpl
import matplotlib.pyplot as plt
import typer

ROOT = Path(__file__).resolve().parents[1]


def draw(results: list[Path], output: Path) -> None:
    """One line a result: BLEU of beam-searched validation output by processor minutes."""
    mpl.use("svg")
    # The same picture from the same figures, byte for byte.
    mpl.rcParams["svg.hashsalt"] = "nmt"
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    for path in results:
        result = json.loads(path.read_text(encoding="utf-8"))
        # Validated on the loss alone, a training has no curve to show here.
        curve = [point for point in result.get("curve", ()) if "bleu" in point]
        if not curve:
            continue
        minutes = [point["cpu_seconds"] / 60 for point in curve]
        axes.plot(minutes, [point["bleu"] for point in curve], marker=".", label=result["recipe"])
        for test, scores in result["test"].items():
            value = scores["bleu"]["value"]
            axes.axhline(value, linestyle=":", color=axes.lines[-1].get_color(), linewidth=1)
            axes.annotate(
                f"{test}: {value:.1f}", (0.99, value), xycoords=("axes fraction", "data"),
                xytext=(0, -3), textcoords="offset points", ha="right", va="top", fontsize=9,
            )  # fmt: skip
    axes.set_xlabel("processor minutes of training (two cores: half as many by the clock)")
    axes.set_ylabel("BLEU on the validation set")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="lower right")
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, metadata={"Date": None})


def main(
    results: Annotated[list[Path], typer.Argument(help="JSON files in recipes/results/.")],
    output: Annotated[Path, typer.Option(help="The picture.")] = ROOT / "docs/learning-curve.svg",
) -> None:
    """Draw learning curves."""
    draw(results, output)
    print(f"wrote {output}")


if __name__ == "__main__":
    typer.run(main)
