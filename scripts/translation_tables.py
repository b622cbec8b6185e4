"""The tables about translation, from the results that benchmarks left."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from scripts.bench_cores import gains


def backends_table(folder: Path) -> list[str]:
    """Speed, memory and BLEU of one model by all backends."""
    result = _read(folder / "bench_backends.json")
    if result is None:
        return []
    lines = [
        "| backend | beam 5, sentences a processor second | greedy | BLEU, beam 5 "
        "| as native float32, greedy | beam 5 | memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        if "skipped" in row:
            continue
        speeds = [result["lines"] / min(row["cpu_seconds"][beam]) for beam in ("5", "1")]
        same = [100 * row["same"][beam] for beam in ("1", "5")]
        lines.append(
            f"| {row['backend']}, {row['precision']} | {speeds[0]:.0f} | {speeds[1]:.0f} "
            f"| {row['bleu']['5']:.2f} | {same[0]:.1f} % | {same[1]:.1f} % "
            f"| {row['peak_bytes'] / 1e6:.0f} MB |"
        )
    architecture = result["model"]["architecture"]
    signature = next(row["signature"] for row in result["rows"] if "skipped" not in row)
    return [
        *lines,
        "",
        f"The same model, {architecture['encoder_layers']} + {architecture['decoder_layers']} "
        f"layers of width {architecture['width']}, on {result['lines']} lines of Multi30k, each in "
        f"a process of its own on one core of {_where(result)}; `{signature}`. {_load(result)}",
    ]


def shortlist_table(folder: Path) -> list[str]:
    """What shortlists change."""
    result = _read(folder / "measure_shortlist.json")
    if result is None:
        return []
    lines = [
        "| model, test set | pieces a list | of the references | BLEU | with it | faster by |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        faster = min(row["cpu_seconds"]) / min(row["cpu_seconds_listed"])
        lines.append(
            f"| {row['model']}, {row['lines']} | {row['candidates']:.0f} "
            f"| {100 * row['recall']:.1f} % | {row['bleu']:.2f} "
            f"| {row['bleu_listed'] - row['bleu']:+.2f} | {faster:.2f} x |"
        )
    mean = statistics.mean(row["bleu_listed"] - row["bleu"] for row in result["rows"])
    return [
        *lines,
        "",
        f"BLEU changes by {mean:+.2f} on average. One core of {_where(result)}, by processor time; "
        f"`{result['rows'][0]['signature']}`. {_load(result)}",
    ]


def cores_table(folder: Path) -> list[str]:
    """What two cores are worth."""
    result = _read(folder / "bench_cores.json")
    if result is None:
        return []
    lines = [
        "| model | sentences a second, one core | two threads | two workers | two commands |",
        "|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        one, found = result["lines"] / statistics.median(row["one"]), gains(row)
        lines.append(
            f"| {row['model']} | {one:.0f} | {found.threads:.2f} x | {found.workers:.2f} x "
            f"| {found.apart:.2f} x |"
        )
    return [*lines, "", f"{result['lines']} lines, {_where(result)}. {_load(result)}"]


def streaming_table(folder: Path) -> list[str]:
    """Memory while a long stream is translated."""
    result = _read(folder / "bench_streaming.json")
    if result is None:
        return []
    looks = result["memory"][:: max(1, len(result["memory"]) // 5)]
    if looks[-1] != result["memory"][-1]:
        looks.append(result["memory"][-1])
    return [
        f"| lines answered | {' | '.join(format(look['lines'], ',') for look in looks)} |",
        "|---" * (len(looks) + 1) + "|",
        f"| memory, MB | {' | '.join(format(look['megabytes'], '.0f') for look in looks)} |",
        "",
        f"With a beam of {result['beam']}; a line alone is answered after "
        f"{1000 * result['seconds_to_answer_when_started']:.0f} ms, one that is sent with the "
        f"command's start after {result['seconds_to_first_answer_from_start']:.1f} s, the "
        f"first one of a stream after {result['seconds_to_first_answer_of_stream']:.1f} s. "
        f"{_where(result)}. {_load(result)}",
    ]


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _where(result: dict[str, Any]) -> str:
    return str(result["machine"]["processor"])


def _load(result: dict[str, Any]) -> str:
    return f"Other processes used {100 * result['load']['others']:.0f} % of the machine meanwhile."
