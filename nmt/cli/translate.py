"""``nmt-translate``: translate text with a trained model."""

from __future__ import annotations

import dataclasses
import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmt.cli import search_options
from nmt.cli.common import INTERRUPTED, run
from nmt.cli.format_options import (
    ColumnOption,
    ExplainOption,
    FinalOption,
    FormatOption,
    KeyOption,
    ScoresOption,
    TranslationKeyOption,
    check_format_options,
    check_with_tags,
    check_without,
)
from nmt.cli.option_work import (
    alignment_writer,
    check_place_of_its_own,
    open_glossary,
    translate_tagged_lines,
)
from nmt.cli.quality_options import (
    AlignmentsOption,
    ConfidenceOption,
    EnsembleOption,
    GlossaryOption,
    KeepTagsOption,
    PrefixColumnOption,
    PrefixKeyOption,
    RerankCandidatesOption,
    RerankOption,
    RerankWeightOption,
)
from nmt.cli.search_options import (
    BackendOption,
    BatchTokensOption,
    BeamOption,
    CandidatesOption,
    DeviceOption,
    LengthPenaltyOption,
    MinimumRiskOption,
    NbestOption,
    PrecisionOption,
    SampleOption,
    SeedOption,
    ShortlistOption,
    TemperatureOption,
    TopKOption,
    TopPOption,
)
from nmt.cli.streams import (
    STANDARD_INPUT,
    check_input,
    count_lines,
    open_output,
    read_bytes,
    read_input,
)

if TYPE_CHECKING:
    from nmt.cli.throughput import Display
    from nmt.documents import Document
    from nmt.formats import Format
    from nmt.search_options import SearchKeywords
    from nmt.translator import Translator


