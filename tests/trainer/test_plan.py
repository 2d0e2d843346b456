"""The plan as users ask for it: counts, arithmetic, data, budgets, mistakes; memory has a file of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import prepcore
from prepcore.arguments import Parser, UsageError
from tests.trainer.folders import random_documents, write_token_folder
from tests.trainer.test_cli import environment, trainer
from trainer.compute import choose_attention
from trainer.config import FitConfig, presets
from trainer.config.planning import Gpu, PlanConfig
from trainer.data import PackedTokens
from trainer.initialize import parameter_count
from trainer.initialize.surgery import train_only
from trainer.plan.advice import deepseek, gpt3, step_law
from trainer.plan.architecture import architecture
from trainer.plan.computation import computation
from trainer.plan.facts import plan
from trainer.plan.machines import MACHINES
from trainer.resolve import open_folder, resolve

SIZES = ["--model.hidden-size", "32", "--model.intermediate-size", "64", "--model.num-hidden-layers", "2"]
SIZES += ["--model.num-attention-heads", "4"]


def configured(*words: str | Path) -> PlanConfig:
    return Parser(PlanConfig, "plan", presets()).parse([*map(str, words)])


def planned(*words: str | Path) -> dict[str, Any]:
    return plan(configured(*words))


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_token_folder(
        tmp_path_factory.mktemp("tokens") / "t",
        [random_documents(40)],
        validation=random_documents(8, seed=2),
    )


@pytest.mark.parametrize(
    ("preset", "parameters", "gigaflops"),
    [
        ("tinysolar-217m-down", 217_601_024, 1.361),
        ("tinysolar-248m", 248_013_824, 1.593),
        ("tinysolar-308m-up", 308_839_424, 2.059),
    ],
)
def test_the_referees_of_the_presets(preset: str, parameters: int, gigaflops: float) -> None:
    facts = planned("--config", preset)
    assert facts["model"]["parameters"] == parameters
    assert facts["model"]["sequence_length"] == 2048
    assert facts["model"]["flops_per_token"] / 1e9 == pytest.approx(gigaflops, abs=5e-4)
    assert facts["run"]["optimal_tokens"] == 20 * parameters
    assert planned("--config", preset, "--tokens-per-parameter", "35")["run"]["optimal_tokens"] == (
        35 * parameters
    )


@pytest.mark.parametrize("preset", [name for name in presets() if name not in ("demo", "solar-10.7b-up")])
def test_parameters_by_part_are_those_of_the_meta_device(preset: str) -> None:
    facts = planned("--config", preset)
    sizes = facts["model"]["sizes"]
    with torch.device("meta"):
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=sizes["vocabulary"],
                hidden_size=sizes["width"],
                intermediate_size=sizes["inner_width"],
                num_hidden_layers=sizes["layers"],
                num_attention_heads=sizes["heads"],
                num_key_value_heads=sizes["shared_heads"],
                tie_word_embeddings=sizes["tied"],
            )
        )
    words = {"embedding": "embed_tokens", "attention": "self_attn", "feed-forward": "mlp", "norms": "norm"}
    words["output head"] = "lm_head"
    counted = dict.fromkeys(words, 0)
    for name, parameter in model.named_parameters():
        part = next(part for part, word in words.items() if word in name)
        counted[part] += parameter.numel()
    assert facts["model"]["parts"] == counted
    assert facts["model"]["parameters"] == parameter_count(model) == sum(counted.values())
    if preset == "tinysolar-308m-expand":
        train_only(model, (3, 7, 11, 15))
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert facts["model"]["trained_parameters"] == trained


@pytest.mark.parametrize(
    "changes",
    [
        {"tie_word_embeddings": True},
        {"attention_bias": True, "mlp_bias": True, "head_dim": 32},
    ],
)
def test_a_source_is_counted_as_it_is(changes: dict[str, Any], tmp_path: Path) -> None:
    config = LlamaConfig(
        vocab_size=100, hidden_size=64, intermediate_size=160, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, attention_dropout=0.1, **changes,
    )  # fmt: skip
    config.save_pretrained(tmp_path / "source")
    words = ["--model.init.strategy", "continue", "--model.init.source", tmp_path / "source"]
    facts = planned(*words)
    with torch.device("meta"):
        assert facts["model"]["parameters"] == parameter_count(LlamaForCausalLM(config))
    assert sum(facts["model"]["parts"].values()) == facts["model"]["parameters"]
    assert facts["computation"]["attention"] == "sdpa"  # varlen knows no dropout


def test_the_run_is_the_one_that_fit_would_do(tokens: Path) -> None:
    """Steps and tokens are those that the data module of a run would give, batch by batch."""
    words = ["--data.path", tokens, *SIZES, "--batch.micro", "2", "--batch.tokens", "128"]
    config = Parser(FitConfig, "fit", presets()).parse([*map(str, words)])
    folder = open_folder(config, lambda line: None)
    numbers = resolve(config, folder)
    data = PackedTokens(
        folder, length=numbers.length, micro=2, rows_per_step=numbers.sizes, total_steps=numbers.total_steps,
        seed=0, isolate=True,
    )  # fmt: skip
    seen = sum(batch["input_ids"].numel() for batch in data.train_dataloader())
    facts = planned(*words)
    assert facts["run"]["tokens"] == seen
    assert facts["run"]["steps"] == numbers.total_steps == len(data.train_dataloader())
    assert facts["run"]["micro_batches_per_device"] == 4
    assert facts["data"]["tokens"] == folder.train.rows(16) * 16
    assert facts["data"]["epochs"] == pytest.approx(seen / facts["data"]["tokens"])
    # Far from compute-optimal: the little there is would come more often than is worth anything.
    long = planned(*words, "--trainer.max-tokens", facts["run"]["optimal_tokens"])
    assert long["data"]["sources"][0]["epochs"] > 4
    assert any("learned by heart" in note for note in long["notes"])


def test_each_source_of_a_mixture_is_counted(tmp_path: Path) -> None:
    for number, name in enumerate(("web", "books")):
        write_token_folder(tmp_path / name, [random_documents(60 // (number + 1), seed=number)])
    recipe = tmp_path / "recipe.json"
    sources = {"web": (tmp_path / "web", 1), "books": (tmp_path / "books", 3)}
    document = prepcore.mix(sources, tokens=960, out=recipe)
    facts = planned("--data.path", recipe, *SIZES, "--batch.micro", "4")
    assert facts["run"]["tokens"] == document["tokens"]
    for source, stated in zip(facts["data"]["sources"], document["sources"], strict=True):
        assert source["name"] == stated["name"]
        assert source["share"] == stated["share"]
        assert source["tokens"] == stated["available_tokens"]
        assert source["epochs"] == stated["epochs"]
    optimal = facts["run"]["optimal_tokens"]
    books = facts["data"]["sources"][1]
    assert books["optimal_epochs"] == pytest.approx(0.75 * optimal / books["tokens"], rel=0.01)


def test_hours_and_dollars_follow_from_peak_mfu_and_price() -> None:
    words = ["--config", "tinysolar-248m", "--gpu", "a100-80gb", "--trainer.devices", "4", "--mfu", "50%"]
    facts = planned(*words, "--price", "2")
    operations = facts["model"]["flops_per_token"] * facts["run"]["tokens"]
    assert facts["time"]["hours"] == pytest.approx(operations / (4 * 312e12 * 0.5) / 3600)
    assert facts["time"]["dollars"] == pytest.approx(facts["time"]["hours"] * 4 * 2)
    assert facts["device"]["price_from"] == "--price"
    faster = planned(*words, "--trainer.peak-tflops", "624")
    assert faster["time"]["hours"] == pytest.approx(facts["time"]["hours"] / 2)
    # In fp32 the peaks of the table do not hold, and no hours are made up.
    unknown = planned(*words, "--trainer.precision", "32-true")
    assert unknown["time"]["hours"] is None
    assert unknown["device"]["peak_tflops"] is None


@pytest.mark.parametrize(
    "words",
    [
        ["--budget", "$500"],
        ["--hours", "8"],
        ["--hours", "8", "--trainer.devices", "8", "--batch.tokens", "131072"],
    ],
)
def test_a_budget_buys_a_model_that_costs_as_much(words: list[str]) -> None:
    """What comes out the other way round is a plan that fits the budget, when it is asked for itself."""
    facts = planned("--config", "tinysolar-248m", *words)
    bought = facts["reverse"]["model"]
    assert bought["limit"] == "the budget"
    options = [word for option in bought["options"] for word in option.split(maxsplit=1)]
    again = planned(*options, *words[2:])
    assert again["model"]["parameters"] == bought["parameters"]
    assert again["run"]["tokens_per_parameter"] == pytest.approx(bought["tokens_per_parameter"], rel=0.01)
    assert bought["tokens_per_parameter"] >= 20
    assert again["time"]["hours"] == pytest.approx(facts["reverse"]["hours"], rel=0.001)
    if words[0] == "--budget":
        assert again["time"]["dollars"] == pytest.approx(500, rel=0.001)
    # What is left of the budget was not enough for the next size, so there is not much of it.
    assert bought["tokens_per_parameter"] < 24
    assert bought["sizes"]["width"] / bought["sizes"]["layers"] == pytest.approx(1024 / 12, rel=0.25)
    assert bought["sizes"]["inner_width"] == 4 * bought["sizes"]["width"]


def test_a_budget_is_held_by_the_memory_and_by_the_data(tokens: Path) -> None:
    facts = planned("--config", "tinysolar-248m", "--gpu", "l4", "--hours", "100000")
    assert facts["reverse"]["model"]["limit"] == "the memory of a device"
    few = planned("--data.path", tokens, *SIZES, "--hours", "1")
    assert few["reverse"]["model"] is None or "the data" in few["reverse"]["model"]["limit"]
    dear = planned("--config", "tinysolar-248m", "--budget", "0.000001")
    assert dear["reverse"]["model"] is None


def test_auto_stands_for_what_a_run_takes() -> None:
    for words in ([], ["--model.attention-dropout", "0.1"], ["--data.isolate-documents", "false"]):
        for precision in ("32-true", "bf16-mixed"):
            for accelerator, device in (("cpu", "cpu"), ("gpu", "cuda")):
                config = configured(
                    *SIZES, "--model.vocab-size", "96", "--trainer.accelerator", accelerator,
                    "--trainer.precision", precision, *words,
                )  # fmt: skip
                model = architecture(config, None, 16)
                packed = config.data.isolate_documents
                how = computation(config, model, isolate=packed, tokens=1000)
                if device == "cuda" and packed and precision != "32-true":
                    continue  # whether a GPU can do `varlen` is asked of the GPU
                described = LlamaConfig(
                    hidden_size=32, num_attention_heads=4, attention_dropout=model.dropout
                )
                half = precision != "32-true"
                chosen = choose_attention("auto", described, device=device, half=half, packed=packed)
                assert how.attention == chosen


def test_the_rules_give_what_their_papers_say() -> None:
    # DeepSeek LLM 7B: 2 T tokens, batch 2,304 rows of 4,096, rate 4.2e-4.
    own = deepseek(6 * 6.9e9 * 2e12)
    assert own.batch_tokens == pytest.approx(2304 * 4096, rel=0.05)
    assert own.learning_rate == pytest.approx(4.2e-4, rel=0.05)
    # Step Law: a larger model wants a lower rate, more tokens a higher one; the batch goes by tokens alone.
    assert step_law(10**9, 1e11).learning_rate == pytest.approx(1.79 * 1e9**-0.713 * 1e11**0.307)
    assert step_law(10**9, 1e11).batch_tokens == step_law(10**8, 1e11).batch_tokens
    assert not step_law(10**9, 1e6).inside
    small, middle = gpt3(125_000_000), gpt3(500_000_000)
    assert (small.batch_tokens, small.learning_rate) == (0.5e6, 6e-4)
    assert 2.5e-4 < (middle.learning_rate or 0) < 3e-4


def test_the_machines_are_those_of_the_option_and_have_a_peak() -> None:
    assert tuple(machine.key for machine in MACHINES) == get_args(Gpu)
    for machine in MACHINES:
        assert machine.peak.teraflops > 0
        assert machine.peak.source
        assert machine.source
        assert machine.price > 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--gpu", "h1000", *SIZES], "--gpu: 'h1000' is not one of"),
        (["--budget", "much", *SIZES], "'much' is not an amount of dollars"),
        (["--mfu", "0", *SIZES], "no share above 0"),
        (["--config", "demo"], "vocabulary is not known"),
        (["--model.vocab-size", "96"], "model.hidden-size is missing"),
        (["--config", "tinysolar-248m", "--trainer.devices", "3"], "for each of 3 processes"),
        (["--config", "tinysolar-248m", "--trainer.max-epochs", "2"], "passes over data, and there is none"),
        (["--config", "tinysolar-248m", "--trainer.accelerator", "mps"], "no plan is made for"),
        (
            ["--config", "tinysolar-248m", "--trainer.accelerator", "cpu", "--gpu", "l4"],
            "leave one of the two",
        ),
        (["--config", "tinysolar-248m", "--trainer.accelerator", "cpu", "--hours", "1"], "is not known"),
        (["--config", "tinysolar-248m", "--price", "0", "--budget", "1"], "give --price"),
        (["--config", "tinysolar-248m", "--compute.attention", "split"], "which is for CPUs"),
        (["--config", "tinysolar-217m-down", "--model.init.layers", "12"], "wants 1 to 11"),
        (["--config", "tinysolar-248m", "--data.path", "nowhere"], "there is no folder nowhere"),
        (["--model.init.strategy", "continue", "--model.init.source", "/no/such"], "there is no model"),
        (["--config", "tinysolar-248m", "--data.sequence-length", "40000"], "is made for 32,768"),
    ],
)
def test_mistakes_are_sentences(words: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError) as error:
        planned(*words)
    assert said in str(error.value)


def test_a_mistake_exits_2_and_parquet_is_not_converted(tmp_path: Path) -> None:
    import polars

    rows = polars.DataFrame({"input_ids": [[1, 2, 3, 4]] * 8})
    rows.write_parquet(tmp_path / "rows.parquet")
    result = trainer("plan", *SIZES, "--data.path", tmp_path / "rows.parquet", "--model.vocab-size", "9")
    assert result.returncode == 2
    assert "not converted yet, and a plan writes nothing" in result.stderr
    assert "Traceback" not in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


def test_the_command_imports_no_torch(tokens: Path, tmp_path: Path) -> None:
    """Table, JSON and page from one command each, and what they say is the same."""
    program = "import sys; from trainer.cli import main; code = main(sys.argv[1:]); "
    program += "print(sorted(sys.modules), file=sys.stderr); sys.exit(code)"
    words = ["plan", "--data.path", str(tokens), *SIZES, "--trainer.max-steps", "10"]
    page = tmp_path / "plan.html"

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, *words, *more]
        done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
        assert done.returncode == 0, done.stderr
        for heavy in ("torch", "transformers", "pytorch_lightning", "polars", "tokenizers"):
            assert f"'{heavy}'" not in done.stderr
        return done

    facts = json.loads(run("--json").stdout)
    text = run("--page", str(page)).stdout
    shown = page.read_text()
    for figure in (f"{facts['model']['parameters']:,}", f"{facts['run']['tokens']:,}"):
        assert figure in text
        assert figure in shown
    assert facts == planned(*words[1:])
    assert "<script" not in shown
    assert 'role="img"' in shown


def test_the_page_makes_names_inert(tmp_path: Path) -> None:
    from trainer.plan.page import page

    folder = write_token_folder(tmp_path / "<b>name", [random_documents(40)])
    shown = page(planned("--data.path", folder, *SIZES, "--hours", "1"))
    assert "<b>name" not in shown
    assert "&lt;b&gt;name" in shown
