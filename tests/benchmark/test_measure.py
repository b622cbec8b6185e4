"""A whole benchmark of tiny systems: what is found, what is kept, what is done again."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sacrebleu
from rich.console import Console

from nmt.benchmark.measure import Benchmark, results_path, run_benchmark
from nmt.benchmark.results import Results, read_results
from nmt.errors import UserError
from nmt.model_folder import open_model_folder
from nmt.recipe import read_recipe
from nmt.run import Run
from nmt.stopping import StopRequest
from tests.small_corpus import PHRASE_BASED, write_corpus

pytestmark = pytest.mark.integration

Bench = Callable[..., tuple[Results, str]]


def bench_in(folder: Path) -> Bench:
    """Runs the benchmark of the small recipe in a folder; returns its results and what was said."""

    def bench(*overrides: str, **wanted: Any) -> tuple[Results, str]:
        out = io.StringIO()
        recipe = read_recipe(
            str(folder / "small.yaml"), [f"systems.phrases={PHRASE_BASED}", *overrides]
        )
        run = Run(recipe, folder / "runs", "cpu", Console(file=out, width=60), StopRequest())
        wanted.setdefault("systems", ["phrases", "small"])
        return run_benchmark(run, Benchmark(**wanted)), out.getvalue()

    return bench


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    """A folder with a finished benchmark, two sizes and speed included; not to be changed."""
    folder = tmp_path_factory.mktemp("benchmark")
    write_corpus(folder, held_out=20)
    return folder, bench_in(folder)(sizes=[60])[0]


@pytest.fixture
def work(done: tuple[Path, Results], tmp_path: Path) -> Path:
    """The test's own copy."""
    shutil.copytree(done[0], tmp_path / "copy")
    return tmp_path / "copy"


def lines_of(path: Path) -> list[str]:
    """The lines of a text file."""
    return path.read_text("utf-8").split("\n")[:-1]


def test_results_are_those_of_the_systems(done: tuple[Path, Results]) -> None:
    """Output, scores, costs and curve, each as its file says."""
    folder, results = done
    assert results.num_training_pairs == 149
    assert not results.generated
    assert [(one.name, one.kind) for one in results.systems] == [
        ("phrases", "phrase-based"), ("small", "transformer"),
    ]  # fmt: skip
    (test,) = results.tests
    assert [(step.before, step.after) for step in test.steps] == [("phrases", "small")]
    assert sum(one.num_sentences for one in test.lengths) == len(test.sentences) == 20
    references = lines_of(folder / "test.de")
    assert [one.reference for one in test.sentences] == references
    assert [one.source for one in test.sentences] == lines_of(folder / "test.en")
    for system in results.systems:
        path = folder / "runs" / "small" / system.name
        output = lines_of(path / "translations" / "test.txt")
        assert [one.outputs[system.name] for one in test.sentences] == output
        bleu = sacrebleu.corpus_bleu(output, [references])
        assert test.scores[system.name]["bleu"].value == pytest.approx(bleu.score)
        model = open_model_folder(path)
        size = sum(
            one.stat().st_size for one in path.rglob("*")
            if one.is_file() and one.relative_to(path).as_posix() in model.files
        )  # fmt: skip
        cost = system.cost
        assert cost.model_bytes == size
        assert cost.training_seconds == model.training["seconds"]
        assert cost.training_cpu_seconds == model.training["cpu_seconds"]
        assert cost.training_memory_bytes == model.training["peak_memory_bytes"]
        assert cost.training_memory_bytes is not None
        assert cost.training_memory_bytes > 30e6
        assert cost.sentences_per_second is not None
        assert cost.sentences_per_second > 5
        assert cost.translation_memory_bytes is not None
        assert cost.translation_memory_bytes > 30e6
    assert [point.update for point in results.systems[1].curve] == [4, 8, 12]
    assert results.systems[0].cost.parameters is None


def test_parameters_are_counted(done: tuple[Path, Results]) -> None:
    """As PyTorch counts them."""
    from nmt.neural.system import NeuralTranslator
    from nmt.systems import load

    translator = load(done[0] / "runs" / "small" / "small", device="cpu")
    assert isinstance(translator, NeuralTranslator)
    expected = sum(parameter.numel() for parameter in translator.model.parameters())
    assert done[1].systems[1].cost.parameters == expected


def test_explanations_are_of_the_output(done: tuple[Path, Results]) -> None:
    """One for the single segment of each line, of the words that are shown."""
    for sentence in done[1].tests[0].sentences:
        (explanation,) = sentence.explanations["phrases"]
        shown = "".join(sentence.outputs["phrases"].split()).lower()
        assert "".join(explanation["target"]).lower() == shown
        assert "features" not in json.dumps(explanation)


