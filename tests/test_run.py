"""Running a recipe: what is done is not done again, and nothing is lost silently."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
from rich.console import Console

from nmt.errors import UserError, UserErrors
from nmt.model_folder import open_model_folder
from nmt.recipe import read_recipe
from nmt.run import Run, train_systems
from nmt.stopping import Stopped, StopRequest
from nmt.systems import load
from tests.small_corpus import write_corpus

pytestmark = pytest.mark.integration

Train = Callable[..., str]


class StopSoon(StopRequest):
    """Asks to stop after so many updates."""

    def __init__(self, updates: int) -> None:
        self.left = 2 * updates - 1  # asked twice at a stop

    @property
    def reason(self) -> str | None:
        """Asked after every update."""
        self.left -= 2
        return None if self.left > 0 else "asked to"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with a corpus and a recipe."""
    write_corpus(tmp_path)
    return tmp_path


@pytest.fixture
def train(work: Path) -> Train:
    """Runs the recipe with settings in place of its own; returns what was said."""

    def run(
        *overrides: str,
        names: list[str] | None = None,
        fresh: bool = False,
        stop: StopRequest | None = None,
    ) -> str:
        out = io.StringIO()
        recipe = read_recipe(str(work / "small.yaml"), overrides)
        run = Run(recipe, work / "runs", "cpu", Console(file=out, width=60), stop or StopRequest())
        train_systems(run, names or list(recipe.systems), fresh=fresh)
        return out.getvalue()

    return run


@pytest.fixture
def trained(work: Path, trained_once: tuple[Path, str]) -> Path:
    """The model folder of the recipe, trained; the test's own copy."""
    shutil.copytree(trained_once[0] / "runs", work / "runs")
    return work / "runs" / "small" / "small"


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_run_ends_in_a_model_that_translates(
    trained: Path, trained_once: tuple[Path, str]
) -> None:
    """With its facts, scores and output; what is said is not cut at the width of the console."""
    model = open_model_folder(trained)
    model.verify()
    assert model.training["updates"] == 12
    assert model.training["ended"] == "12 updates done"
    assert model.training["valid"].keys() == {"loss", "bleu", "chrf"}
    # The longest source has some dozen pieces; but a model should not split what is no longer.
    assert model.settings["max_source_pieces"] == 64
    scores = model.scores()["test"]["test"]
    output = (trained / "translations" / "test.txt").read_text("utf-8").split("\n")[:-1]
    sources = (trained.parents[2] / "test.en").read_text("utf-8").split("\n")[:-1]
    assert output == [found.text for found in load(trained, device="cpu").translate(sources)]
    said = trained_once[1].split("\n")
    for line in scores["lines"]:
        assert f"  {line}" in said
        assert "version:" in line
    folder = trained_once[0] / "runs" / "small" / "small"
    assert f"translate with: nmt-translate {folder} --input FILE" in said


def test_the_scores_are_sacrebleus(trained: Path) -> None:
    """Of the stored output against the raw reference."""
    import sacrebleu

    output = (trained / "translations" / "test.txt").read_text("utf-8").split("\n")[:-1]
    reference = (trained.parents[2] / "test.de").read_text("utf-8").split("\n")[:-1]
    scores = open_model_folder(trained).scores()["test"]["test"]["scores"]
    assert scores["chrf"]["value"] == pytest.approx(
        sacrebleu.corpus_chrf(output, [reference]).score
    )
    assert scores["bleu"]["value"] == pytest.approx(
        sacrebleu.corpus_bleu(output, [reference], force=True).score
    )


def test_what_is_finished_is_left_alone(trained: Path, train: Train) -> None:
    """Not trained, not scored again; not a byte changes."""
    before = files_of(trained)
    said = train()
    assert f"small is trained already: {trained}" in said
    assert "test:" in said
    assert "translate with" in said
    assert files_of(trained) == before


@pytest.mark.parametrize("setting", ["log_every=1", "micro_batch_tokens=64", "tensorboard=true"])
def test_settings_without_effect_on_the_result_do_not_count(
    trained: Path, train: Train, setting: str
) -> None:
    """They belong to the machine or to taste."""
    before = files_of(trained)
    assert "trained already" in train(f"systems.small.training.{setting}")
    assert files_of(trained) == before


