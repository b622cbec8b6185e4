"""nmt-translate's options for better translations, with models of random weights."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import nmt
from nmt.cli.translate import main
from nmt.glossary import met_terms, read_glossary
from nmt.word_boundaries import WORD_CHARACTERS
from tests.neural.folders import TEXT, learn, write_model

Run = Callable[..., tuple[int, str, str]]

LINES = ["The cat sees the river.", "", "A small dog remembers an old house."]
STDIN = "".join(f"{line}\n" for line in LINES)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models; not to be changed."""
    folder = tmp_path_factory.mktemp("models")
    tokenizers = learn(TEXT)
    write_model(folder / "one", "transformer", tokenizers, 5)  # one that says words
    write_model(folder / "two", "recurrent", tokenizers, 2)
    write_model(folder / "back", "transformer", tokenizers, 3, source="de", target="en")
    return folder


@pytest.fixture(autouse=True)
def unchanged_pytorch() -> Iterator[None]:
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    yield
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(precision)


@pytest.fixture
def run(
    models: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Run:
    """Run the command with the first model: its exit code, what it wrote, what it said."""

    def run(*arguments: str | Path, stdin: str = STDIN) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode("utf-8"))))
        command = ["nmt-translate", str(models / "one"), "--device", "cpu", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capfdbinary.readouterr()
        code = ended.value.code
        return code if isinstance(code, int) else 0, captured.out.decode(), captured.err.decode()

    return run


def test_ensemble(run: Run, models: Path) -> None:
    code, out, _ = run("--ensemble", models / "two", "--scores")
    assert code == 0
    together = nmt.load([models / "one", models / "two"], device="cpu").translate(LINES)
    assert out == "".join(f"{one.score:.6f}\t{one.text}\n" for one in together)
    code, out, err = run("--ensemble", models / "back")
    assert (code, out) == (2, "")
    assert "it translates de-en, not en-de" in err


def test_glossary(run: Run, tmp_path: Path) -> None:
    plain = run()[1].split("\n")
    said = next(iter(re.findall(f"[{WORD_CHARACTERS}]+", " ".join(plain))))
    path = tmp_path / "terms.tsv"
    path.write_text(f"dog\tHund|Hündin\n!\t{said}\nhouse\taltes Häuschen\n", encoding="utf-8")
    code, out, _ = run("--glossary", path)
    lines = out.split("\n")
    assert code == 0
    assert len(lines) == 4
    glossary = read_glossary(path)
    for source, line in zip(LINES, lines, strict=False):
        assert all(met_terms(glossary.guide(source), line).values())
    assert lines != plain
    path.write_text("tree\tBaum\n", encoding="utf-8")
    assert run("--glossary", path)[1].split("\n") == plain


def test_a_wrong_glossary_is_named(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "terms.tsv"
    path.write_text("dog\n\tx\n", encoding="utf-8")
    code, out, err = run("--glossary", path)
    assert (code, out) == (2, "")
    assert f"{path}:1: a line has two columns" in err
    assert f"{path}:2: there is no source term" in err
    path.write_text("dog\tHund\n", encoding="utf-8")
    assert "samples are not searched" in run("--glossary", path, "--sample")[2]


def test_terms_that_cannot_be_met_are_named(run: Run, tmp_path: Path) -> None:
    """With the line of the input; what came before is translated."""
    path = tmp_path / "terms.tsv"
    path.write_text("dog\tHund\n!house\tHund\n", encoding="utf-8")
    code, _, err = run("--glossary", path)
    assert code == 2
    assert "line 3" in err
    assert f"{path}:1: 'Hund' must occur, and must not by line 2" in err
    path.write_text(f"cat\t{'Katze ' * 40}\n", encoding="utf-8")
    code, _, err = run("--glossary", path)
    assert code == 2
    assert "'The cat sees the river.': prefix and terms need about" in err


def test_prefixes(run: Run) -> None:
    rows = [("a dog", "Ein Hu"), ("", "x"), ("the river", ""), ("my bicycle", "Mein ")]
    stdin = "".join(f"{begin}\t{source}\n" for source, begin in rows)
    code, out, _ = run(
        "--format", "tsv", "--column", "2", "--prefix-column", "1", "--nbest", "2", stdin=stdin
    )
    assert code == 0
    for (source, begin), line in zip(rows, out.split("\n"), strict=False):
        first, second = line.split("\t")[2:]
        assert first.startswith(begin) == bool(source)
        assert second.startswith(begin) == bool(source)
    records = [{"source": source, "begin": begin} for source, begin in rows] + [{"source": "cat"}]
    stdin = "".join(json.dumps(record) + "\n" for record in records)
    code, again, _ = run("--format", "jsonl", "--prefix-key", "begin", "--nbest", "2", stdin=stdin)
    assert code == 0
    found = [json.loads(line)["translation"] for line in again.splitlines()]
    assert found[:4] == [line.split("\t")[2] for line in out.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (["--prefix-column", "2"], "a", "--prefix-column does not go with --format text"),
        (["--prefix-key", "a"], "a", "--prefix-key does not go with --format text"),
        (["--format", "tsv", "--prefix-column", "2"], "a\tb\nc\n", "standard input:2: has 1 col"),
        (["--format", "jsonl", "--prefix-key", "p"], '{"source": "a", "p": 1}', "not a string"),
        (["--format", "tsv", "--prefix-column", "2"], f"{'dog ' * 90}\tx\n", "line 1: it is too l"),
        (["--format", "tsv", "--prefix-column", "2", "--sample"], "a\tb\n", "leave out --sample"),
        (["--confidence"], "a", "--confidence does not go with --format text"),
        (["--keep-tags", "--scores"], "a", "--scores does not go with --keep-tags"),
        (["--keep-tags", "--format", "tsv"], "a", "--keep-tags does not go with --format tsv"),
        (["--rerank-weight", "1"], "a", "has no effect without --rerank"),
        (["--alignments", "x", "--format", "srt"], "a", "--alignments does not go with --format"),
    ],
)
def test_options_that_do_not_go_together(
    run: Run, arguments: list[str], stdin: str, words: str
) -> None:
    code, _, err = run(*arguments, stdin=stdin)
    assert code == 2
    assert words in " ".join(err.split())


def test_keep_tags(run: Run) -> None:
    lines = [
        "The <b>cat</b> sees {name} at https://x.org/a.",
        "",
        "<i>A <x id='1'/> dog</b>",
        "{n}",
    ]
    code, out, err = run("--keep-tags", stdin="\n".join(lines))
    assert code == 0
    found = out.split("\n")
    assert len(found) == 5
    for tag in ("<b>", "</b>", "{name}", "https://x.org/a"):
        assert found[0].count(tag) == 1 or "left as it is" in err
    assert (found[1], found[3]) == ("", "{n}")
    assert [found[2].count(tag) for tag in ("<i>", "<x id='1'/>", "</b>")] == [1, 1, 1]


def test_alignments(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "links.txt"
    code, out, _ = run("--alignments", path)
    assert code == 0
    assert out == run()[1]
    links = path.read_text("ascii").split("\n")
    assert len(links) == 4
    assert links[1] == ""
    for source, target, line in zip(LINES, out.split("\n"), links, strict=False):
        pairs = [tuple(map(int, pair.split("-"))) for pair in line.split()]
        assert pairs == sorted(set(pairs))
        assert all(i < len(source.split()) and j < len(target.split()) for i, j in pairs)
        # Attention links every word of the translation.
        assert {j for _, j in pairs} == set(range(len(target.split())))


def test_confidence(run: Run) -> None:
    stdin = "".join(json.dumps({"source": line}) + "\n" for line in LINES)
    code, out, _ = run("--format", "jsonl", "--confidence", "--scores", stdin=stdin)
    assert code == 0
    for line in out.splitlines():
        record = json.loads(line)
        assert 0 < record["quality"] <= 1
        assert all(0 < probability <= 1 for _, probability in record["confidence"])
        words = "".join(word for word, _ in record["confidence"])
        assert words.replace(" ", "") == record["translation"].replace(" ", "")


def test_rerank(run: Run, models: Path) -> None:
    """Of weight 0, and of a great weight, with the candidates as the search gives them."""
    arguments = ["--rerank", models / "back", "--scores"]
    wide = run("--beam", "12", "--scores")[1]
    assert run(*arguments, "--rerank-weight", "0")[1] == wide
    code, out, _ = run(*arguments, "--rerank-weight", "100", "--rerank-candidates", "30")
    assert code == 0
    assert out != wide
    found = [line.split("\t")[1] for line in out.split("\n")[:-1]]
    several = nmt.load(models / "one", device="cpu").translate(LINES, nbest=30)
    for text, translation in zip(found, several, strict=True):
        assert text in [one.text for one in translation.alternatives]
    code, _, err = run("--rerank", models / "two")
    assert code == 2
    assert "a model of en-de cannot rerank translations from en to de" in err
    assert "take one of de-en" in err