def translate(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="Model folder, such as runs/multi30k-en-de/transformer.",
            show_default=False,
        ),
    ],
    input_file: Annotated[
        Path | None,
        typer.Option(
            "--input",
            "-i",
            metavar="FILE",
            help="What to translate: text, a line each (UTF-8), or a document (see --format).",
            show_default="standard input",
        ),
    ] = None,
    output_file: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to write; called FILE.partial until it is complete.",
            show_default="standard output",
        ),
    ] = None,
    beam: BeamOption = None,
    nbest: NbestOption = 1,
    shortlist: ShortlistOption = None,
    length_penalty: LengthPenaltyOption = None,
    batch_tokens: BatchTokensOption = None,
    sample: SampleOption = False,
    temperature: TemperatureOption = None,
    top_k: TopKOption = None,
    top_p: TopPOption = None,
    seed: SeedOption = None,
    minimum_risk: MinimumRiskOption = None,
    candidates: CandidatesOption = None,
    line_format: FormatOption = None,
    final: FinalOption = False,
    scores: ScoresOption = False,
    explain: ExplainOption = False,
    column: ColumnOption = None,
    key: KeyOption = None,
    translation_key: TranslationKeyOption = None,
    ensemble: EnsembleOption = None,
    rerank: RerankOption = None,
    rerank_weight: RerankWeightOption = None,
    rerank_candidates: RerankCandidatesOption = None,
    glossary: GlossaryOption = None,
    prefix_column: PrefixColumnOption = None,
    prefix_key: PrefixKeyOption = None,
    keep_tags: KeepTagsOption = False,
    alignments: AlignmentsOption = None,
    confidence: ConfidenceOption = False,
    device: DeviceOption = "auto",
    backend: BackendOption = "auto",
    precision: PrecisionOption = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print rates, also when not on a terminal.")
    ] = False,
) -> None:
    """Translate text, a line each, with a trained model.

    As many lines come out as go in, in their order; blank lines stay blank, and lines of any length
    are translated whole. Output appears while input still comes. With --nbest N, text output has up
    to N lines for each: INDEX ||| TRANSLATION ||| SCORE, where INDEX counts lines from 0.

    Documents (--format, or by the name of --input: *.po, *.tmx, *.xlf, *.html, *.srt, *.md) come
    back byte for byte but for their text. Tags are put where the words that they were around are;
    placeholders such as {name}, %s and addresses come back as they were.
    """
    from nmt import formats
    from nmt.documents import format_of
    from nmt.search_options import SearchOptions

    source = None if input_file == Path("-") else input_file
    target = None if output_file == Path("-") else output_file
    input_format = line_format or format_of(source)
    many = nbest > 1
    check_format_options(
        input_format, nbest=many, scores=scores, explain=explain, alignments=alignments,
        confidence=confidence, column=column, prefix_column=prefix_column, key=key,
        translation_key=translation_key, prefix_key=prefix_key, keep_tags=keep_tags, final=final,
    )  # fmt: skip
    if keep_tags:
        check_with_tags(nbest=many, scores=scores, explain=explain, alignments=alignments)
    if rerank is None:
        check_without("--rerank", rerank_weight=rerank_weight, rerank_candidates=rerank_candidates)
    chosen: Format | None = None
    match input_format:
        case "text":
            chosen = formats.TextFormat(nbest, scores, explain)
        case "tsv":
            chosen = formats.TsvFormat(column or 1, nbest, scores, prefix_column)
        case "jsonl":
            chosen = formats.JsonLinesFormat(
                key, translation_key or "translation", nbest, scores, explain, confidence,
                prefix_key,
            )  # fmt: skip
    options: SearchKeywords = {
        "beam": beam,
        "nbest": nbest,
        "batch_tokens": batch_tokens,
        "length_penalty": length_penalty,
        "shortlist": shortlist,
        "minimum_risk": search_options.minimum_risk(minimum_risk, candidates),
        "explain": explain or confidence or alignments is not None,
        "glossary": open_glossary(glossary),
        "sampling": search_options.sampling(
            sample, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed
        ),
    }
    asked = SearchOptions(**options)  # mistakes are told before the model is loaded
    if prefix_column or prefix_key or rerank:
        # Nor do all backends begin as they are told, or say the probability of what was said.
        asked = dataclasses.replace(asked, explain=True)
    check_input(source)
    check_place_of_its_own(alignments, input=source, output=target)
    with open_output(target) as stream:
        name = str(source or STANDARD_INPUT)
        # Its mistakes are told before the model is loaded, too.
        document = _read_document(model, source, input_format, final) if chosen is None else None

        from nmt.systems import load

        translator = load(
            [model, *ensemble] if ensemble else model,
            device=device, backend=backend, precision=precision, options=asked,
        )  # fmt: skip
        if verbose:
            typer.echo(f"backend: {translator.backend}", err=True)
        if rerank is not None:
            from nmt.neural.reranking import rerank as reranking

            reverse = load(rerank, device=device, backend="native")
            translator = reranking(
                translator, reverse, weight=rerank_weight, candidates=rerank_candidates
            )
        with _display(verbose, source, target) as display:
            if document is not None:
                stream.write(_translate_document(translator, document, name, options, display))
                return
            if keep_tags:
                translate_tagged_lines(translator, source, stream, name, options, display)
                return
            assert chosen is not None
            with alignment_writer(alignments) as watch:
                lines = read_input(source)
                answers = formats.answer(translator, lines, name, chosen, options, watch)
                for translated, translations in answers:
                    stream.write("".join(f"{line}\n" for line in translated).encode("utf-8"))
                    stream.flush()
                    display.add(translations)


def _read_document(model: Path, source: Path | None, document_format: str, final: bool) -> Document:
    """The input as a document for a model's languages."""
    from nmt.documents import as_document_format, read_document
    from nmt.model_folder import open_model_folder

    folder = open_model_folder(model)
    return read_document(
        read_bytes(source),
        str(source or STANDARD_INPUT),
        as_document_format(document_format),
        source_language=folder.source_language,
        target_language=folder.target_language,
        final=final,
    )


def _translate_document(
    translator: Translator,
    document: Document,
    name: str,
    options: SearchKeywords,
    display: Display,
) -> bytes:
    """A document's translation; says on standard error what could not be translated."""
    from nmt.documents import translate_document

    result = translate_document(document, translator, options, display.add)
    for one in result.untranslated:
        typer.echo(f"{name}:{one.line}: left as it is: {one.reason}", err=True)
    return result.data


def _display(
    verbose: bool, source: Path | None, target: Path | None
) -> AbstractContextManager[Display]:
    """Rates if asked for; else a bar, unless something else writes to the terminal."""
    from nmt.cli import throughput

    if verbose:
        return throughput.plain_lines()
    interactive = (source is None and sys.stdin.isatty()) or (
        target is None and sys.stdout.isatty()
    )
    if sys.stderr.isatty() and not interactive:
        return throughput.bar(count_lines(source))
    return throughput.silence()


def main() -> None:
    """Run ``nmt-translate`` with the arguments of the command line."""
    try:
        run(translate)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            # All is said and put away; what threads are still searching for, nobody waits for.
            sys.stderr.flush()
            os._exit(INTERRUPTED)
        raise


if __name__ == "__main__":
    main()
