"""What was tried on which corpora, what of it earned its place, and the table that shows it."""

from __future__ import annotations

import statistics
from typing import Any

from scripts.benchmark import describe, format_table

BAR = 0.3
"""BLEU that a model must give on two corpora to be taken."""
CORPORA = {
    "multi30k-en-de": ("multi30k-en-de", "multi30k", []),
    "multi30k-de-en": ("multi30k-de-en", "multi30k", []),
    "tatoeba-en-de": ("tatoeba-en-de", "tatoeba_en_de", ["corpus.max_pairs=60000"]),
}
"""Recipe, folder of data and overrides."""
CLASS_MODELS = ((50, 7), (100, 5), (200, 3), (200, 4), (200, 5), (200, 7), (400, 5), (600, 7))
"""Number of classes, order."""
CHOSEN = "classes_200_5"
MODEL1 = ("model1_direct", "model1_inverse")
VARIANTS = {
    **{f"{n} classes, order {order}": (f"classes_{n}_{order}",) for n, order in CLASS_MODELS},
    "200 classes shuffled, order 5": ("shuffled_200_5",),
    "operations, order 5": ("operations",),
    "units without jumps, order 5": ("units",),
    "IBM Model 1, both directions": MODEL1,
    "language model, order 6": ("language_model_6",),
    "200 classes and operations": (CHOSEN, "operations"),
    "200 classes and Model 1": (CHOSEN, *MODEL1),
}
"""The features of each trial, besides the system's own."""
OVER = {
    "200 classes and operations": "200 classes, order 5",
    "200 classes and Model 1": "200 classes, order 5",
}
"""What a trial is compared with to be decided, where that is not the system alone."""


def gains(corpus: dict[str, Any], trial: str, key: str, over: str = "none") -> list[float]:
    """BLEU more than another trial has, seed by seed."""
    rows, plain = corpus["trials"][trial][key], corpus["trials"][over][key]
    return [a - b for a, b in zip(rows, plain, strict=True)]


def decide(corpora: dict[str, Any]) -> dict[str, Any]:
    """For each trial whether it earns its place, by the mean gain over seeds and directions.

    A corpus counts once, whatever its directions. The validation sets decide; the test sets
    confirm or do not. What goes on top of classes has to earn its place beside them.
    """
    decisions = {}
    for trial in VARIANTS:
        over = OVER.get(trial, "none")
        means: dict[str, dict[str, float]] = {}
        for key in ("valid", "test"):
            found: dict[str, list[float]] = {}
            for name, corpus in corpora.items():
                found.setdefault(CORPORA[name][1], []).extend(gains(corpus, trial, key, over))
            means[key] = {folder: statistics.mean(values) for folder, values in found.items()}
        enough = {key: sum(mean >= BAR for mean in means[key].values()) >= 2 for key in means}
        decisions[trial] = {
            "over": over, "gain": means, "earned": enough["valid"], "confirmed": enough["test"],
        }  # fmt: skip
    return decisions


def table(result: dict[str, Any]) -> str:
    """The result as text."""
    parts = []
    for name, corpus in result["corpora"].items():
        lines = []
        for trial, rows in corpus["trials"].items():
            cells = [trial]
            for key in ("valid", "test"):
                found = rows[key] if trial == "none" else gains(corpus, trial, key)
                sign = "" if trial == "none" else "+"
                cells.append(f"{statistics.mean(found):{sign}.2f} ± {statistics.stdev(found):.2f}")
            lines.append(cells)
        sizes = corpus["hypotheses_per_sentence"]
        parts.append(
            f"{name}, {corpus['pairs']:,} pairs; {sizes['valid']:.0f} hypotheses a sentence\n"
            + format_table(["features besides the system's", "other half", "test set"], lines)
        )
    lines = []
    for trial, found in result["decisions"].items():
        cells = [trial if found["over"] == "none" else f"{trial} (over {found['over']})"]
        for key in ("valid", "test"):
            cells.append("  ".join(f"{mean:+.2f}" for mean in found["gain"][key].values()))
        lines.append([*cells, *("yes" if found[key] else "no" for key in ("earned", "confirmed"))])
    folders = ", ".join(next(iter(result["decisions"].values()))["gain"]["valid"])
    head = ["mean gain", "other half", "test set", "earned", "confirmed"]
    parts.append(
        f"{folders}; earned: at least {BAR} BLEU on two corpora; confirmed: on the test sets too\n"
        + format_table(head, lines)
    )
    last = list(result["corpora"].values())[-1]
    parts.append("(the load bears on seconds in the JSON, not on BLEU)")
    parts.append("\n".join(describe({"machine": result["machine"], "load": last["load"]})))
    return "\n\n".join(parts)
