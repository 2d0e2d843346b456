"""Runs and checkpoints side by side: figures of real small runs, what differs, the page, the command."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from prepcore.arguments import UsageError
from tests.trainer.folders import random_documents, write_token_folder
from tests.trainer.models import SIZES, dotted, tiny_llama, tiny_model_config
from tests.trainer.test_cli import environment, here, trainer
from tests.trainer.test_report import Page
from trainer.callbacks import plot
from trainer.callbacks.lines import read
from trainer.compare.differences import differing, spans
from trainer.compare.facts import compare
from trainer.compare.page import headline, page
from trainer.compare.subjects import key_of, open_compared
from trainer.compare.tables import notes, tables
from trainer.config import (
    BatchConfig,
    DataConfig,
    FitConfig,
    GenerateConfig,
    InitConfig,
    ModelConfig,
    OptimizerConfig,
    TrainerConfig,
)
from trainer.config.comparing import CompareConfig
from trainer.fit import fit
from trainer.flops import LlamaSizes
from trainer.generate import generate

PROMPT = "<script>alert(1)</script> & <b>a"

STEPS = 12


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs: one; a deeper one of its weights, continued once; one without validation."""
    root = tmp_path_factory.mktemp("runs")
    data = write_token_folder(root / "tokens", [random_documents(60)], validation=random_documents(8, seed=7))
    bare = write_token_folder(root / "bare", [random_documents(60, seed=3)])
    (root / "prompts.txt").write_text(f"{PROMPT}\nabc\n")
    config = FitConfig(
        data=DataConfig(path=str(data)),
        model=tiny_model_config(),
        batch=BatchConfig(micro=4),
        optimizer=OptimizerConfig(learning_rate=1e-2),
        trainer=TrainerConfig(
            max_steps=STEPS, accelerator="cpu", precision="32-true", val_check_interval=4, log_every_n_steps=1
        ),
        prompts=str(root / "prompts.txt"),
        run=str(root / "one"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plot, "draw", lambda metrics, folder: None)
        fit(config)
        init = InitConfig(strategy="upscale", source=str(root / "one" / "checkpoints" / "last"), layers=4)
        deep = dataclasses.replace(
            config,
            model=ModelConfig(init=init),
            optimizer=OptimizerConfig(learning_rate=3e-3),
            run=str(root / "deep"),
        )
        fit(dotted(deep, trainer={"max_steps": 8}))
        fit(dataclasses.replace(deep, resume=str(root / "deep")))
        fit(
            dataclasses.replace(
                config, data=DataConfig(path=str(bare)), prompts=None, run=str(root / "bare-run")
            )
        )
    return root


def compared(*paths: Path | str, **options: Any) -> dict[str, Any]:
    return compare(CompareConfig(subjects=[str(path) for path in paths], **options))


def lines_of(run: Path) -> list[dict[str, str]]:
    return read(run / "metrics.csv")


def test_figures_are_those_of_the_logs(runs: Path) -> None:
    facts = compared(runs / "one", runs / "deep", runs / "bare-run")
    json.dumps(facts, allow_nan=False)
    for each, name in zip(facts["compared"], ("one", "deep", "bare-run"), strict=True):
        lines = lines_of(runs / name)
        about = json.loads((runs / name / "run.json").read_text())
        assert each["name"] == name
        assert each["step"] == each["total_steps"] == STEPS
        assert each["tokens"] == STEPS * about["tokens_per_step"] == int(lines[-1]["tokens"])
        sizes = LlamaSizes(**about["sizes"])
        n = sizes.parameters_without_embedding
        a_token = 6 * n + 12 * sizes.layers * sizes.attention_width * about["sequence_length"]
        assert each["flops"] == each["tokens"] * a_token
        assert each["parameters"] == about["parameters"]
        training = [line for line in lines if line["loss"]]
        assert each["training_loss"] == float(training[-1]["loss"])
        seconds = sum(about["tokens_per_step"] / float(line["tokens_per_second"]) for line in training)
        assert each["hours"] == pytest.approx(seconds / 3600)
        validations = [line for line in lines if line["validation_loss"]]
        if name == "bare-run":
            assert each["final"] is each["best"] is each["comparable"] is None
            continue
        last, best = validations[-1], min(validations, key=lambda line: float(line["validation_loss"]))
        for found, line in ((each["final"], last), (each["best"], best)):
            assert found == {
                "step": int(line["step"]),
                "tokens": int(line["tokens"]),
                "loss": float(line["validation_loss"]),
                "perplexity": float(line["perplexity"]),
                "bits_per_byte": float(line["bits_per_byte"]),
            }
        assert each["comparable"] == {"with": "A", "what": "yes", "why": ""}


def test_curves_lie_where_the_log_has_them_on_every_axis(runs: Path) -> None:
    drawn = compared(runs / "one")["curves"][0]
    training = [line for line in lines_of(runs / "one") if line["loss"]]
    seconds = 0.0
    a_token = json.loads((runs / "one" / "run.json").read_text())["flops_per_token"]
    assert len(drawn["training"]) == STEPS
    for point, line in zip(drawn["training"], training, strict=True):
        seconds += 64 / float(line["tokens_per_second"])
        assert (point["step"], point["tokens"]) == (int(line["step"]), int(line["tokens"]))
        assert point["value"] == float(line["loss"])
        assert point["flops"] == point["tokens"] * a_token
        assert point["hours"] == pytest.approx(seconds / 3600)
    assert [point["step"] for point in drawn["validation"]] == [0, 4, 8, 12]
    assert drawn["validation"][0]["hours"] == 0.0


def test_a_checkpoint_is_its_run_up_to_its_step(runs: Path) -> None:
    checkpoint = runs / "one" / "checkpoints" / "step-00000008"
    facts = compared(runs / "one", checkpoint)
    whole, part = facts["compared"]
    assert part["name"] == "one/step-00000008"
    assert part["kind"] == "checkpoint"
    assert (part["step"], part["tokens"]) == (8, 8 * 64)
    assert part["final"]["step"] == 8
    assert part["flops"] == whole["flops"] * 8 / STEPS
    assert [point["step"] for point in facts["curves"][1]["validation"]] == [0, 4, 8]
    assert {entry["continuations"]["B"]["step"] for entry in facts["samples"]["prompts"]} == {8}


def test_a_model_folder_outside_of_a_run_has_its_sizes_alone(runs: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree((runs / "one" / "checkpoints" / "last").resolve(), moved)
    tiny_llama(num_hidden_layers=3).save_pretrained(tmp_path / "plain")
    facts = compared(moved, tmp_path / "plain")
    for each in facts["compared"]:
        assert each["run"] is each["tokens"] is each["flops"] is each["final"] is None
        assert each["kind"] == "checkpoint"
    difference = {row["name"]: row["values"] for row in facts["differences"]["model"]}
    assert difference == {"layers": {"A": "2", "B": "3"}}
    assert (
        facts["compared"][0]["parameters"]
        == json.loads((runs / "one" / "run.json").read_text())["parameters"]
    )
    assert facts["curves"][0]["training"] == []
    assert Page(page(facts)).unbalanced == []


def test_exactly_the_keys_that_differ_are_listed(runs: Path) -> None:
    differences = compared(runs / "one", runs / "deep")["differences"]
    settings = {row["name"]: row["values"] for row in differences["configuration"]}
    assert settings.pop("model.init.source")["A"] == "null"
    assert settings.pop("optimizer.learning-rate") == {"A": "0.01", "B": "0.003"}
    assert settings.pop("model.init.strategy") == {"A": "random", "B": "upscale"}
    assert settings.pop("model.init.layers") == {"A": "null", "B": "4"}
    # What the sizes were is all that is left.
    assert set(settings) == {f"model.{name.replace('_', '-')}" for name in SIZES}
    assert {row["name"] for row in differences["model"]} == {"layers"}
    made = {row["name"]: row["values"] for row in differences["initialization"]}
    assert made["layers of the source"] == {"B": "0-1, 0-1"}
    assert made["strategy"] == {"A": "random", "B": "upscale"}
    assert differences["data"] == []

    data = {
        row["name"]: row["values"] for row in compared(runs / "one", runs / "bare-run")["differences"]["data"]
    }
    assert data["name"] == {"A": "tokens", "B": "bare"}
    assert data["documents held out"] == {"A": "8"}
    assert "tokenizer" not in data
    assert differing({"A": {"x": "1", "y": "2"}, "B": {"x": "1", "y": "3"}, "C": {}}) == [
        {"name": "y", "values": {"A": "2", "B": "3"}}
    ]
    assert spans([0, 1, 2, 3, 2, 3, 4, 9]) == "0-3, 2-4, 9"


def rewrite(run: Path, change: Any) -> None:
    """Change the lines of a log."""
    lines = lines_of(run)
    columns = list(lines[0])
    with (run / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(change(lines))


def test_a_run_that_writes_stopped_or_lost_files_is_compared_as_far_as_it_goes(
    runs: Path, tmp_path: Path
) -> None:
    for name in ("going", "nan", "bare"):
        shutil.copytree(runs / "one", tmp_path / name, symlinks=True)
    rewrite(tmp_path / "going", lambda lines: lines[:8])
    with (tmp_path / "going" / "metrics.csv").open("a") as file:
        file.write("8,512,3.2")  # cut off in the middle of a line
    rewrite(
        tmp_path / "nan",
        lambda lines: [
            {**line, "loss": "nan"} if line["step"] in ("5", "6") and line["loss"] else line for line in lines
        ],
    )
    for file in ("run.json", "config.yaml", "samples.csv", "initialization.json"):
        (tmp_path / "bare" / file).unlink(missing_ok=True)
    shutil.rmtree(tmp_path / "bare" / "checkpoints")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.yaml").write_text("run: empty\n")

    facts = compared(*(tmp_path / name for name in ("going", "nan", "bare", "empty")))
    json.dumps(facts, allow_nan=False)
    going, nan, bare, empty = facts["compared"]
    assert going["step"] < STEPS == going["total_steps"]
    assert len(facts["curves"][1]["training"]) == STEPS - 2
    assert bare["flops"] is bare["parameters"] is bare["checkpoint"] is None
    assert bare["tokens"] == STEPS * 64
    assert bare["comparable"]["what"] == "not known"
    assert empty["step"] is empty["tokens"] is None
    said = "\n".join(notes(facts))
    assert "A: 1 line of the log that cannot be read, left out" in said
    assert f"A: {going['step']} of {STEPS} steps are done" in said
    assert "B: 2 lines of the log with a loss that is no number, left out" in said
    assert "C: FLOPs not known" in said
    assert "D: the run has logged nothing yet" in said
    assert nan["training_loss"] == float(
        lines_of(runs / "one")[-2]["loss"] or lines_of(runs / "one")[-1]["loss"]
    )
    seen = Page(page(facts))
    assert seen.unbalanced == seen.open == []
    assert tables(facts)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.yaml", "a: [1"),
        ("config.yaml", "- 1"),
        ("run.json", "[1]"),
        ("run.json", '{"sizes": {"layers": 2}, "total_steps": 12}'),
        ("initialization.json", '{"layers": [1, {"new": true}]}'),
        ("samples.csv", "step,prompt,continuation\nx,a,b\n12,a\n"),
        ("metrics.csv", "step,loss\n1,2.0\n"),
        ("metrics.csv", "\n\n"),
        ("checkpoints/last/config.json", "{}"),
    ],
)
def test_a_damaged_file_costs_what_it_says_and_no_more(
    runs: Path, tmp_path: Path, file: str, content: str
) -> None:
    shutil.copytree(runs / "one", tmp_path / "run", symlinks=True)
    (tmp_path / "run" / file).write_text(content)
    facts = compared(tmp_path / "run", runs / "deep")
    json.dumps(facts, allow_nan=False)
    assert tables(facts)
    assert Page(page(facts)).unbalanced == []
    assert facts["compared"][1]["tokens"] == STEPS * 64


def test_a_log_that_is_no_text_is_refused_by_name(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "one", tmp_path / "run", symlinks=True)
    (tmp_path / "run" / "metrics.csv").write_bytes(b"step,loss\n\xff\xfe")
    with pytest.raises(UsageError, match=r"the logs of .*run cannot be read"):
        compared(tmp_path / "run")


def test_losses_that_are_not_of_the_same_text_are_not_ranked(runs: Path, tmp_path: Path) -> None:
    """Another text; other rows; another tokenizer over the same text; and no way to tell."""
    tokens = write_token_folder(
        tmp_path / "tokens", [random_documents(60)], validation=random_documents(9, seed=8)
    )
    for name in ("text", "rows", "tokenizer"):
        shutil.copytree(runs / "one", tmp_path / name, symlinks=True)
    configuration = (tmp_path / "text" / "config.yaml").read_text()
    (tmp_path / "text" / "config.yaml").write_text(configuration.replace(str(runs / "tokens"), str(tokens)))
    about = json.loads((tmp_path / "text" / "run.json").read_text())
    about_rows = {**about, "sequence_length": 32}
    (tmp_path / "text" / "run.json").write_text(json.dumps({**about, "validation_rows": 3}))
    (tmp_path / "rows" / "run.json").write_text(json.dumps(about_rows))
    definition = tmp_path / "tokenizer" / "checkpoints" / "last" / "tokenizer.json"
    definition.write_text(definition.read_text() + "\n")

    facts = compared(
        *(path for path in (runs / "one", *(tmp_path / n for n in ("text", "rows", "tokenizer"))))
    )
    assert [each["comparable"]["what"] for each in facts["compared"]] == ["yes", "no", "no", "bits a byte"]
    whys = [each["comparable"]["why"] for each in facts["compared"]]
    assert whys == ["", "another text", "rows of 32 tokens, not of 16", "another tokenizer"]
    assert "not ranked" in headline(facts)
    shown = page(facts)
    assert "no: rows of 32 tokens, not of 16" in shown
    assert "bits a byte: another tokenizer" in shown
    both = compared(runs / "one", tmp_path / "tokenizer")
    assert "has the lowest bits a byte at its end" in headline(both)
    ranked = compared(runs / "one", runs / "deep")
    best = min(ranked["compared"], key=lambda each: each["final"]["loss"])
    assert headline(ranked).startswith(f"{best['key']} ({best['name']}) has the lowest validation loss")


def test_mixtures_of_other_shares_and_limited_validations_are_another_question(
    runs: Path, tmp_path: Path
) -> None:
    import prepcore

    for source in ("web", "code"):
        shutil.copytree(runs / "tokens", tmp_path / source)
    for name, weight in (("half", 50), ("most", 70), ("again", 70)):
        shutil.copytree(runs / "one", tmp_path / name, symlinks=True)
        recipe = tmp_path / name / "mixture.json"
        shares = {"web": f"{weight}%", "code": f"{100 - weight}%"}
        sources = {source: (str(tmp_path / source), share) for source, share in shares.items()}
        prepcore.mix(sources, tokens=640, out=str(recipe))
        configuration = tmp_path / name / "config.yaml"
        configuration.write_text(configuration.read_text().replace(str(runs / "tokens"), str(recipe)))
    shutil.copytree(tmp_path / "most", tmp_path / "limited", symlinks=True)
    limited = tmp_path / "limited" / "config.yaml"
    text = limited.read_text()
    assert "limit-val-batches: null" in text
    limited.write_text(text.replace("limit-val-batches: null", "limit-val-batches: 1"))

    facts = compared(*(tmp_path / name for name in ("most", "half", "again", "limited")))
    assert [each["comparable"]["what"] for each in facts["compared"]] == ["yes", "no", "yes", "no"]
    assert [each["comparable"]["why"] for each in facts["compared"]] == [
        "",
        "another mixture",
        "",
        "trainer.limit-val-batches 1, not none",
    ]
    data = {row["name"]: row["values"] for row in facts["differences"]["data"]}
    assert data["web: share"] == {"A": "70.00%", "B": "50.00%", "C": "70.00%", "D": "70.00%"}
    assert set(data) == {"web: share", "code: share"}


def test_losses_are_read_at_equal_places(runs: Path) -> None:
    half = runs / "one" / "checkpoints" / "step-00000008"
    facts = compared(runs / "deep", half)
    assert facts["at_equal"]["places"] == pytest.approx([8 * 64 * piece / 5 for piece in range(1, 6)])
    validations = {int(line["tokens"]): float(line["validation_loss"]) for line in lines_of(runs / "one")
                   if line["validation_loss"]}  # fmt: skip
    losses = facts["at_equal"]["losses"]["B"]
    place = facts["at_equal"]["places"][0]
    between = validations[0] + (validations[256] - validations[0]) * place / 256
    assert losses[0] == pytest.approx(between)
    assert losses[-1] == validations[512]
    assert compared(runs / "one", half, axis="flops")["at_equal"]["axis"] == "flops"


def test_prompts_that_runs_have_in_common_are_laid_side_by_side(runs: Path) -> None:
    facts = compared(runs / "one", runs / "deep", runs / "bare-run")
    assert [entry["prompt"] for entry in facts["samples"]["prompts"]] == [PROMPT, "abc"]
    written = {
        (line["step"], line["prompt"]): line["continuation"] for line in read(runs / "one" / "samples.csv")
    }
    for entry in facts["samples"]["prompts"]:
        assert set(entry["continuations"]) == {"A", "B"}
        assert entry["continuations"]["A"] == {"text": written[str(STEPS), entry["prompt"]], "step": STEPS}


def test_prompts_are_continued_as_generate_does(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts").write_text("abc\n\n<b>x\n")
    out = tmp_path / "page.html"
    words = ["compare", runs / "one", "deeper=" + str(runs / "deep"), "--prompts", tmp_path / "prompts"]
    words += ["--seed", "3", "--max-new-tokens", "9", "--temperature", "0.7", "--page", out]
    assert here(*words) == 0
    seen = Page(out.read_text()).text
    assert "up to 9 tokens, temperature 0.7, seed 3, the same for all" in seen
    for prompt in ("abc", "<b>x"):
        for name in ("one", "deep"):
            config = GenerateConfig(
                checkpoint=[str(runs / name / "checkpoints" / "last")],
                prompt=prompt,
                seed=3,
                max_new_tokens=9,
                temperature=0.7,
            )
            assert "".join(list(generate(config))[1:]) in seen


def test_the_page_is_one_file_with_nothing_at_work(runs: Path, tmp_path: Path) -> None:
    hostile = tmp_path / "<img src=x onerror=alert(1)>&"
    shutil.copytree(runs / "one", hostile, symlinks=True)
    with (hostile / "samples.csv").open("a", newline="") as file:
        csv.writer(file).writerow([12, "abc", "\x1b[31m</pre><script>alert(2)</script>\u202e"])
    facts = compared(hostile, runs / "deep")
    html = page(facts)
    seen = Page(html)
    assert seen.unbalanced == seen.open == []
    assert not seen.tags & {"script", "link", "img", "iframe", "object", "form", "a"}
    assert not {name for name in seen.attributes if name.startswith("on") or name in ("href", "src", "style")}
    assert "default-src 'none'; style-src 'sha256-" in html
    assert "://" not in html
    assert "url(" not in html
    assert "<img src=x onerror=alert(1)>&" in seen.text
    assert "</pre><script>alert(2)</script>" in seen.text
    assert '<span class="control">U+001B</span>' in html
    assert '<span class="control">U+202E</span>' in html
    assert "\x1b" not in html
    # One switch for the four axes, the chosen one checked, each with its panel.
    assert re.findall(r'id="axis-(\w+)"', html) == ["tokens", "flops", "hours", "steps"]
    assert html.count(" checked>") == 1
    for name in ("tokens", "flops", "hours", "steps"):
        assert html.count(f'<div class="panel {name}">') == 1
        assert f"#axis-{name}:checked ~ .panel.{name}" in html
    assert 'aria-label="Training loss, over the tokens seen"' in html
    assert 'aria-label="Validation loss, over the floating-point operations"' in html
    assert 'id="axis-hours" autocomplete="off" checked>' in page(compared(runs / "one", axis="hours"))


def test_many_are_told_apart_without_colour(runs: Path, tmp_path: Path) -> None:
    from trainer.compare.drawing import DASHES, TONES, look

    looks = [look(place) for place in range(TONES * DASHES)]
    assert len({(shape, kind.split()[1]) for kind, shape in looks}) == len(looks)
    for number in range(12):
        shutil.copytree(runs / "one", tmp_path / f"run-{number}", symlinks=True)
    facts = compared(*(tmp_path / f"run-{number}" for number in range(12)))
    html = page(facts)
    assert html.count('<svg class="key"') == 12
    assert Page(html).unbalanced == []
    assert facts["differences"]["configuration"] == []
    assert all(len(table.rows[0]) == len(table.headers) for table in tables(facts))


def test_names_tell_apart(tmp_path: Path) -> None:
    for name in ("a/demo", "b/demo", "other"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.yaml").write_text("run: x\n")
    for number in (1, 2):
        folder = tmp_path / "other" / "checkpoints" / f"step-0000000{number}"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
    (tmp_path / "other" / "checkpoints" / "last").symlink_to("step-00000002")
    words = [str(tmp_path / name) for name in ("a/demo", "b/demo", "other", "other/checkpoints/last")]
    found = open_compared([*words, f"mine={tmp_path}/other/checkpoints/step-00000001"])
    assert [each.name for each in found] == ["a/demo", "b/demo", "other", "other/last", "mine"]
    assert [each.key for each in found] == ["A", "B", "C", "D", "E"]
    assert [each.step for each in found] == [None, None, 2, 2, 1]
    assert [key_of(place) for place in (0, 25, 26, 51, 52, 702)] == ["A", "Z", "AA", "AZ", "BA", "AAA"]
    for wrong, said in (
        ([words[0], words[0] + "/"], "is named twice"),
        ([f"x={words[0]}", f"x={words[1]}"], "two of what is compared are called x"),
    ):
        with pytest.raises(UsageError, match=said):
            open_compared(wrong)


def test_the_command_prints_tables_and_leaves_a_page(runs: Path, tmp_path: Path) -> None:
    done = trainer("compare", runs / "one", runs / "deep", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "page compare.html\n"
    best = lines_of(runs / "one")[-1]
    for said in (
        "A  run, step 12 of 12  one",
        f"{float(best['validation_loss']):.4f}",
        "optimizer.learning-rate",
    ):
        assert said in done.stdout
    tables_alone = done.stdout.partition("\nnote: ")[0]
    assert "upscale" in tables_alone
    wide = [line for line in tables_alone.splitlines() if len(line) > 80 and str(runs) not in line]
    assert wide == []
    assert [path.name for path in tmp_path.iterdir()] == ["compare.html"]
    (tmp_path / "compare.html").unlink()

    as_json = trainer("compare", runs / "one", "--json", cwd=tmp_path)
    facts = json.loads(as_json.stdout)
    assert facts["format"] == "trainer.compare"
    assert facts["compared"][0]["name"] == "one"
    assert as_json.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_mistakes_exit_2_with_a_sentence(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "no-tokenizer").mkdir()
    (tmp_path / "no-tokenizer" / "config.json").write_text("{}")
    (tmp_path / "prompts").write_text("abc\n")
    for words, said in (
        ([], "RUN_OR_CHECKPOINT"),
        ([tmp_path / "nowhere"], "nowhere is not there"),
        ([tmp_path / "prompts"], "prompts is no folder"),
        (
            [tmp_path / "empty"],
            "is neither a run (config.yaml, metrics.csv) nor a model folder (config.json)",
        ),
        ([runs], f"name what is in it: {runs / 'bare-run'} {runs / 'deep'} {runs / 'one'}"),
        ([runs / "one", "--axis", "time"], "hours"),
        ([runs / "one", "--prompts", tmp_path / "none"], "--prompts"),
        ([tmp_path / "no-tokenizer", "--prompts", tmp_path / "prompts"], "has no tokenizer.json"),
        ([runs / "one", "--page", tmp_path / "prompts" / "page.html"], "cannot be written"),
    ):
        done = trainer("compare", *words, cwd=tmp_path)
        assert done.returncode == 2, (words, done.stderr)
        assert said in done.stderr, (words, done.stderr)
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "compare.html").exists()


def test_comparing_brings_no_torch(runs: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from trainer.cli import main; code = main(sys.argv[1:]); "
        "print(sorted({'torch', 'transformers', 'matplotlib'} & set(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, "compare", str(runs / "one"), str(runs / "deep")]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(), cwd=tmp_path, check=True
    )
    assert done.stderr.splitlines()[-1] == "[]"


def test_hours_go_on_where_no_speed_is_stated() -> None:
    from trainer.compare.logs import Clock

    lines = [
        {"tokens": "0", "tokens_per_second": ""},
        {"tokens": "3600", "tokens_per_second": "1"},
        {"tokens": "7200", "tokens_per_second": ""},
        {"tokens": "10800", "tokens_per_second": "2"},
    ]
    clock = Clock.of(lines)
    # An hour for the first 3,600 tokens, then one for the 7,200 up to the next speed.
    assert [clock.hours(tokens) for tokens in (0, 1800, 3600, 7200, 10800, 18000)] == [0, 0.5, 1, 1.5, 2, 3]
    assert Clock.of(lines[:1]).hours(100) is None
