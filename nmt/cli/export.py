"""``nmt-export``: write a trained model as other programs read it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nmt.cli.common import run
from nmt.errors import UserError

if TYPE_CHECKING:
    from nmt.neural.export.check import Agreement


def export(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="Model folder, such as runs/multi30k-en-de/transformer.",
            show_default=False,
        ),
    ],
    to: Annotated[
        Literal["ctranslate2", "onnx", "huggingface", "safetensors"],
        typer.Option(help="What to write.", show_default=False),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Where to.",
            show_default="beside the model, MODEL-TO[-QUANTIZATION]",
        ),
    ] = None,
    quantization: Annotated[
        Literal["int8", "int16", "float16", "bfloat16"] | None,
        typer.Option(help="Type in which weights are kept.", show_default="float32"),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Lines to translate with both models, to see that they agree.",
            show_default="lines made up of the model's pieces",
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Translations of those lines, for BLEU.", show_default="none"
        ),
    ] = None,
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Do not translate anything afterwards.")
    ] = False,
) -> None:
    """Write a trained model as other programs read it.

    The folder is complete by itself: nmt-translate opens it too, and needs nothing else of the
    model that it was made from. Afterwards both translate the same lines; if they do not agree, up
    to ties and to what --quantization rounds, the exit code is 2.
    """
    if reference is not None and check is None:
        raise UserError("--reference has no effect without --check FILE")
    if no_check and check is not None:
        raise UserError(
            "--check and --no-check contradict each other", mend="leave one of them out"
        )

    from nmt.lines import read_lines
    from nmt.neural.export.export import export_model

    lines = read_lines(check) if check is not None else None
    if lines is not None and not any(map(str.strip, lines)):
        raise UserError("there is nothing to translate in it", where=str(check))
    references = read_lines(reference) if reference is not None else None
    if lines is not None and references is not None and len(lines) != len(references):
        raise UserError(
            f"{len(references)} lines, but there are {len(lines)} in {check}", where=str(reference)
        )
    if output is None:
        model = model.resolve()
        output = model.with_name("-".join(filter(None, (model.name, to, quantization))))
    folder = export_model(model, to, output, quantization)
    size = sum(facts.size for facts in folder.files.values())
    typer.echo(f"{output}: {size / 1e6:.1f} MB")
    if no_check:
        return
    _check(model, output, lines, references, quantization)
    if to == "huggingface":
        _check_transformers(output, lines)


def _check(
    model: Path,
    output: Path,
    lines: list[str] | None,
    references: list[str] | None,
    quantization: str | None,
) -> None:
    """Say how much both models agree; raises UserError if they ought to and do not."""
    from nmt.neural.export.check import TIE, check_export

    what = "made-up lines" if lines is None else "lines"
    found = check_export(model, output, _lines(output, lines))
    typer.echo(
        f"checked on {found.lines} {what}: {100 * found.same:.1f} % the same in greedy search, "
        f"{100 * found.same_beam:.1f} % by the best of each one's own search"
    )
    if quantization is not None:
        _report_bleu(found, references)
    elif not found.agrees:
        raise UserError(
            "the exported model does not compute the same: it takes other pieces than the native "
            f"one, which finds them less likely by {found.worst_gap:.3f} (a tie is up to {TIE})",
            where=str(output),
            mend="do not use it; translate with the model that it was made from, and report this",
        )
    elif found.same < 1:
        typer.echo(
            "those that differ do so by ties, or because the native search ends what repeats "
            f"itself: log-probabilities {found.worst_gap:.1e} apart at most"
        )


def _report_bleu(found: Agreement, references: list[str] | None) -> None:
    from nmt.evaluation.metrics import score

    def bleu(texts: list[str], reference: list[str]) -> float:
        return score(texts, [reference], ["bleu"], confidence=None)["bleu"].value

    if references is None:
        value = bleu(found.exported, found.native)
        typer.echo(f"BLEU of its output against that of the float32 model: {value:.1f}")
        return
    before, after = bleu(found.native, references), bleu(found.exported, references)
    typer.echo(f"BLEU {after:.2f}, of the float32 model {before:.2f}: {after - before:+.2f}")


def _check_transformers(output: Path, lines: list[str] | None) -> None:
    from nmt.neural.export.check import same_in_transformers

    same = same_in_transformers(output, _lines(output, lines))
    typer.echo(
        "transformers is not installed: it was not asked"
        if same is None
        else f"transformers, in greedy search: {100 * same:.1f} % the same"
    )


def _lines(output: Path, lines: list[str] | None) -> list[str]:
    from nmt.neural.export.check import made_up_lines
    from nmt.neural.system import TOKENIZER
    from nmt.tokenization.pair import TokenizerPair

    return made_up_lines(TokenizerPair.load(output / TOKENIZER)) if lines is None else lines


def main() -> None:
    """Run ``nmt-export`` with the arguments of the command line."""
    run(export)


if __name__ == "__main__":
    main()