@pytest.mark.parametrize("checkpoints", [True, False])
@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("systems.small.dropout=0.3", "systems.small.dropout: 0.1 before, now 0.3"),
        ("systems.small.training.seed=2", "systems.small.training.seed: 1 before, now 2"),
        ("tokenizer.vocabulary_size=305", "tokenizer.vocabulary_size: 310 before, now 305"),
        ("corpus.max_pairs=100", "corpus.train: "),
        ("corpus.train.0.weight=2", "corpus.weights: [1.0] before, now [2.0]"),
    ],
)
def test_another_setting_is_named_and_nothing_is_touched(
    trained: Path, train: Train, override: str, words: str, checkpoints: bool
) -> None:
    """Neither trained over silently nor taken for the same."""
    if not checkpoints:
        shutil.rmtree(trained / "training")
    before = files_of(trained)
    with pytest.raises(UserError) as raised:
        train(override)
    assert words in str(raised.value)
    assert "--fresh" in str(raised.value)
    assert "--output" in str(raised.value)
    after = files_of(trained)
    after.pop("training/machine.json", None)
    before.pop("training/machine.json", None)
    assert after == before


@pytest.mark.parametrize("other", ["{kind: word-by-word}", "{kind: ensemble, members: [a, b]}"])
def test_a_system_of_another_kind_spares_the_model(trained: Path, train: Train, other: str) -> None:
    """The name was given to something else; days of training are not worth a second each."""
    overrides = [SECOND.replace("second", name) for name in "ab"]
    before = files_of(trained)
    with pytest.raises(UserError, match=r"(?s)model of kind transformer.*--fresh") as raised:
        train(f"systems.small={other}", *overrides, names=["small"])
    assert "recipe" in str(raised.value)
    assert files_of(trained) == before
    (trained / "model.json").unlink()  # as before its training ended
    with pytest.raises(UserError, match=r"(?s)training of a network.*--fresh"):
        train(f"systems.small={other}", *overrides, names=["small"])
    assert files_of(trained).items() <= before.items()


def test_a_network_spares_a_statistical_model(work: Path, train: Train) -> None:
    """And can take its place when told so."""
    train("systems.small={kind: word-by-word}")
    folder = work / "runs" / "small" / "small"
    before = files_of(folder)
    with pytest.raises(UserError, match=r"(?s)model of kind word-by-word.*--fresh"):
        train("systems.small.training.max_updates=1")
    (folder / "model.json").unlink()
    with pytest.raises(UserError, match=r"(?s)training of a statistical system.*--fresh"):
        train("systems.small.training.max_updates=1")
    assert files_of(folder).items() <= before.items()
    train("systems.small.training.max_updates=1", fresh=True)
    assert open_model_folder(folder).kind == "transformer"
    assert not (folder / "word-table").exists()


def test_fresh_begins_anew(trained: Path, train: Train) -> None:
    """And forgets everything of before."""
    (trained / "translations" / "old.txt").touch()
    train("systems.small.training.seed=2", "systems.small.training.max_updates=4", fresh=True)
    assert open_model_folder(trained).training["updates"] == 4
    assert not (trained / "translations" / "old.txt").exists()


def test_fresh_spares_a_folder_of_something_else(work: Path, train: Train) -> None:
    """Somebody's own files, at a place where the output was sent by mistake."""
    folder = work / "runs" / "small" / "small"
    folder.mkdir(parents=True)
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="something else than a training"):
        train(fresh=True)
    assert (folder / "thesis.tex").read_text() == "years of work"


def test_a_limit_that_was_raised_continues(trained: Path, train: Train, work: Path) -> None:
    """From the last checkpoint, to what a longer training would have given."""
    said = train("systems.small.training.max_updates=16")
    assert "going on after update 12" in said
    assert open_model_folder(trained).training["updates"] == 16
    shutil.move(trained, work / "longer")
    train("systems.small.training.max_updates=16")
    for name in ("model.safetensors", "training/last.safetensors"):
        one = safetensors.torch.load_file(work / "longer" / name)
        other = safetensors.torch.load_file(trained / name)
        assert one.keys() == other.keys()
        assert all(bool((one[key] == other[key]).all()) for key in one)


def test_a_limit_that_has_been_passed_is_refused(trained: Path, train: Train) -> None:
    """The model there had more updates than the recipe now says."""
    with pytest.raises(UserError, match="max_updates: 8, and 12 are done"):
        train("systems.small.training.max_updates=8")


def test_the_cosine_schedule_does_not_go_on_beyond_its_end(work: Path, train: Train) -> None:
    """Its every update depends on where it ends."""
    train("systems.small.training.schedule=cosine")
    with pytest.raises(UserError, match="max_updates: 12 before, now 16"):
        train("systems.small.training.schedule=cosine", "systems.small.training.max_updates=16")