def test_the_results_file_holds_all_of_it(done: tuple[Path, Results]) -> None:
    folder, results = done
    assert read_results(folder / "runs" / "small" / "benchmark" / "results.json") == results


def test_sizes_are_trained_where_they_belong(done: tuple[Path, Results]) -> None:
    """On so many pairs, scored on the same test; the full size is the benchmark's own."""
    folder, results = done
    assert [(point.num_pairs, point.system) for point in results.sizes] == [
        (60, "phrases"), (60, "small"), (149, "phrases"), (149, "small"),
    ]  # fmt: skip
    references = lines_of(folder / "test.de")
    for point in results.sizes:
        full = point.num_pairs == 149
        part = Path() if full else Path("sizes") / str(point.num_pairs)
        model = folder / "runs" / "small" / part / point.system
        output = lines_of(model / "translations" / "test.txt")
        assert point.bleu.value == pytest.approx(sacrebleu.corpus_bleu(output, [references]).score)
        if not full:
            trained = open_model_folder(model).training
            assert trained["recipe"]["corpus"]["max_pairs"] == 60
            assert trained["cpu_seconds"] == point.training_cpu_seconds


def test_a_second_run_only_reads(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is trained, translated, timed or compared again."""
    for what in ("run.load", "benchmark.sentences.load", "benchmark.comparison.compare_statistics",
                 "benchmark.speed.subprocess.run"):  # fmt: skip
        monkeypatch.setattr(f"nmt.{what}", None)
    before = read_results(work / "runs" / "small" / "benchmark" / "results.json")
    results, said = bench_in(work)(sizes=[60])
    assert said.count("is trained already") == 4
    assert results.model_copy(update={"date": before.date}) == before


def test_a_model_that_was_moved_there_is_used(done: tuple[Path, Results], tmp_path: Path) -> None:
    """Such as one from a machine with a GPU, without its checkpoints; it has no curve then."""
    write_corpus(tmp_path, held_out=20)
    there = tmp_path / "runs" / "small"
    for name in ("phrases", "small"):
        shutil.copytree(
            done[0] / "runs" / "small" / name, there / name,
            ignore=shutil.ignore_patterns("training", "translations", "scores.json"),
        )  # fmt: skip
    results, said = bench_in(tmp_path)(with_speed=False)
    assert said.count("is trained already") == 2
    assert results.tests == done[1].tests
    assert results.systems[1].curve == []
    assert results.systems[1].cost.sentences_per_second is None


def test_a_model_of_other_settings_is_refused(work: Path) -> None:
    """It would not be the recipe's."""
    with pytest.raises(UserError, match=r"dropout: 0\.1 before, now 0\.2"):
        bench_in(work)("systems.small.dropout=0.2")


def test_a_size_of_other_settings_says_what_to_remove(work: Path) -> None:
    """There is no --fresh here."""
    folder = work / "runs" / "small" / "sizes" / "60"
    path = folder / "small" / "model.json"
    text = path.read_text("utf-8").replace('"dropout": 0.1', '"dropout": 0.2')
    path.write_text(text, encoding="utf-8")
    shutil.rmtree(folder / "small" / "training")
    with pytest.raises(UserError, match="dropout") as raised:
        bench_in(work)(sizes=[60])
    assert f"remove {folder}" in str(raised.value)
    assert "--fresh" not in str(raised.value)


def test_sizes_beyond_the_corpus_are_the_full_size(work: Path) -> None:
    results, said = bench_in(work)(sizes=[149, 5000], with_speed=False)
    assert "size 5,000: there are 149 training pairs" in said
    assert {point.num_pairs for point in results.sizes} == {149}


def test_generated_text_is_called_so(done: tuple[Path, Results]) -> None:
    from nmt.benchmark.measure import is_generated

    written = read_recipe(str(done[0] / "small.yaml")).corpus
    assert not is_generated(written)
    pocket = read_recipe("pocket-en-de").corpus
    assert is_generated(pocket)
    assert is_generated(written.model_copy(update={"valid": pocket.valid}))


def test_nothing_to_compare_on_is_said_at_once(tmp_path: Path) -> None:
    """Before anything is trained."""
    write_corpus(tmp_path)
    text = (tmp_path / "small.yaml").read_text()
    before, rest = text.split("  test:\n", 1)
    (tmp_path / "small.yaml").write_text(before + rest.split("\n", 1)[1])
    with pytest.raises(UserError, match="no test set"):
        bench_in(tmp_path)()
    assert not (tmp_path / "runs").exists()


def test_results_go_to_the_folder_of_the_recipe(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    recipe = read_recipe(str(tmp_path / "small.yaml"))
    run = Run(recipe, tmp_path, "cpu", Console(), StopRequest())
    assert results_path(run) == tmp_path / "small" / "benchmark" / "results.json"
