"""Continuations held against references, with sacrebleu and rouge-score themselves as referees."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sacrebleu
import torch
from rouge_score.rouge_scorer import RougeScorer
from transformers import GPT2Config, GPT2LMHeadModel, MistralConfig, MistralForCausalLM

from prepcore.arguments import UsageError
from tests.trainer.folders import write_byte_tokenizer
from tests.trainer.models import SIZES, tiny_llama
from tests.trainer.test_cli import here, trainer
from trainer.evaluate.continuation import Continuation, continuations, ending_tokens
from trainer.evaluate.references import Reference, References, bleu, matches, mean, prompt_ids, rouge
from trainer.evaluate.sampling import Sampling
from trainer.evaluate.subject import Subject
from trainer.generate import stream_text, stream_tokens
from trainer.tokenizer import open_tokenizer


@pytest.fixture(scope="module")
def subject(stories: Path) -> Subject:
    return Subject(stories, "fp32", "cpu", batch_size=4)


@pytest.fixture(scope="module")
def tales(stories: Path) -> list[str]:
    sample = stories.parents[1] / "corpus" / "tinystories-sample.jsonl.zst"
    return pl.read_ndjson(sample)["text"].head(12).to_list()


def write(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    return path


def test_batches_continue_as_one_prompt_alone_does(subject: Subject, tales: list[str]) -> None:
    model, tokenizer = subject.model, subject.tokenizer
    prompts = [prompt_ids(subject, tale[: 5 + 13 * index]) for index, tale in enumerate(tales)]
    assert all(ids[0] == 1 for ids in prompts)
    for sampling in (Sampling(max_new_tokens=50), Sampling(max_new_tokens=30, temperature=0.8, seed=3)):
        found = dict(continuations(model, tokenizer, prompts, sampling, batch_size=5))
        assert sorted(found) == list(range(len(prompts)))
        for number, ids in enumerate(prompts):
            tokens = list(
                stream_tokens(
                    model,
                    ids,
                    max_new_tokens=sampling.max_new_tokens,
                    temperature=sampling.temperature,
                    seed=sampling.seed_of(number),
                )
            )
            assert found[number].text == "".join(stream_text(tokenizer, ids, iter(tokens)))
            assert found[number].tokens == len(tokens)
            assert found[number].ended == (len(tokens) < sampling.max_new_tokens)


def test_a_row_that_ends_leaves_the_batch_and_disturbs_nobody(subject: Subject, tales: list[str]) -> None:
    prompts = [prompt_ids(subject, tale[: 9 + 20 * index]) for index, tale in enumerate(tales)]
    freely = dict(
        continuations(subject.model, subject.tokenizer, prompts, Sampling(max_new_tokens=60), batch_size=12)
    )
    sampling = Sampling(max_new_tokens=60, stop=(".", "!\n"))
    stopped = dict(continuations(subject.model, subject.tokenizer, prompts, sampling, batch_size=12))
    assert len({continuation.tokens for continuation in stopped.values()}) > 3
    for number, free in freely.items():
        cut = re.split(r"\.|!\n", free.text)[0]
        assert stopped[number].text == cut
        assert stopped[number].ended == (free.ended or cut != free.text)


@pytest.mark.parametrize("kind", ["gpt2", "mistral with a window"])
def test_other_models_continue_alike_in_batches(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    if kind == "gpt2":
        model: Any = GPT2LMHeadModel(
            GPT2Config(vocab_size=96, n_embd=32, n_layer=2, n_head=2, initializer_range=0.3, eos_token_id=2)
        )
    else:
        sizes = {**SIZES, "vocab_size": 96, "initializer_range": 0.3, "sliding_window": 8}
        model = MistralForCausalLM(MistralConfig(**sizes, eos_token_id=2))
    write_byte_tokenizer(tmp_path / "t", 96)
    tokenizer = open_tokenizer(tmp_path / "t")
    prompts = [torch.randint(3, 96, (length,)).tolist() for length in (3, 17, 9, 30, 5)]
    sampling = Sampling(max_new_tokens=25)
    together = dict(continuations(model.eval(), tokenizer, prompts, sampling, batch_size=5))
    assert together == dict(continuations(model, tokenizer, prompts, sampling, batch_size=1))
    for number, ids in enumerate(prompts):
        whole = model.generate(torch.tensor([ids]), max_new_tokens=25, do_sample=False, pad_token_id=0)
        assert together[number].text == tokenizer.decode(whole[0, len(ids) :].tolist())


def test_prompts_that_do_not_fit_lose_their_beginning(tmp_path: Path) -> None:
    model = tiny_llama().eval()  # of 64 positions
    write_byte_tokenizer(tmp_path / "t", 96)
    model.save_pretrained(tmp_path / "t")
    tokenizer = Subject(tmp_path / "t", "fp32", "cpu").tokenizer
    ids = [3 + index % 90 for index in range(100)]
    for sampling in (Sampling(max_new_tokens=24), Sampling(max_new_tokens=24, temperature=1)):
        ((_, long),) = continuations(model, tokenizer, [ids], sampling, batch_size=1)
        ((_, short),) = continuations(model, tokenizer, [ids[-40:]], sampling, batch_size=1)
        assert (long.text, long.cut, short.cut) == (short.text, 60, 0)
    with pytest.raises(UsageError, match="max-new-tokens is 64, but the model has 64 positions"):
        list(continuations(model, tokenizer, [ids], Sampling(max_new_tokens=64), batch_size=1))


def test_either_configuration_says_what_ends_a_text() -> None:
    model = tiny_llama()
    assert ending_tokens(model) == {2}
    model.generation_config.eos_token_id = [2, 7]
    assert ending_tokens(model) == {2, 7}


def some_texts(tales: list[str]) -> tuple[list[str], list[Reference]]:
    """Texts that are like their references in part; the first has one reference, others two or three."""
    texts, references = [], []
    for index, tale in enumerate(tales):
        words = tale.split()[:60]
        texts.append(" ".join(words[: 30 + index] + list(reversed(words[45:]))))
        others = [" ".join(words[start::2]) + "." for start in range(index % 3)]
        references.append(Reference("", (*others, " ".join(words))))
    return texts, references


def test_bleu_is_that_of_sacrebleu(tales: list[str]) -> None:
    texts, references = some_texts(tales)
    score, signature = bleu(texts, references)
    most = max(len(reference.texts) for reference in references)
    streams = [[dict(enumerate(r.texts)).get(index) for r in references] for index in range(most)]
    wanted = sacrebleu.BLEU().corpus_score(texts, streams, n_bootstrap=1000)
    print(score, signature, wanted.score, wanted._ci)
    assert score.value == wanted.score
    assert 10 < score.value < 90
    assert signature.startswith("nrefs:var|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    # Half of sacrebleu's interval of 95 % is 1.96 standard errors, near enough; its draws are others.
    assert score.stderr == pytest.approx(wanted._ci / 1.96, rel=0.15)
    one = [Reference("", reference.texts[:1]) for reference in references]
    plain = sacrebleu.corpus_bleu(texts, [[reference.texts[0] for reference in one]])
    assert bleu(texts, one)[0].value == plain.score
    assert bleu(texts, references)[0] == score


def test_bleu_of_nothing_is_nothing() -> None:
    assert bleu(["", ""], [Reference("", ("a b c",)), Reference("", ("d",))])[0].value == 0
    assert bleu(["a b c d e"], [Reference("", ("a b c d e",))])[0].value == pytest.approx(100)
    assert bleu(["a b c d e"], [Reference("", ("a b c d e",))])[0].stderr is None


def test_rouge_is_that_of_rouge_score(tales: list[str]) -> None:
    texts, references = some_texts(tales)
    found = rouge(texts, references)
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"])
    for index, (text, reference) in enumerate(zip(texts, references, strict=True)):
        each = [scorer.score(one, text) for one in reference.texts]
        for name, values in found.items():
            assert values[index] == max(score[name].fmeasure for score in each)
    assert 0 < mean(found["rouge2"]).value < mean(found["rouge1"]).value < 1


def test_exact_match_leaves_white_space_at_the_ends_out() -> None:
    assert matches(" 42\n", ["41", "42"])
    assert not matches("4 2", ["42"])
    assert not matches("Paris", ["paris"])
    assert matches("Paris ", ["paris"], ignore_case=True)
    assert mean([1.0, 0, 0, 1]).stderr == pytest.approx(math.sqrt(0.5 * 0.5 / 3))


def test_the_measure_scores_what_the_model_writes(subject: Subject, tales: list[str], tmp_path: Path) -> None:
    prompts = [tale[:60] for tale in tales[:6]]
    first = write(tmp_path / "first.jsonl", *({"prompt": text, "reference": text} for text in prompts))
    sampling = Sampling(max_new_tokens=24)
    measure = References(path=first, sampling=sampling)
    measure.check()
    outcome = measure.run(subject)
    lines = [json.loads(line) for line in outcome.files["first.predictions.jsonl"].splitlines()]
    assert [line["prompt"] for line in lines] == prompts
    assert outcome.scores["exact_match"].value == 0
    assert outcome.documents == 6
    # The model's own words as references are found again, but for one.
    answers = [line["prediction"] for line in lines]
    own = write(
        tmp_path / "own.jsonl",
        {"prompt": prompts[0], "references": ["something else", "no"]},
        *(
            {"prompt": p, "references": ["no", f" {a}\n"]}
            for p, a in zip(prompts[1:], answers[1:], strict=True)
        ),
    )
    outcome = References(path=own, sampling=sampling).run(subject)
    assert outcome.scores["exact_match"].value == pytest.approx(5 / 6)
    assert outcome.scores["exact_match"].stderr == pytest.approx(math.sqrt(5 / 36 / 5))
    assert outcome.scores["rougeL"].value > 0.8
    assert outcome.main == "bleu"
    assert outcome.scores["bleu"].value > 50
    assert References(path=own, sampling=sampling, limit=2).run(subject).documents == 2
    json.dumps({"details": outcome.details, "settings": References(path=own).settings()})


def test_settings_tell_files_and_sampling_apart(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"prompt": "a", "reference": "b"})
    before = References(path=path).settings()
    assert References(path=path, sampling=Sampling(seed=3)).settings() == before  # nothing is drawn
    assert References(path=path, sampling=Sampling(seed=3, temperature=1)).settings() != before
    write(path, {"prompt": "a", "reference": "c"})
    assert References(path=path).settings() != before


def test_bos_is_the_setting_of_the_subject(subject: Subject, stories: Path) -> None:
    without = Subject(stories, "fp32", "cpu", bos=False)
    assert prompt_ids(subject, "One day")[0] == 1
    assert prompt_ids(Subject(stories, "fp32", "cpu", bos=True), "One day") == prompt_ids(subject, "One day")
    assert prompt_ids(without, "One day") == prompt_ids(subject, "One day")[1:]
    assert prompt_ids(without, "") == [1]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "r.jsonl, line 2 is not JSON"),
        ("[1]", r"r.jsonl, line 2 is \[1\], wanted a JSON object"),
        ('{"prompt": "a"}', "r.jsonl, line 2: there is no 'reference'"),
        ('{"reference": "a"}', "r.jsonl, line 2: there is no 'prompt'"),
        ('{"prompt": "a", "reference": null}', "line 2: reference is null, wanted text"),
        ('{"prompt": "a", "references": []}', "line 2: references is no list of texts"),
        ('{"prompt": "a", "references": "b"}', "line 2: references is no list of texts"),
        ('{"prompt": "a", "references": [["b"]]}', r'line 2: references is \["b"\], wanted text'),
    ],
)
def test_mistakes_name_the_line(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"prompt": "a", "reference": "b\u2028c"}\n' + line + "\n")
    with pytest.raises(UsageError, match=said):
        References(path=path).check()


def test_a_file_that_is_not_there_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--references .* cannot be read"):
        References(path=tmp_path / "none.jsonl").check()
    (tmp_path / "empty.jsonl").write_text("\n\n")
    with pytest.raises(UsageError, match="has no record"):
        References(path=tmp_path / "empty.jsonl").check()


def test_a_continuation_of_characters_in_several_tokens_is_whole(subject: Subject) -> None:
    """Bytes that make no character yet are not shown, and a text that ends among them loses them alone."""
    generator = torch.Generator().manual_seed(0)
    prompts = [torch.randint(3, 259, (5,), generator=generator).tolist() for _ in range(6)]
    sampling = Sampling(max_new_tokens=40, temperature=3.0)
    for _, found in continuations(subject.model, subject.tokenizer, prompts, sampling, batch_size=6):
        assert isinstance(found, Continuation)
        assert found.text.encode().decode() == found.text


def test_the_command_keeps_scores_and_predictions(
    stories: Path, tales: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "qa.jsonl", *({"prompt": tale[:50], "reference": tale[50:90]} for tale in tales))
    words = ["evaluate", stories, "--references", file, "--max-new-tokens", "20", "--limit", "3"]
    words += ["--out", tmp_path / "out" / "small.json", "--device", "cpu"]
    assert here(*words, "--stop", r"\n", "!") == 0
    printed = capsys.readouterr().out
    assert "references:qa.jsonl  bleu" in printed
    results = json.loads((tmp_path / "out" / "small.json").read_text())
    result = results["results"]["references:qa.jsonl"]
    assert set(result["scores"]) == {"bleu", "exact_match", "rouge1", "rouge2", "rougeL"}
    assert (result["documents"], result["settings"]["stop"]) == (3, ["\n", "!"])
    predictions = (tmp_path / "out" / "small.qa.predictions.jsonl").read_text().splitlines()
    assert [json.loads(line)["prompt"] for line in predictions] == [tale[:50] for tale in tales[:3]]
    assert here(*words, "--stop", r"\n", "!") == 0
    assert "references:qa.jsonl is there already" in capsys.readouterr().err


def test_the_command_names_mistakes_before_torch_is_imported(stories: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "qa.jsonl", {"prompt": "a"})
    result = trainer("evaluate", stories, "--references", file, "--out", tmp_path / "a.json")
    assert result.returncode == 2
    assert "qa.jsonl, line 1: there is no 'reference'" in result.stderr
    assert not (tmp_path / "a.json").exists()
