"""``nmt-align``: link the words of sentence pairs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nmt.cli.common import run
from nmt.errors import UserError

if TYPE_CHECKING:
    from nmt.statistical.alignment.pharaoh import GoldAlignment
    from nmt.statistical.sentences import Alignments

_MODEL = "Model"
_GOLD = "Comparison"


def align(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="Tokenised text, words between spaces, a sentence a line (UTF-8); without TARGET, "
            "lines of: source ||| target.",
            show_default=False,
        ),
    ],
    target: Annotated[
        Path | None,
        typer.Argument(metavar="TARGET", help="Its translation.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to write lines of links, 0-0 1-2: source and target positions from 0.",
            show_default="standard output",
        ),
    ] = None,
    direction: Annotated[
        Literal["forward", "reverse", "both"],
        typer.Option(
            help="forward: at most one link for each target word; reverse: for each source word; "
            "both: symmetrised."
        ),
    ] = "both",
    symmetrization: Annotated[
        Literal["intersection", "union", "grow-diag", "grow-diag-final", "grow-diag-final-and"]
        | None,
        typer.Option(
            help="How both directions are put together.", show_default="grow-diag-final-and"
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Threads; the result does not depend on them.", show_default="all cores"
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    model: Annotated[
        Literal["ibm1", "fast-align", "hmm", "eflomal"] | None,
        typer.Option(
            help="Alignment model to train: the last is the best, fast-align the fastest.",
            show_default="eflomal",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    iterations: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100,
            help="Rounds of EM, except eflomal's.",
            show_default="5",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="Seed of eflomal's draws.", show_default="1", rich_help_panel=_MODEL
        ),
    ] = None,
    save_model: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Keep the trained model here.", rich_help_panel=_MODEL),
    ] = None,
    with_model: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Train nothing; align with a model kept earlier.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    gold: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Links made by people, 1-2 sure, 1p2 or 1?2 possible, for the first lines: print "
            "the alignment error rate.",
            rich_help_panel=_GOLD,
        ),
    ] = None,
    gold_from: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=1,
            help="What the gold file counts as first word.",
            show_default="0",
            rich_help_panel=_GOLD,
        ),
    ] = None,
) -> None:
    """Link the words of sentence pairs with their translations."""
    # Checked before anything is read or, slower, imported.
    if direction != "both" and symmetrization is not None:
        raise UserError(
            f"--symmetrization needs both directions, not --direction {direction}",
            mend="leave one of the two out",
        )
    training = {"--model": model, "--iterations": iterations, "--seed": seed}
    given = [name for name, value in training.items() if value is not None]
    given += ["--save-model"] if save_model is not None else []
    if with_model is not None and given:
        raise UserError(
            f"{', '.join(given)} is for training, and --with-model trains nothing",
            mend="leave one of the two out",
        )
    eflomal = model is None or model == "eflomal"
    if iterations is not None and eflomal:
        raise UserError("--iterations is of EM, and eflomal draws", mend="name another --model")
    if seed is not None and not eflomal:
        raise UserError(
            f"--seed is of eflomal's draws, and {model} does not draw", mend="leave it out"
        )
    if gold_from is not None and gold is None:
        raise UserError("--gold-from has no effect without --gold", mend="add --gold FILE")

    from nmt.machine import available_cores
    from nmt.statistical.alignment.reading import read_pairs
    from nmt.statistical.alignment.settings import AlignmentSettings
    from nmt.statistical.alignment.word_aligner import WordAligner, check_model_place

    if save_model is not None:
        check_model_place(save_model)
    aligner = WordAligner.load(with_model) if with_model is not None else None
    pairs = read_pairs(source, target)
    golds = _read_gold(gold, gold_from or 0, *pairs) if gold is not None else None
    chosen = {
        "model": model,
        "iterations": iterations,
        "seed": seed,
        "symmetrization": symmetrization,
    }
    settings = AlignmentSettings.model_validate(
        {name: value for name, value in chosen.items() if value is not None}
    )
    threads = workers or available_cores()
    if aligner is None:
        alignments, aligner = WordAligner.train(
            *pairs, settings, workers=threads, report=_be_silent if quiet else _report
        )
        if save_model is not None:
            aligner.save(save_model)
    elif direction == "both":
        alignments = aligner.model.align(
            aligner.bitext(*pairs), settings.symmetrization, workers=threads
        )
    if direction != "both":
        alignments = aligner.model.align_one_direction(
            aligner.bitext(*pairs), reverse=direction == "reverse", workers=threads
        )
    _write(alignments, output)
    if golds is not None:
        _print_error_rate(alignments, golds)


def _report(line: str) -> None:
    print(line, file=sys.stderr)


def _be_silent(_line: str) -> None:
    """Show no progress."""


def _read_gold(
    path: Path, first_position: int, source: Sequence[Sized], target: Sequence[Sized]
) -> list[GoldAlignment]:
    from nmt.lines import read_lines
    from nmt.statistical.alignment.pharaoh import check_gold, read_gold

    golds = read_gold(read_lines(path), str(path), first_position=first_position)
    if not golds:
        raise UserError("there are no links in it", where=str(path))
    check_gold(golds, source, target, str(path), first_position=first_position)
    return golds


def _write(alignments: Alignments, path: Path | None) -> None:
    from nmt.files import replacing_file
    from nmt.statistical.alignment.pharaoh import format_alignments

    lines: Iterable[str] = (f"{line}\n" for line in format_alignments(alignments))
    if path is None:
        sys.stdout.writelines(lines)
        return
    with replacing_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(lines)


def _print_error_rate(alignments: Alignments, golds: list[GoldAlignment]) -> None:
    from nmt.statistical.alignment.error_rate import alignment_error_rate

    scores = alignment_error_rate([alignments[n] for n in range(len(golds))], golds)
    print(
        f"AER {scores.error_rate:.1%}, precision {scores.precision:.1%}, recall "
        f"{scores.recall:.1%}, of {len(golds)} sentence pairs",
        file=sys.stderr,
    )


def main() -> None:
    """Run ``nmt-align`` with the arguments of the command line."""
    run(align)


if __name__ == "__main__":
    main()
