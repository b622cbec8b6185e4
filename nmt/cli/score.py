"""``nmt-score``: score translations, with intervals and significance."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from nmt.cli.common import run
from nmt.errors import UserError
from nmt.evaluation.names import METRIC_NAMES, TestName, check_metric

if TYPE_CHECKING:
    from nmt.evaluation.significance import Comparison


class _ScoreCommand(TyperCommand):
    """A command that also takes several metrics after one ``--metric``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, repeat_metric_option(args))


def score(
    hypotheses: Annotated[
        list[str],
        typer.Argument(
            metavar="HYP...",
            help="Output of one or more systems, a segment a line, detokenised; - is standard "
            "input. The others are tested against the first.",
            show_default=False,
        ),
    ],
    reference: Annotated[
        list[str],
        typer.Option(
            metavar="FILE", help="A reference; repeat it for several.", show_default=False
        ),
    ],
    source: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The source: its lines are counted, copies reported."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME...",
            help=f"Metrics, of {', '.join(METRIC_NAMES)}: --metric bleu ter, or bleu,ter.",
            show_default="bleu chrf",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    tokenize: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="sacreBLEU's tokenizer for BLEU: 13a, intl, char, zh, ja-mecab, ko-mecab, "
            "flores200, none, ...",
            show_default="13a",
        ),
    ] = None,
    lowercase: Annotated[
        bool, typer.Option("--lowercase", help="Ignore case (TER always does).")
    ] = False,
    test: Annotated[
        TestName | None,
        typer.Option(
            help="Paired significance test; randomization is the stricter one.",
            show_default="bootstrap",
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Resamples or trials of the test.",
            show_default="1000, randomization 10000",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the resampling.")] = 12345,
    confidence: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Confidence of the intervals.")
    ] = 0.95,
) -> None:
    """Score translations with sacreBLEU: signatures, confidence intervals, significance."""
    # Checked before anything is read or, slower, imported.
    metrics = [check_metric(name) for word in metric or ["bleu,chrf"] for name in word.split(",")]
    if tokenize is not None and "bleu" not in metrics:
        raise UserError("--tokenize is for BLEU, which is not asked for", mend="add --metric bleu")
    if test is not None and len(hypotheses) < 2:
        raise UserError("--test compares systems, and there is only one", mend="name another one")

    from nmt.evaluation.inputs import find_accidents, read_inputs
    from nmt.evaluation.significance import compare

    stdin = sys.stdin.buffer if sys.stdin is not None else None
    inputs = read_inputs(hypotheses, reference, source, standard_input=stdin)
    comparison = compare(
        inputs.systems,
        list(inputs.references.values()),
        metrics,
        test=test or "bootstrap",
        samples=samples,
        seed=seed,
        confidence=confidence,
        tokenizer=tokenize or "13a",
        lowercase=lowercase,
    )
    warnings = find_accidents(inputs)
    if as_json:
        files = {"references": reference, "source": source}
        print(json.dumps(files | comparison.to_json() | {"warnings": warnings}, indent=2))
        return
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    _print_report(comparison)


def repeat_metric_option(args: Sequence[str]) -> list[str]:
    """Turn ``--metric bleu ter`` into ``--metric bleu --metric ter``.

    After the option's own value, further words belong to it only if they are names of metrics.
    Raises UserError if such a word is also the name of a file here, which may be a hypothesis.
    """
    result: list[str] = []
    value_follows = more_may_follow = False
    for position, word in enumerate(args):
        if word == "--" and not value_follows:
            return [*result, *args[position:]]
        if more_may_follow and word in METRIC_NAMES:
            if Path(word).exists():
                raise UserError(
                    f"{word!r} after --metric is a metric, and also the name of a file here",
                    mend=f"write --metric={word} for the metric, or ./{word} for the file",
                )
            result += ["--metric", word]
            continue
        result.append(word)
        more_may_follow = value_follows or word.startswith("--metric=")
        value_follows = word == "--metric" and not value_follows
    return result


def _print_report(comparison: Comparison) -> None:
    from nmt.evaluation.report import comparison_lines, print_tables

    if sys.stdout.isatty():
        from rich.console import Console

        print_tables(comparison, Console(highlight=False))
    else:
        print("\n".join(comparison_lines(comparison)))


def main() -> None:
    """Run ``nmt-score`` with the arguments of the command line."""
    run(score, cls=_ScoreCommand)


if __name__ == "__main__":
    main()
