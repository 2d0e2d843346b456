from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models

from prepcore.arguments import UsageError
from trainer.tokenizer import Vocabulary, check_same_ids, copy_tokenizer, open_tokenizer


def write(path: Path, words: list[str], added: tuple[str, ...] = ()) -> Path:
    path.mkdir()
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, words[0]))
    tokenizer.add_special_tokens(list(added))
    tokenizer.save(str(path / "tokenizer.json"))
    return path


def test_ids_that_mean_other_tokens_are_refused_with_both_files(tmp_path: Path) -> None:
    data = write(tmp_path / "data", ["<unk>", "a", "b", "c"])
    model = write(tmp_path / "model", ["<unk>", "a", "c", "b"])
    with pytest.raises(
        UsageError, match=r"2 of 4 token ids of .*data/tokenizer.json .* id 2 is 'b'"
    ) as refused:
        check_same_ids(data, model)
    assert str(model / "tokenizer.json") in str(refused.value)
    assert "hint: pack the documents with the tokenizer of the model" in str(refused.value)


def test_what_changes_no_meaning_is_accepted(tmp_path: Path) -> None:
    data = write(tmp_path / "data", ["<unk>", "a", "b"])
    for name, added in (("more", ("<pad>",)), ("same", ())):
        model = write(tmp_path / name, ["<unk>", "a", "b"], added)
        check_same_ids(data, model)
        check_same_ids(model, data)
    spaced = write(tmp_path / "spaced", ["<unk>", "a", "b"])
    text = json.dumps(json.loads((spaced / "tokenizer.json").read_text()), indent=7)
    (spaced / "tokenizer.json").write_text(text)
    check_same_ids(data, spaced)
    check_same_ids(data, tmp_path / "none")


def test_the_vocabulary_and_its_ends(tmp_path: Path) -> None:
    folder = write(tmp_path / "t", ["<unk>", "<s>", "b"], ("</s>",))
    assert Vocabulary.read(folder) == Vocabulary(4, None, None)
    config = {"bos_token": {"content": "<s>"}, "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    assert Vocabulary.read(folder) == Vocabulary(4, 1, 3)
    (folder / "model.safetensors").write_bytes(b"not a part of it")
    (tmp_path / "copy").mkdir()
    copy_tokenizer(folder, tmp_path / "copy")
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == [
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_what_is_no_tokenizer_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no tokenizer\.json"):
        open_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(UsageError, match=r"tokenizer\.json cannot be read as a tokenizer"):
        open_tokenizer(tmp_path)
