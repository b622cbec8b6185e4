"""Write the README's tables from the results that trainings and benchmarks left."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

TRAINING_RATE = "target_pieces_per_cpu_second"


def results_table(folder: Path) -> list[str]:
    """One row for each test set of each kept training."""
    rows = [
        "| recipe | system | test set | BLEU (95 %) | chrF2 | parameters | trained on | time |",
        "|---|---|---|---|---|---|---|---|",
    ]
    signatures = set()
    for path in sorted(folder.glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        training = result["training"]
        minutes = training["seconds"] / 60
        for test, scores in result["test"].items():
            bleu, chrf = scores["bleu"], scores["chrf"]
            low, high = bleu["interval"]
            signatures.add(bleu["signature"])
            rows.append(
                f"| `{result['recipe']}` | {result['system']} | {test} "
                f"| **{bleu['value']:.1f}** ({low:.1f} to {high:.1f}) | {chrf['value']:.1f} "
                f"| {result['parameters'] / 1e6:.1f} M | {training['device']} "
                f"| {minutes:.0f} min ({training['cpu_seconds'] / 60:.0f} processor min) |"
            )
    rows += ["", *(f"Signature: `{signature}`." for signature in sorted(signatures))]
    return rows


def speed_table(folder: Path) -> list[str]:
    """Training and translation speed, of ours and of the peers measured in the same run."""
    lines: list[str] = []
    training, translation = (
        json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        for path in (folder / "bench_training.json", folder / "bench_translation.json")
    )
    if training:
        flop = training["mflop_per_target_piece"] * 1e6
        rates = [
            (_name(row), row.get("flop_per_cpu_second", 0) / flop or row[TRAINING_RATE])
            for row in training["rows"]
            if "skipped" not in row and row["cores"] == 1
        ]
        lines += _speed_rows("Training", "target pieces a processor second", rates)
    if translation:
        rates = [
            (
                f"{_name(row)} (BLEU {row['bleu']:.1f})",
                translation["lines"] / statistics.median(row["cpu_seconds"]),
            )
            for row in translation["rows"]
            if "skipped" not in row
        ]
        unit = f"sentences a processor second, beam {translation['beam']}"
        lines += _speed_rows("Translation", unit, rates)
    if result := training or translation:
        machine = result["machine"]
        others = 100 * result["load"]["others"]
        lines.append(
            f"Each side by side in one run on one core of {machine['processor']}, "
            f'torch {machine["torch"]}; the same model sizes for all. "Tuned" peers were given the '
            f"matrix library and allocator that nmt chooses. Other processes used {others:.0f} % "
            "of the machine meanwhile."
        )
    return lines


def _name(row: dict[str, Any]) -> str:
    what = {"matrix products": "the ceiling: its matrix products alone"}
    name = str(row["contender"])
    return what.get(name, name) + (", tuned" if row.get("tuned") else "")


def _speed_rows(title: str, unit: str, rates: list[tuple[str, float]]) -> list[str]:
    ours = rates[0][1]
    rows = [f"| {title} | {unit} | nmt is faster by |", "|---|---|---|"]
    for number, (name, rate) in enumerate(rates):
        ratio = "" if number == 0 else f"{ours / rate:.2f} x"
        rows.append(f"| {name} | {rate:,.0f} | {ratio} |")
    return [*rows, ""]


def fill(text: str, tables: dict[str, list[str]]) -> str:
    """``text`` with the lines between ``<!-- table: NAME -->`` and its end replaced."""
    for name, lines in tables.items():
        begin, end = f"<!-- table: {name} -->", "<!-- end of table -->"
        before, rest = text.split(begin, 1)
        _, after = rest.split(end, 1)
        body = "\n".join(lines).strip()
        text = f"{before}{begin}\n{body}\n{end}{after}"
    return text


def make(root: Path) -> str:
    """The README with its tables made anew."""
    readme = (root / "README.md").read_text(encoding="utf-8")
    tables = {
        "results": results_table(root / "recipes" / "results"),
        "speed": speed_table(root / "scripts" / "results"),
    }
    return fill(readme, tables)


if __name__ == "__main__":
    (ROOT / "README.md").write_text(make(ROOT), encoding="utf-8")
