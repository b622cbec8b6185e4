"""How the cost of training a phrase-based system grows with the corpus, to foresee larger ones.

    python -m scripts.bench_phrase_scale [--data FOLDER]
    python -m scripts.bench_phrase_scale --show scripts/results/bench_phrase_scale.json

``nmt-train`` itself on growing parts of two corpora, on one core, without tuning (whose cost grows
with the validation set, not with the corpus). Compilation is not counted. The constants are those
of a line through the largest two parts of each corpus: what a further million pairs would cost.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from scripts.benchmark import (
    LoadMeter,
    describe,
    environment,
    format_table,
    machine,
    pinned,
)
from scripts.benchmark_command import command_line, run_benchmark

ROOT = Path(__file__).resolve().parents[1]
SYSTEM = "phrase-based"
PARTS = (8, 4, 2, 1)
"""Parts of each corpus, as divisors of its size."""


def corpora(data: Path) -> dict[str, tuple[int, dict[str, Any]]]:
    """The number of training pairs and the ``corpus`` of a recipe, for each corpus."""
    tatoeba, europarl = data / "tatoeba_en_de", data / "europarl_it_en"

    def files(folder: Path, split: str, suffix: str, languages: tuple[str, str]) -> dict[str, str]:
        source, target = (str(folder / f"{split}.{language}{suffix}") for language in languages)
        return {"kind": "files", "source": source, "target": target}

    return {
        "tatoeba en-de, short sentences": (164_025, {
            "source_language": "en", "target_language": "de",
            "train": [files(tatoeba, "train", "", ("en", "de"))],
            "valid": files(tatoeba, "valid", "", ("en", "de")),
        }),
        "europarl it-en, long sentences": (38_255, {
            "source_language": "it", "target_language": "en",
            "train": [files(europarl, "train", ".gz", ("it", "en"))],
            "valid": files(europarl, "valid", "", ("it", "en")),
        }),
    }  # fmt: skip


def train(name: str, pairs: int, corpus: dict[str, Any]) -> dict[str, Any]:
    """Train on so many pairs; returns costs, sizes and the peak of memory."""
    with tempfile.TemporaryDirectory() as folder:
        recipe = Path(folder) / "scale.yaml"
        system = {"kind": SYSTEM, "tuning": {"algorithm": "none"}}
        recipe.write_text(
            yaml.safe_dump({"corpus": {**corpus, "max_pairs": pairs}, "systems": {SYSTEM: system}}),
            encoding="utf-8",
        )
        command = [
            sys.executable, "-m", "nmt.cli.train", str(recipe), "--output", f"{folder}/runs",
        ]  # fmt: skip
        process = subprocess.Popen(
            command, env=environment(), preexec_fn=pinned(1), stdout=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{name}, {pairs} pairs: nmt-train ended with {process.returncode}")
        model = json.loads(
            (Path(folder) / "runs" / "scale" / SYSTEM / "model.json").read_text(encoding="utf-8")
        )
    stages = {
        stage: cost["cpu_seconds"]
        for stage, cost in model["training"]["stages"].items()
        if stage != "tuning"
    }
    return {
        "corpus": name,
        "pairs": pairs,
        "stages": stages,
        "cpu_seconds": sum(stages.values()),
        "peak_megabytes": usage.ru_maxrss / 1024,
        "model_megabytes": sum(file["size"] for file in model["files"].values()) / 1e6,
    }


def table(result: dict[str, Any]) -> str:
    """The result as text."""
    rows = result["rows"]
    stages = list(rows[0]["stages"])
    lines = []
    for row in rows:
        lines.append([
            row["corpus"], f"{row['pairs']:,}", *(f"{row['stages'][s]:.1f}" for s in stages),
            f"{row['cpu_seconds']:.1f}", f"{row['peak_megabytes']:.0f}",
            f"{row['model_megabytes']:.0f}",
        ])  # fmt: skip
    head = ["processor seconds", "pairs", *stages, "all", "peak MB", "model MB"]
    parts = [format_table(head, lines)]
    for name in dict.fromkeys(row["corpus"] for row in rows):
        before, last = [row for row in rows if row["corpus"] == name][-2:]
        millions = (last["pairs"] - before["pairs"]) / 1e6
        seconds, memory, size = (
            (last[key] - before[key]) / millions
            for key in ("cpu_seconds", "peak_megabytes", "model_megabytes")
        )
        parts.append(
            f"{name}: a further million pairs costs {seconds:.0f} processor s, "
            f"{memory / 1000:.1f} GB of memory, {size / 1000:.1f} GB of disk"
        )
    return "\n\n".join([*parts, "\n".join(describe(result))])


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, write the result; returns the exit status."""
    parser = command_line(__doc__, "bench_phrase_scale.json")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    return run_benchmark(parser, run, table, arguments)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Train on parts of each corpus."""
    with LoadMeter() as meter:
        rows = []
        for name, (size, corpus) in corpora(options.data.resolve()).items():
            for part in PARTS:
                rows.append(train(name, size // part, corpus))
                seconds = rows[-1]["cpu_seconds"]
                print(f"{name}, {size // part:,} pairs: {seconds:.1f} s", flush=True)
        return {"machine": machine(), "load": meter.load().to_json(), "rows": rows}


if __name__ == "__main__":
    sys.exit(main())