def test_another_search_needs_no_training(trained: Path, train: Train) -> None:
    """The model gets the new settings, and is scored with them."""
    weights = (trained / "model.safetensors").read_bytes()
    key = open_model_folder(trained).scores()["test"]["test"]["key"]
    said = train("systems.small.search.beam=1", "systems.small.search.max_length_extra=1")
    assert "update 13" not in said
    model = open_model_folder(trained)
    assert model.settings["search"]["beam"] == 1
    assert (trained / "model.safetensors").read_bytes() == weights
    assert model.scores()["test"]["test"]["key"] != key
    output = (trained / "translations" / "test.txt").read_text("utf-8").split("\n")[:-1]
    sources = (trained.parents[2] / "test.en").read_text("utf-8").split("\n")[:-1]
    assert output == [found.text for found in load(trained, device="cpu").translate(sources)]


def test_a_trained_model_gets_a_shortlist_and_its_pupil_stays(trained: Path, train: Train) -> None:
    """No update is made, of neither: what was taught was taught."""
    weights = (trained / "model.safetensors").read_bytes()
    train(PUPIL, names=["second"])
    pupil = files_of(trained.with_name("second"))
    said = train(
        PUPIL, "systems.small.search.shortlist=true", "systems.small.search.beam=1",
        names=["second"],
    )  # fmt: skip
    assert "shortlist: " in said
    assert "update 13" not in said
    assert "shortlist.safetensors" in open_model_folder(trained).files
    assert (trained / "model.safetensors").read_bytes() == weights
    assert "second is trained already" in said
    assert files_of(trained.with_name("second")) == pupil


def test_a_pupil_does_not_go_on_with_another_text(trained: Path, train: Train) -> None:
    """Its teacher, asked again, may say something else."""
    with pytest.raises(Stopped):
        train(PUPIL, names=["second"], stop=StopSoon(3))
    with pytest.raises(UserError, match=r"taught_text: .* before, now"):
        train(PUPIL, "systems.small.search.max_length_extra=1", names=["second"])
    assert "going on after update 3" in train(PUPIL, names=["second"])


