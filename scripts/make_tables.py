"""Write the README's tables from the results that trainings and benchmarks left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def results_table(folder: Path) -> list[str]:
    """One row for each test set of each kept training."""
    rows = [
        "| recipe | system | test set | BLEU (95 % interval) | chrF2 | parameters | trained on | time |",
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
    for name, title, unit in (
        ("bench_training", "Training", "target tokens a processor second"),
        ("bench_translation", "Translation, beam 5", "sentences a second"),
    ):
        path = folder / f"{name}.json"
        if path.exists():
            lines += _speed_rows(json.loads(path.read_text(encoding="utf-8")), title, unit)
    return lines


def _speed_rows(result: dict[str, Any], title: str, unit: str) -> list[str]:
    rows = [f"| {title}, one core | {unit} | ours is faster by |", "|---|---|---|"]
    ours = next(row["value"] for row in result["table"] if row["name"] == "nmt")
    for row in result["table"]:
        ratio = "" if row["name"] == "nmt" else f"{ours / row['value']:.1f} x"
        rows.append(f"| {row['label']} | {row['value']:,.0f} | {ratio} |")
    return [*rows, "", f"Measured side by side on: {result['machine']}.", ""]


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
