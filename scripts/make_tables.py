"""Write the README's tables from the results that trainings and benchmarks left."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from nmt.benchmark.results import Results, TestSet, read_results
from scripts.translation_tables import (
    backends_table,
    cores_table,
    shortlist_table,
    streaming_table,
)

ROOT = Path(__file__).resolve().parents[1]

PAGES = ("README.md", "docs/large-corpora.md", "docs/deployment.md")

EXAMPLE = "multi30k-en-de"
"""The recipe whose costs the README shows."""

TRAINING_RATE = "target_pieces_per_cpu_second"


_NETWORKS = ("recurrent", "transformer", "ensemble")
_KINDS = ("word-by-word", "phrase-based", *_NETWORKS)


def ladder_table(folder: Path) -> list[str]:
    """BLEU of every system on every test set of every recorded benchmark, and the jump."""
    benchmarks = [read_results(path) for path in sorted(folder.glob("*.json"))]
    if not benchmarks:
        return []
    rows = [
        f"| BLEU | training pairs | {' | '.join(_KINDS)} | phrase-based to the best network |",
        "|---" * (len(_KINDS) + 3) + "|",
    ]
    recipes: dict[str, list[str]] = {}
    for results in sorted(benchmarks, key=lambda one: (one.generated, one.recipe)):
        generated = " (generated)" if results.generated else ""
        for test in results.tests:
            cells = []
            for kind in _KINDS:
                names = [system.name for system in results.systems if system.kind == kind]
                values = [test.scores[name]["bleu"].value for name in names]
                cells.append(f"{max(values):.1f}" if values else "")
            rows.append(
                f"| `{results.recipe}`, {test.name}{generated} | {results.num_training_pairs:,} "
                f"| {' | '.join(cells)} | {_jump(results, test)} |"
            )
            signature = next(iter(test.scores.values()))["bleu"].signature
            recipes.setdefault(signature, []).append(results.recipe)
    rows.append("")
    for signature, names in recipes.items():
        whose = "" if len(recipes) == 1 else f" ({', '.join(dict.fromkeys(names))})"
        rows.append(f"Signature: `{signature}`{whose}.")
    return rows


def sizes_table(folder: Path) -> list[str]:
    """BLEU by training pairs, of the example's systems that were trained on parts of them."""
    path = folder / "sizes" / f"{EXAMPLE}.json"
    if not path.exists():
        return []
    results = read_results(path)
    points = [one for one in results.sizes if one.test == results.tests[0].name]
    bleu = {(one.system, one.num_pairs): one.bleu.value for one in points}
    sizes = sorted({size for _, size in bleu})
    rows = [
        f"| `{results.recipe}`, training pairs | {' | '.join(f'{size:,}' for size in sizes)} |",
        "|---" * (len(sizes) + 1) + "|",
    ]
    for system in results.systems:
        cells = (f"{bleu[system.name, size]:.1f}" for size in sizes)
        rows.append(f"| {system.name} | {' | '.join(cells)} |")
    return rows


def _jump(results: Results, test: TestSet) -> str:
    """What the best network gains in BLEU, with the p-value of approximate randomisation."""
    by_kind = {system.kind: system.name for system in results.systems}
    networks = [one.name for one in results.systems if one.kind in _NETWORKS]
    best = max(networks, key=lambda name: test.scores[name]["bleu"].value, default=None)
    ends = (by_kind.get("phrase-based"), best)
    for step in [*test.steps, *test.jumps]:
        if (step.before, step.after) == ends:
            for found in step.tests:
                if found.metric == "bleu":
                    return f"{found.difference:+.1f} (p = {found.p_randomization:.4f})"
    return ""


def cost_table(folder: Path) -> list[str]:
    """What the systems of the README's example took to make, and take to use."""
    path = folder / f"{EXAMPLE}.json"
    if not path.exists():
        return []
    results = read_results(path)
    rows = [
        f"| `{EXAMPLE}` | training | on | model | sentences a second, one core |",
        "|---|---|---|---|---|",
    ]
    for system in results.systems:
        cost = system.cost
        speed = f"{cost.sentences_per_second:,.0f}" if cost.sentences_per_second else ""
        rows.append(
            f"| {system.name} | {_minutes(cost.training_cpu_seconds)} processor min "
            f"| {cost.training_device} | {cost.model_bytes / 1e6:.0f} MB | {speed} |"
        )
    return rows


def _minutes(seconds: float) -> str:
    minutes = seconds / 60
    return f"{minutes:.0f}" if minutes >= 10 else f"{minutes:.1f}"


