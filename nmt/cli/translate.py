"""``nmt-translate``: translate text with a trained model."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nmt.cli.common import run
from nmt.cli.option_work import (
    alignment_writer,
    open_glossary,
    refuse,
    refuse_with_tags,
    refuse_without,
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
from nmt.cli.streams import (
    STANDARD_INPUT,
    check_input,
    count_lines,
    open_output,
    read_bytes,
    read_input,
)
from nmt.errors import UserError

if TYPE_CHECKING:
    from nmt.cli.throughput import Display
    from nmt.documents import Document
    from nmt.formats import Format
    from nmt.search_options import MinimumRisk, Sampling, SearchKeywords
    from nmt.translator import Translator

_SEARCH = "Search"
_SAMPLING = "Sampling"
_RISK = "Minimum Bayes risk"
_FORMATS = "Formats"


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
    beam: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Hypotheses kept at each step; 1 is greedy search.",
            show_default="the model's",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    nbest: Annotated[
        int, typer.Option(min=1, help="Translations given for each line.", rich_help_panel=_SEARCH)
    ] = 1,
    shortlist: Annotated[
        bool | None,
        typer.Option(
            "--shortlist/--no-shortlist",
            help="Search among the pieces that are likely for each line only, which is quicker; "
            "for models that learned which (search.shortlist).",
            show_default="the model's",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    length_penalty: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Exponent of the length normalisation; more gives longer output.",
            show_default="the model's",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    batch_tokens: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Source positions searched at once.",
            show_default="the model's",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    sample: Annotated[
        bool,
        typer.Option(
            "--sample",
            help="Draw translations at random instead of searching for the best.",
            rich_help_panel=_SAMPLING,
        ),
    ] = False,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="Below 1 nearer to the best, above 1 more varied.",
            show_default="1",
            rich_help_panel=_SAMPLING,
        ),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(
            help="Draw from the so many likeliest pieces only.",
            show_default="all",
            rich_help_panel=_SAMPLING,
        ),
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            help="Draw from the likeliest pieces that hold this probability.",
            show_default="1",
            rich_help_panel=_SAMPLING,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Seed of the random numbers.", show_default="1", rich_help_panel=_SAMPLING
        ),
    ] = None,
    minimum_risk: Annotated[
        Literal["bleu", "chrf"] | None,
        typer.Option(
            help="Of many candidates, give the one that is most like all others by this metric.",
            show_default="off",
            rich_help_panel=_RISK,
        ),
    ] = None,
    candidates: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="So many of the best translations, or of the samples.",
            show_default="100",
            rich_help_panel=_RISK,
        ),
    ] = None,
    line_format: Annotated[
        Literal["text", "tsv", "jsonl", "po", "tmx", "xliff", "html", "srt", "markdown"] | None,
        typer.Option(
            "--format",
            help="text: a line each. tsv: columns, the translation is appended. jsonl: an object "
            "each, the translation is added. The others are documents, which come back as they "
            "are but for their text: messages without translation in gettext's catalogues (po), "
            "missing variants in translation memories (tmx), missing targets (xliff), pages "
            "(html), subtitles (srt), markdown.",
            show_default="by the name of --input, else text",
            rich_help_panel=_FORMATS,
        ),
    ] = None,
    final: Annotated[
        bool,
        typer.Option(
            "--final",
            help="po, xliff: do not mark translations as to be looked at by a person.",
            rich_help_panel=_FORMATS,
        ),
    ] = False,
    scores: Annotated[
        bool,
        typer.Option(
            "--scores",
            help="Give scores too; in text before the translation, parted by a tab.",
            rich_help_panel=_FORMATS,
        ),
    ] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Say how each translation came about: phrases and features, or attention "
            "(text, jsonl).",
            rich_help_panel=_FORMATS,
        ),
    ] = False,
    column: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="tsv: number of the column to translate.",
            show_default="1",
            rich_help_panel=_FORMATS,
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            help="jsonl: key of the text to translate; dots enter nested objects.",
            show_default="source, else text",
            rich_help_panel=_FORMATS,
        ),
    ] = None,
    translation_key: Annotated[
        str | None,
        typer.Option(
            help="jsonl: key of the translation.",
            show_default="translation",
            rich_help_panel=_FORMATS,
        ),
    ] = None,
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
    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        typer.Option(help="Where to compute; auto takes the GPU if there is one."),
    ] = "auto",
    backend: Annotated[
        Literal["auto", "native", "ctranslate2", "onnx"],
        typer.Option(
            help="Which program computes; auto takes the quickest that is installed and can do "
            "what is asked for."
        ),
    ] = "auto",
    precision: Annotated[
        Literal["float32", "bfloat16", "float16", "int16", "int8"] | None,
        typer.Option(
            help="In what to compute; int8 is quicker, and rounds the weights.",
            show_default="as the model is kept",
        ),
    ] = None,
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
    chosen_format = line_format or format_of(source)
    chosen: Format | None = None
    if chosen_format not in ("po", "xliff"):
        refuse(chosen_format, final=final or None)
    if chosen_format != "tsv":
        refuse(chosen_format, prefix_column=prefix_column)
    if chosen_format not in ("text", "tsv", "jsonl"):
        refuse(chosen_format, alignments=alignments)
    if keep_tags:
        if chosen_format != "text":
            refuse(chosen_format, keep_tags=True)
        refuse_with_tags(
            alignments=alignments, nbest=nbest if nbest > 1 else None,
            scores=scores or None, explain=explain or None,
        )  # fmt: skip
    if chosen_format != "jsonl":
        refuse(chosen_format, prefix_key=prefix_key, confidence=confidence or None)
    match chosen_format:
        case "text":
            refuse("text", column=column, key=key, translation_key=translation_key)
            chosen = formats.TextFormat(nbest, scores, explain)
        case "tsv":
            refuse("tsv", key=key, translation_key=translation_key, explain=explain or None)
            chosen = formats.TsvFormat(column or 1, nbest, scores, prefix_column)
        case "jsonl":
            refuse("jsonl", column=column)
            chosen = formats.JsonLinesFormat(
                key,
                translation_key or "translation",
                nbest,
                scores,
                explain,
                confidence,
                prefix_key,
            )
        case _:
            refuse(
                chosen_format, column=column, key=key, translation_key=translation_key,
                scores=scores or None, explain=explain or None, nbest=nbest if nbest > 1 else None,
            )  # fmt: skip
    drawn = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    options: SearchKeywords = {
        "beam": beam,
        "nbest": nbest,
        "batch_tokens": batch_tokens,
        "length_penalty": length_penalty,
        "shortlist": shortlist,
        "minimum_risk": _minimum_risk(minimum_risk, candidates),
        "explain": explain or confidence or alignments is not None,
        "glossary": open_glossary(glossary),
        "sampling": _sampling(sample, drawn),
    }
    asked = SearchOptions(**options)  # mistakes are told before the model is loaded
    if rerank is None:
        refuse_without("--rerank", rerank_weight=rerank_weight, rerank_candidates=rerank_candidates)
    if backend == "auto" and (prefix_column or prefix_key or rerank):
        backend = "native"  # others cannot begin as they are told, nor say what was said
    check_input(source)
    with open_output(target) as stream:
        name = str(source or STANDARD_INPUT)
        # Its mistakes are told before the model is loaded, too.
        document = _read_document(model, source, chosen_format, final) if chosen is None else None

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
        if document is not None:
            with _display(verbose, source, target) as display:
                stream.write(_translate_document(translator, document, name, options, display))
            return
        if keep_tags:
            with _display(verbose, source, target) as display:
                translate_tagged_lines(translator, source, stream, name, options, display)
            return
        assert chosen is not None
        with _display(verbose, source, target) as display, alignment_writer(alignments) as watch:
            answers = formats.answer(translator, read_input(source), name, chosen, options, watch)
            for lines, translations in answers:
                stream.write("".join(f"{line}\n" for line in lines).encode("utf-8"))
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


def _sampling(sample: bool, given: Mapping[str, Any]) -> Sampling | None:
    from nmt.search_options import Sampling

    given = {name: value for name, value in given.items() if value is not None}
    if given and not sample:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UserError(f"{options} without --sample has no effect", mend="add --sample")
    return Sampling(**given) if sample else None


def _minimum_risk(
    utility: Literal["bleu", "chrf"] | None, candidates: int | None
) -> MinimumRisk | None:
    from nmt.search_options import MinimumRisk

    if utility is None:
        if candidates is not None:
            raise UserError("--candidates has no effect", mend="add --minimum-risk bleu")
        return None
    return MinimumRisk(utility, candidates or 100)


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
    run(translate)


if __name__ == "__main__":
    main()