def test_scores_are_made_anew_for_other_tests_and_settings_only(
    trained: Path, train: Train, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each test set by itself."""
    translated: list[int] = []

    def counting(path: Path, **options: Any) -> Any:
        translator = load(path, **options)
        real = translator.translate

        def translate(lines: Any) -> Any:
            translated.append(len(lines))
            return real(lines)

        monkeypatch.setattr(translator, "translate", translate)
        return translator

    monkeypatch.setattr("nmt.run.load", counting)
    train()
    assert translated == []
    more = "corpus.test.more={kind: files, source: %s, target: %s}"
    more %= (work / "valid.en", work / "valid.de")
    said = train(more)
    assert translated == [6]
    assert "more:" in said
    assert open_model_folder(trained).scores()["test"].keys() == {"test", "more"}
    train(more, "evaluation.metrics=[ter]")
    assert translated == [6, 6, 6]
    (work / "test.de").write_text("eine Katze\n" * 6, encoding="utf-8")
    train("evaluation.metrics=[ter]")
    assert translated == [6, 6, 6, 6]
    assert open_model_folder(trained).scores()["test"].keys() == {"test"}
    (trained / "translations" / "test.txt").unlink()
    train("evaluation.metrics=[ter]")
    assert (trained / "translations" / "test.txt").is_file()


@pytest.mark.parametrize("sampling", [0.0, 0.3])
def test_a_stop_is_continued_to_the_same_result(work: Path, train: Train, sampling: float) -> None:
    """By the same call, after several stops; with subword sampling, too."""
    setting = f"tokenizer.sampling={sampling}"
    for _ in range(3):
        with pytest.raises(Stopped, match="asked to"):
            train(setting, stop=StopSoon(3))
        assert not (work / "runs" / "small" / "small" / "model.json").exists()
    assert "going on after update 9" in train(setting)
    folder = work / "runs" / "small" / "small"
    found = {
        name: (folder / name).read_bytes()
        for name in ("model.safetensors", "translations/test.txt")
    }
    train(setting, fresh=True)
    assert found == {name: (folder / name).read_bytes() for name in found}


def test_an_unfinished_training_of_other_settings_is_named(work: Path, train: Train) -> None:
    """Nothing of it is lost."""
    with pytest.raises(Stopped):
        train(stop=StopSoon(3))
    before = (work / "runs" / "small" / "small" / "training" / "last.safetensors").read_bytes()
    with pytest.raises(UserError, match=r"learning_rate: 0\.01 before, now 0\.02"):
        train("systems.small.training.learning_rate=0.02")
    after = (work / "runs" / "small" / "small" / "training" / "last.safetensors").read_bytes()
    assert before == after


def test_only_chosen_systems_are_trained(work: Path, train: Train) -> None:
    """In the order of the choice."""
    text = (work / "small.yaml").read_text()
    start = text.index("  small:")
    (work / "small.yaml").write_text(text + text[start:].replace("  small:", "  other:", 1))
    shorter = ["systems.small.training.max_updates=2", "systems.other.training.max_updates=3"]
    train(*shorter, names=["other"])
    assert [path.name for path in (work / "runs" / "small").iterdir()] == ["other"]
    said = train(*shorter)
    assert "other is trained already" in said
    assert said.index("small: ") < said.index("other is trained already")


def test_a_damaged_model_says_how_to_train_it_again(trained: Path, train: Train) -> None:
    """It is not taken for finished."""
    (trained / "model.safetensors").write_bytes(b"short")
    with pytest.raises(UserError, match="damaged") as raised:
        train()
    assert "--fresh" in str(raised.value)


def test_a_corpus_without_test_sets_is_trained_on_all_the_same(work: Path, train: Train) -> None:
    """There is nothing to score."""
    text = (work / "small.yaml").read_text()
    before, rest = text.split("  test:\n", 1)
    (work / "small.yaml").write_text(before + rest.split("\n", 1)[1])
    said = train("systems.small.training.max_updates=2")
    assert "translate with" in said
    assert open_model_folder(work / "runs" / "small" / "small").scores() is None


def test_metrics_stay_as_json_lines(trained: Path) -> None:
    """Beside the model."""
    lines = (trained / "training" / "metrics.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    logged = [record["update"] for record in records if record["kind"] == "training"]
    assert logged == [2, 4, 6, 8, 10, 12]
    validated = [record["update"] for record in records if record["kind"] == "validation"]
    assert validated == [4, 8, 12]


SECOND = (
    "systems.second={kind: transformer, preset: tiny, width: 16, heads: 2, encoder_layers: 1, "
    "decoder_layers: 1, training: {seed: 2, max_updates: 2, warmup_updates: 1, batch_tokens: 128}}"
)
PUPIL = SECOND.replace("preset: tiny", "preset: tiny, teacher: small").replace(
    "max_updates: 2", "max_updates: 4"
)
BOTH = "systems.both={kind: ensemble, members: [second, small], search: {beam: 2}}"


def test_an_ensemble_trains_its_members_first(trained: Path, train: Train) -> None:
    """Also when it alone is asked for; what is done is not done again."""
    said = train(SECOND, BOTH, names=["both"])
    assert said.index("second: ") < said.index("small is trained already") < said.index("/both")
    folder = trained.with_name("both")
    both = open_model_folder(folder)
    facts = [open_model_folder(trained.with_name(name)).training for name in ("second", "small")]
    assert both.training["seconds"] == pytest.approx(sum(one["seconds"] for one in facts), abs=0.1)
    assert both.scores()["test"].keys() == {"test"}
    assert not (folder / "members" / "small" / "training").exists()
    before = files_of(folder)
    assert f"both is trained already: {folder}" in train(SECOND, BOTH, names=["both"])
    assert files_of(folder) == before


def test_members_that_do_not_fit_make_no_ensemble(work: Path, train: Train) -> None:
    """Told by their own folders, and nothing is left that looks like a model."""
    train("tokenizer.vocabulary_size=305", "systems.small.training.max_updates=1")
    (work / "runs" / "small").rename(work / "first")
    initial = f"teacher: null, initial_model: {work / 'first' / 'small'}"
    overrides = (SECOND.replace("width: 16", initial), BOTH, "systems.small.training.max_updates=1")
    for _ in range(2):
        with pytest.raises(UserErrors, match="vocabulary is another one") as raised:
            train(*overrides, names=["both"])
        (error,) = raised.value.errors
        assert error.where == str(work / "runs" / "small" / "small")
        assert not list((work / "runs" / "small" / "both").iterdir())


def test_an_ensemble_follows_its_members(trained: Path, train: Train) -> None:
    """It is made again when one of them was trained again, or when its settings change."""
    train(SECOND, BOTH)
    folder = trained.with_name("both")
    before = files_of(folder)
    longer = (SECOND, BOTH, "systems.second.training.max_updates=3")
    train(*longer)
    after = files_of(folder)
    weights = [f"members/{name}/model.safetensors" for name in ("small", "second")]
    assert [before[name] == after[name] for name in weights] == [True, False]
    train(*longer, "systems.both.members=[small, second]", names=["both"])
    assert open_model_folder(folder).settings["members"] == ["small", "second"]
    train(*longer, "systems.both.search.beam=1", fresh=True, names=["both"])
    assert open_model_folder(folder).settings["search"]["beam"] == 1
    assert open_model_folder(trained).training["updates"] == 12