def phrase_based_table(folder: Path) -> list[str]:
    """The phrase-based system beside Moses: scores over seeds of tuning, speed, cost."""
    path = folder / "bench_phrase_based.json"
    if not path.exists():
        return []
    result = json.loads(path.read_text(encoding="utf-8"))
    lines = [
        "| test2016 | BLEU | sentences a processor second | fast search | training |",
        "|---|---|---|---|---|",
    ]
    for recipe in dict.fromkeys(row["recipe"] for row in result["rows"]):
        rows = [row for row in result["rows"] if row["recipe"] == recipe]
        values = [row["scores"]["bleu"]["value"] for row in rows]
        speed = {row["search"]: row for row in result["speeds"] if row["recipe"] == recipe}
        cells = [
            f"`{recipe}`",
            f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}",
            f"{speed['default']['sentences_per_second']:.0f}",
            f"{speed['fast']['sentences_per_second']:.0f} (BLEU {speed['fast']['bleu']:.2f})",
            f"{rows[0]['training']['cpu_seconds']:.0f} processor s",
        ]
        lines.append(f"| {' | '.join(cells)} |")
        if moses := result["moses"].get(recipe):
            lines.append(f"| Moses | {moses['bleu']:.2f} | {moses['sentences_per_second']} | | |")
    seeds = len({row["seed"] for row in result["rows"]})
    signature = result["rows"][0]["scores"]["bleu"]["signature"]
    lines += [
        "",
        f"Mean and standard deviation over {seeds} seeds of tuning, one core of "
        f"{result['machine']['processor']}; `{signature}`. Moses (cube pruning, pop limit 400, "
        "MIRA) was measured on another machine of this kind.",
    ]
    return lines


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
        lines += _translation_rows(translation)
    if result := training or translation:
        machine = result["machine"]
        others = 100 * result["load"]["others"]
        lines.append(
            f"Each side by side in one run on one core of {machine['processor']}, "
            f"torch {machine['torch']}; the same model sizes for all, but for the preset fast, "
            'which is that of recipes/multi30k-en-de.yaml. "Tuned" peers were given the '
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


def _translation_rows(result: dict[str, Any]) -> list[str]:
    """Ours first, in each of its ways; rates are those of one core."""
    rows = [
        f"| Translation | beam {result['beam']}, sentences a second | greedy "
        "| one sentence by itself | BLEU |",
        "|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        if "skipped" in row or row.get("cores", 1) > 1 or "greedy_cpu_seconds" not in row:
            continue
        rate, greedy = (
            result["lines"] / statistics.median(row[f"{way}cpu_seconds"]) for way in ("", "greedy_")
        )
        alone = 1000 * statistics.median(row["alone_wall_seconds"])
        rows.append(
            f"| {_name(row)} | {rate:,.0f} | {greedy:,.0f} | {alone:.0f} ms | {row['bleu']:.1f} |"
        )
    return [*rows, ""]


def fill(text: str, tables: dict[str, list[str]]) -> str:
    """``text`` with the lines between ``<!-- table: NAME -->`` and its end replaced."""
    for name, lines in tables.items():
        begin, end = f"<!-- table: {name} -->", "<!-- end of table -->"
        if begin not in text:
            continue
        before, rest = text.split(begin, 1)
        _, after = rest.split(end, 1)
        body = "\n".join(lines).strip()
        text = f"{before}{begin}\n{body}\n{end}{after}"
    return text


def scale_table(folder: Path) -> list[str]:
    """What training a phrase-based system costs, by pairs, and what a further million would."""
    path = folder / "bench_phrase_scale.json"
    if not path.exists():
        return []
    result = json.loads(path.read_text(encoding="utf-8"))
    rows = result["rows"]
    stages = list(rows[0]["stages"])
    lines = [
        f"| corpus | pairs | {' | '.join(stages)} | processor s | peak MB | model MB |",
        "|---" * (len(stages) + 5) + "|",
    ]
    for name in dict.fromkeys(row["corpus"] for row in rows):
        of_corpus = [row for row in rows if row["corpus"] == name]
        for row in of_corpus:
            seconds = [f"{row['stages'][stage]:.1f}" for stage in stages]
            lines.append(
                f"| {name} | {row['pairs']:,} | {' | '.join(seconds)} | {row['cpu_seconds']:.1f} "
                f"| {row['peak_megabytes']:.0f} | {row['model_megabytes']:.0f} |"
            )
        before, last = of_corpus[-2:]
        millions = (last["pairs"] - before["pairs"]) / 1e6
        further = [
            (last[key] - before[key]) / millions
            for key in ("cpu_seconds", "peak_megabytes", "model_megabytes")
        ]
        cells = " | ".join(f"{value:,.0f}" for value in further)
        lines.append(f"| a further million pairs of these |{' |' * len(stages)} | {cells} |")
    machine, others = result["machine"], 100 * result["load"]["others"]
    lines += [
        "",
        f"One core of {machine['processor']}; other processes used {others:.0f} % of the machine "
        "meanwhile.",
    ]
    return lines


def make(root: Path, page: str = "README.md") -> str:
    """A page with its tables made anew."""
    text = (root / page).read_text(encoding="utf-8")
    tables = {
        "ladder": ladder_table(root / "recipes" / "results"),
        "sizes": sizes_table(root / "recipes" / "results"),
        "costs": cost_table(root / "recipes" / "results"),
        "phrase-based": phrase_based_table(root / "scripts" / "results"),
        "speed": speed_table(root / "scripts" / "results"),
        "backends": backends_table(root / "scripts" / "results"),
        "scale": scale_table(root / "scripts" / "results"),
        "shortlist": shortlist_table(root / "scripts" / "results"),
        "cores": cores_table(root / "scripts" / "results"),
        "streaming": streaming_table(root / "scripts" / "results"),
    }
    return fill(text, tables)


if __name__ == "__main__":
    for page in PAGES:
        (ROOT / page).write_text(make(ROOT, page), encoding="utf-8")
