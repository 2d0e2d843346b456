"""`prepcore mix`: recipes of token folders that fit together, and what does not fit."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import prepcore
from prepcore.arguments import UsageError
from prepcore.mixture.build import LONGEST_WALK, whole_weights
from prepcore.mixture.recipe import Recipe
from tests.conftest import Run
from tests.prepcore.test_clean import GOOD

LENGTH = 64


def texts_of(name: str) -> list[str]:
    """Documents of a source; every third is one that the other sources have, too."""
    return [
        f"{GOOD} {'of all' if row % 3 == 0 else name} {row}\n" + "word " * (row % 30) for row in range(300)
    ]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory, prepcore_command: Run) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    pl.DataFrame({"text": texts_of("web")}).write_parquet(folder / "raw.parquet")
    prepcore_command(
        *("tokenizer", folder / "raw.parquet", "--vocabulary-size", 300, "--quiet"),
        *("--out", folder / "tokenizer"),
    )
    return folder / "tokenizer"


@pytest.fixture(scope="module")
def pack(tokenizer: Path, prepcore_command: Run) -> Any:
    """Packs the documents of a source into a folder of that name."""

    def packed(parent: Path, name: str, *options: object, documents: int = 300) -> Path:
        raw = parent / f"{name}.jsonl"
        raw.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts_of(name)[:documents]))
        given = {"--tokenizer": tokenizer, "--sequence-length": LENGTH, "--validation": "10%"}
        given |= dict(zip(options[::2], options[1::2], strict=True))
        words = [word for option in given.items() for word in option]
        prepcore_command("pack", raw, "--out", parent / name, *words, "--quiet")
        return parent / name

    return packed


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, pack: Any) -> Path:
    """The token folders web, code and books in one folder."""
    parent = tmp_path_factory.mktemp("tokens")
    for name, documents in (("web", 300), ("code", 200), ("books", 40)):
        pack(parent, name, documents=documents)
    return parent


def manifest(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return document


def test_a_recipe_says_how_much_of_each_is_wanted_and_there(
    folders: Path, tmp_path: Path, prepcore_command: Run
) -> None:
    out = tmp_path / "deep" / "recipe.json"
    sources = [
        f"web={folders / 'web'}:70%",
        f"code={folders / 'code'}:0.2",
        f"books={folders / 'books'}:1e-1",
    ]
    arguments = ("mix", "--source", *sources, "--tokens", "64k", "--out", out)
    done = prepcore_command(*arguments, "--json")
    recipe = json.loads(out.read_text())
    assert json.loads(done.stdout) == recipe
    assert (recipe["format"], recipe["format_version"]) == ("prepcore.mixture", 1)
    assert (recipe["sequence_length"], recipe["rows"], recipe["tokens"]) == (LENGTH, 1000, 64_000)
    assert [source["weight"] for source in recipe["sources"]] == [7, 2, 1]
    assert [source["rows"] for source in recipe["sources"]] == [700, 200, 100]
    for source in recipe["sources"]:
        packed = manifest(folders / source["name"])
        assert source["available_rows"] == packed["rows"]
        assert source["epochs"] == source["rows"] / packed["rows"]
        assert (out.parent / source["path"]).resolve() == folders / source["name"]
        assert not Path(source["path"]).is_absolute()
    # 64,000 tokens are more than the three have.
    repeating = [source["name"] for source in recipe["sources"] if source["epochs"] > 1]
    often = [source["name"] for source in recipe["sources"] if source["epochs"] > 4]
    assert [warning.split()[0] for warning in recipe["warnings"]] == repeating
    assert [w.split()[0] for w in recipe["warnings"] if "more than 4" in w] == often
    assert set(often) < set(repeating) == {"web", "code", "books"}
    table, warnings = done.stderr.split("prepcore: warning: ", 1)
    assert warnings.count("prepcore: warning: ") == 2
    lines = [line.split() for line in table.splitlines()[2:]]
    assert lines[0][:3] == ["web", "70.0%", "44,800"]
    assert lines[3][:3] == ["all", "100.0%", "64,000"]
    # Given again it writes the same; one source of its own in each --source is the same, too.
    again = [word for source in sources for word in ("--source", source)]
    prepcore_command("mix", *again, "--tokens", "64_000", "--out", out, "--quiet")
    assert json.loads(out.read_text()) == recipe
    assert (
        prepcore.mix(
            {"web": (folders / "web", 7), "code": (folders / "code", "2"), "books": (folders / "books", 1.0)},
            tokens=64_000,
            out=out,
        )
        == recipe
    )
    assert [path.name for path in out.parent.iterdir()] == ["recipe.json"]


@given(
    weights=st.lists(st.fractions(min_value=Fraction(1, 10**12), max_value=10**6), min_size=1, max_size=200),
    rows=st.sampled_from([1000, LONGEST_WALK, LONGEST_WALK + 1, 10**12]),
)
@settings(max_examples=60, deadline=None)
def test_weights_are_exact_unless_counting_would_take_long(weights: list[Fraction], rows: int) -> None:
    whole = whole_weights(weights, rows)
    shares = [weight / sum(weights) for weight in weights]
    off = [abs(Fraction(w, sum(whole)) - share) for w, share in zip(whole, shares, strict=True)]
    assert min(whole) >= 1
    if rows <= LONGEST_WALK:
        assert not any(off)
    else:
        assert max(off) <= Fraction(len(weights), LONGEST_WALK)
        assert not any(off) or sum(whole) < LONGEST_WALK + len(weights)


def test_a_source_that_gets_no_row_is_said(folders: Path, tmp_path: Path, prepcore_command: Run) -> None:
    sources = (f"web={folders / 'web'}:1", f"code={folders / 'code'}:1e-6")
    done = prepcore_command(
        *("mix", "--source", *sources, "--tokens", 640, "--out", tmp_path / "recipe.json")
    )
    assert done.stderr.startswith("prepcore: warning: code gets no row: its share is less than one; ")
    assert "0.0001%" in done.stdout


def test_a_recipe_is_read_back_and_knows_when_a_folder_changed(
    tmp_path: Path, pack: Any, prepcore_command: Run
) -> None:
    pack(tmp_path, "web", documents=60)
    pack(tmp_path, "code", documents=60)
    path = tmp_path / "recipe.json"
    sources = {name: (tmp_path / name, 1) for name in ("web", "code")}
    document = prepcore.mix(sources, tokens=1000, out=path)
    recipe = Recipe.read(path)
    assert recipe.document(document["program"]) == document
    recipe.check_unchanged()
    # Moved together, they are the same.
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("web", "code", "recipe.json"):
        (tmp_path / name).rename(moved / name)
    Recipe.read(moved / "recipe.json").check_unchanged()
    # Another row index beside the same tokens changes nothing; other tokens do.
    other = manifest(moved / "web")
    index = {"sequence_length": 32, "packing": "best-fit", "rows": 9, "checksum": "xxh3-128:1"}
    other["row_indexes"] = [index]
    (moved / "web" / "manifest.json").write_text(json.dumps(other))
    Recipe.read(moved / "recipe.json").check_unchanged()
    other["files"][0]["checksum"] = "xxh3-128:0"
    (moved / "web" / "manifest.json").write_text(json.dumps(other))
    with pytest.raises(
        UsageError, match=r"web, the source 'web' of .*recipe\.json, has changed(?s:.*)hint: "
    ):
        Recipe.read(moved / "recipe.json").check_unchanged()


def test_a_best_fit_folder_counts_the_rows_of_its_index(tmp_path: Path, pack: Any) -> None:
    pack(tmp_path, "web", documents=60)
    stated = manifest(tmp_path / "web")
    stated |= {"packing": "best-fit", "rows": 90}
    stated["row_indexes"] = [
        {"sequence_length": LENGTH, "packing": "best-fit", "rows": 90, "checksum": "xxh3-128:1"}
    ]
    (tmp_path / "web" / "manifest.json").write_text(json.dumps(stated))
    sources = {"web": (tmp_path / "web", 1)}
    recipe = prepcore.mix(sources, tokens=64, out=tmp_path / "recipe.json")
    assert recipe["sources"][0]["available_rows"] == 90
    with pytest.raises(
        UsageError, match=r"has no rows of 32 tokens packed best-fit, but of 64(?s:.*)hint: make"
    ):
        prepcore.mix(sources, tokens=64, out=tmp_path / "recipe.json", sequence_length=32)


def test_no_text_held_out_of_one_folder_is_in_the_training_of_another(folders: Path, tokenizer: Path) -> None:
    from tokenizers import Tokenizer

    library = Tokenizer.from_file(str(tokenizer / "tokenizer.json"))

    def texts(folder: Path, split: dict[str, Any]) -> set[str]:
        found = set()
        for file in split["files"]:
            ids = np.fromfile(folder / file["path"], dtype="<u2")
            ends = np.fromfile(folder / f"{file['path']}.index", dtype="<u8").astype(np.int64)
            found |= {library.decode(part.tolist()) for part in np.split(ids, ends[:-1])}
        return found

    names = ("web", "code", "books")
    training = {name: texts(folders / name, manifest(folders / name)) for name in names}
    held_out = {name: texts(folders / name, manifest(folders / name)["validation"]) for name in names}
    everything = {name: training[name] | held_out[name] for name in names}
    # The sources do share texts, some of which are held out.
    assert len(everything["web"] & everything["code"]) > 50
    assert held_out["web"] & held_out["code"]
    assert not set.union(*training.values()) & set.union(*held_out.values())


def test_folders_that_do_not_fit_together_are_refused_by_name(
    folders: Path, tmp_path: Path, pack: Any, prepcore_command: Run
) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({"text": "another text for another tokenizer " * 9}) + "\n")
    prepcore_command("tokenizer", other, "--vocabulary-size", 270, "--out", tmp_path / "other", "--quiet")
    for name, options, said in (
        ("foreign", ("--tokenizer", tmp_path / "other"), "different tokenizers, by fingerprint: xxh3-128:"),
        ("long", ("--sequence-length", 128), r"rows of different lengths: 64 in web, 128 in long"),
        ("all", ("--validation", 0), r"hold out different shares of their documents: 0.1 in web, 0.0 in all"),
        ("some", ("--validation", 0.2), r"0.1 in web, 0.2 in some"),
        ("bare", ("--bos", "none"), r"different ids for --bos: 0 in web, none in bare"),
        ("table", ("--format", "parquet"), "table holds rows in Parquet, a mixture wants token files"),
        ("long", ("--sequence-length", 10**6), None),
    ):
        folder = tmp_path / name
        if not folder.exists():
            pack(tmp_path, name, *options, documents=60)
        arguments = ("mix", "--source", f"web={folders / 'web'}:1", f"{name}={folder}:1", "--tokens", "1M")
        if said is None:
            arguments += ("--sequence-length", 10**6)
            said = r"web (.*) has no row of 1,000,000 tokens"
        done = prepcore_command(*arguments, "--out", tmp_path / "recipe.json", check=2)
        assert said.split("(")[0] in done.stderr, done.stderr
        assert "hint: " in done.stderr
        assert not (tmp_path / "recipe.json").exists()
    # A length for all makes the long one fit.
    prepcore_command(
        *("mix", "--source", f"web={folders / 'web'}:1", f"long={tmp_path / 'long'}:1"),
        *("--tokens", "1k", "--sequence-length", 32, "--out", tmp_path / "recipe.json"),
    )


def test_a_folder_of_which_nobody_knows_what_it_held_out_is_refused(tmp_path: Path, pack: Any) -> None:
    for name in ("web", "code"):
        pack(tmp_path, name, documents=60)
    stated = manifest(tmp_path / "code")
    del stated["configuration"]
    (tmp_path / "code" / "manifest.json").write_text(json.dumps(stated))
    sources = {name: (tmp_path / name, 1) for name in ("web", "code")}
    with pytest.raises(UsageError, match=r"how documents were held out of code .* is not known"):
        prepcore.mix(sources, tokens=1000, out=tmp_path / "recipe.json")


@pytest.mark.parametrize(
    ("sources", "tokens", "said"),
    [
        (["web"], "1k", "--source: 'web' is not NAME=DIR:WEIGHT"),
        (["web=DIR"], "1k", "is not NAME=DIR:WEIGHT"),
        (["web=DIR/web:0"], "1k", "--source: the weight is 0, wanted more than 0"),
        (["web=DIR/web:-1"], "1k", "'-1' is not a number such as 5B"),
        (["w b=DIR/web:1"], "1k", "'w b' is not a name"),
        (["web=DIR/web:1", "web=DIR/code:1"], "1k", "two sources are called web"),
        (["web=DIR/web:1", "net=DIR/web/../web:1"], "1k", "net and web are the same folder"),
        (["web=DIR/web:1"], "0", "--tokens: '0' is not a whole number of at least 1"),
        (["web=DIR/web:1"], "1.5", "--tokens: '1.5' is not a whole number"),
        (["web=DIR/none:1"], "1k", "/none to read tokens from"),
        (["web=DIR:1"], "1k", "is not a token folder: it has no manifest.json"),
    ],
)
def test_what_cannot_be_mixed(
    sources: list[str], tokens: str, said: str, folders: Path, tmp_path: Path, prepcore_command: Run
) -> None:
    written = [source.replace("DIR", str(folders), 1) for source in sources]
    out = tmp_path / "recipe.json"
    done = prepcore_command("mix", "--source", *written, "--tokens", tokens, "--out", out, check=2)
    assert said in done.stderr, done.stderr
    assert not out.exists()


def test_other_peoples_files_stay(folders: Path, tmp_path: Path, prepcore_command: Run) -> None:
    out = tmp_path / "precious.json"
    out.write_text('{"format": "mine"}')
    arguments = ("mix", "--source", f"web={folders / 'web'}:1", "--tokens", "1k", "--out", out)
    assert "is not the recipe of a mixture" in prepcore_command(*arguments, check=2).stderr
    assert out.read_text() == '{"format": "mine"}'


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "else"}, "is not the recipe of a mixture, which states the format 'prepcore.mixture'"),
        ({"format_version": 9}, "format version 9, this program reads 1"),
        ({"rows": None}, r"misstates 'rows' \(None, wanted a whole number of at least 1\)"),
        ({"rows": 0}, "misstates 'rows'"),
        ({"sources": []}, "misstates 'sources'"),
        ({"sources": [{"name": "web"}] * 2}, "each with a name of its own"),
        ({"sources": [{"name": "web"}]}, "lacks or misstates 'path'"),
    ],
)
def test_what_is_no_recipe_is_refused(
    change: dict[str, Any], said: str, folders: Path, tmp_path: Path
) -> None:
    path = tmp_path / "recipe.json"
    recipe = prepcore.mix({"web": (folders / "web", 1)}, tokens=1000, out=path)
    path.write_text(json.dumps({**recipe, **change}))
    with pytest.raises(UsageError, match=said):
        Recipe.read(path)


def test_a_configuration_file_holds_a_list_of_sources(
    folders: Path, tmp_path: Path, prepcore_command: Run
) -> None:
    out = tmp_path / "recipe.json"
    arguments = ("--source", f"web={folders / 'web'}:7", f"code={folders / 'code'}:3", "--tokens", "1k")
    printed = prepcore_command("mix", *arguments, "--out", out, "--print-config").stdout
    (tmp_path / "mix.yaml").write_text(printed)
    prepcore_command("mix", "--config", tmp_path / "mix.yaml", "--quiet")
    assert [source["weight"] for source in json.loads(out.read_text())["sources"]] == [7, 3]
