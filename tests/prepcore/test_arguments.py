"""The option language: words and YAML in, checked dataclasses or one plain sentence out."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prepcore.arguments import (
    Command,
    Parser,
    Program,
    UsageError,
    check_size,
    option,
    parse_amount,
    parse_count,
    parse_list,
    parse_share,
    parse_size,
)
from prepcore.arguments.program import Terminated


@dataclass(frozen=True)
class Edges:
    """edges that are too short."""

    min_length: int = option(3, "fewest characters", minimum=1)
    softness: float = option(0.5, "how soft", minimum=0, maximum=1)


@dataclass(frozen=True)
class Shape:
    """what is drawn."""

    edges: Edges | Literal["off"] = field(default_factory=Edges)


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Draw."""

    pictures: list[str] = option(help="pictures to draw", metavar="PICTURE…", positional=True)
    out: str = option(help="folder to write", metavar="DIR")
    threads: int | None = option(None, "worker threads", minimum=1)
    colour_mode: Literal["plain", "full"] = option("plain", "how many colours")
    bright: bool = option(False, "more light")
    layers: list[int] | Literal["middle"] = option("middle", "layers to keep")
    share: float = option(0.1, "share to draw", parse=parse_share)
    title: str | None = option(None, "what stands above")
    frame: list[str] = option([], "what stands around, in order", parse=parse_list, repeated=True)
    shape: Shape = field(default_factory=Shape)
    extra: dict[str, Any] = option({}, "handed on as it is")


def parse(*words: str) -> Drawing:
    return Parser(Drawing, program="draw", presets={}).parse(["a.png", "--out", "d", *words])


def refusal(*words: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(*words)
    return str(caught.value)


def test_defaults_come_from_the_dataclass() -> None:
    assert parse() == Drawing(pictures=["a.png"], out="d")


@pytest.mark.parametrize("name", ["--shape.edges.min-length", "--shape.edges.min_length"])
def test_hyphens_and_underscores_name_the_same_option(name: str) -> None:
    assert parse(name, "7").shape.edges == Edges(min_length=7)
    assert parse(f"{name}=7").shape.edges == Edges(min_length=7)


def test_a_bare_flag_takes_no_word_away_from_what_follows() -> None:
    drawing = parse("--bright", "b.png")
    assert drawing.bright
    assert drawing.pictures == ["a.png", "b.png"]
    assert parse("--bright", "false", "b.png").bright is False


def test_after_two_hyphens_every_word_is_positional() -> None:
    assert parse("--", "--out", "--config").pictures == ["a.png", "--out", "--config"]


def test_text_stays_text_and_negative_numbers_are_values() -> None:
    assert parse("--title", "123").title == "123"
    assert parse("--title", "-5").title == "-5"
    assert parse("--title", "true").title == "true"
    assert parse("--layers", "[1, -2]").layers == [1, -2]


def test_lists_are_written_with_commas() -> None:
    assert parse("--layers", "0,1,5").layers == [0, 1, 5]


def test_an_option_that_repeats_takes_words_until_the_next_option() -> None:
    drawing = parse("--frame", "oak", "gold", "--colour-mode", "full", "--frame=pine", "--bright", "b.png")
    assert drawing.frame == ["oak", "gold", "pine"]
    assert drawing.pictures == ["a.png", "b.png"]


def test_the_command_line_replaces_the_list_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "frame.yaml").write_text("frame: [oak, pine]\n")
    words = ("--config", str(tmp_path / "frame.yaml"))
    assert parse(*words).frame == ["oak", "pine"]
    assert parse(*words, "--frame", "gold").frame == ["gold"]


def test_an_open_mapping_takes_any_key() -> None:
    assert parse("--extra.max-steps", "5", "--extra.fast=true").extra == {"max_steps": 5, "fast": True}


def test_a_group_is_turned_off_and_on() -> None:
    assert parse("--shape.edges", "off").shape.edges == "off"
    assert parse("--shape.edges", "off", "--shape.edges", "on").shape.edges == Edges()
    message = refusal("--shape.edges", "off", "--shape.edges.min-length", "4")
    assert message == (
        "--shape.edges.min-length has no effect, as shape.edges is off\n"
        "hint: --shape.edges on turns it on again"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--threads", "x"], "--threads: 'x' is not a whole number of at least 1"),
        (["--threads", "0"], "--threads: 0 is not a whole number of at least 1"),
        (["--threads", "1.5"], "--threads: '1.5' is not a whole number of at least 1"),
        (["--threads"], "--threads needs a value: a whole number of at least 1"),
        (["--threads", "--bright"], "--threads needs a value: a whole number of at least 1"),
        (["--colour-mode", "ful"], "--colour-mode: 'ful' is not one of plain, full"),
        (["--shape.edges.softness", "nan"], "--shape.edges.softness: 'nan' is not a number from 0 to 1"),
        (["--share", "7"], "--share: '7' is not a share from 0 to 1, such as 0.05 or 5%"),
        (["--bright=maybe"], "--bright: 'maybe' is not true or false"),
        (["--layers", "1,b"], "--layers: '1,b' is not a list such as 1,2 or middle"),
        (["--thread", "2"], "--thread is not known\nhint: did you mean --threads?"),
        (["--min-length", "2"], "--min-length is not known\nhint: did you mean --shape.edges.min-length?"),
        (["--zzz", "2"], "--zzz is not known\nhint: draw --help lists the options"),
        (["--config"], "--config needs a value: a YAML file"),
        (["--config", "no.yaml"], "--config: there is no file 'no.yaml'\nhint: give the path of a YAML file"),
    ],
)
def test_mistakes_are_answered_with_option_value_and_range(words: list[str], message: str) -> None:
    assert refusal(*words) == message


def test_what_is_required_is_named() -> None:
    with pytest.raises(UsageError, match=r"PICTURE…, --out must be given"):
        Parser(Drawing, program="draw").parse([])


def test_the_command_line_wins_over_files_and_later_files_over_earlier(tmp_path: Path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(
        "threads: 2\nshape:\n  edges:\n    min-length: 5\n    softness: 1e-1\nextra: {a: 1, b-c: 2}\n"
    )
    second.write_text("threads: 3\nshape: {edges: {min_length: 6}}\nextra: {a: 3}\ncolour-mode: full\n")
    files = ["--config", str(first), f"--config={second}"]
    drawing = parse("--threads", "4", *files)
    assert drawing.threads == 4
    assert drawing.shape.edges == Edges(min_length=6, softness=0.1)
    assert drawing.extra == {"a": 3, "b_c": 2}
    assert drawing.colour_mode == "full"


def test_a_rule_off_in_a_file_is_off(tmp_path: Path) -> None:
    path = tmp_path / "off.yaml"
    for word in ("off", "'off'", "false"):
        path.write_text(f"shape: {{edges: {word}}}\n")
        assert parse("--config", str(path)).shape.edges == "off"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("thread: 2", "key 'thread' is not known\nhint: did you mean threads?"),
        ("shape: {edge: {min-length: 2}}", "key 'shape.edge' is not known\nhint: did you mean shape.edges?"),
        ("threads: two", "threads: 'two' is not a whole number of at least 1"),
        ("threads: [", "line 1, column 11: not YAML"),
        ("[1]", "holds list, not keys with values"),
        ("title: 5", "title: 5 is not text"),
    ],
)
def test_mistakes_in_files_name_the_file_and_the_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    answer = refusal("--config", str(path))
    assert answer.startswith(str(path))
    assert message in answer


def test_presets_are_names_for_files(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("threads: 9\n")
    parser = Parser(Drawing, program="draw", presets={"large": tmp_path / "p.yaml"})
    assert parser.parse(["a", "--out", "b", "--config", "large"]).threads == 9
    with pytest.raises(UsageError, match="did you mean large"):
        parser.parse(["a", "--out", "b", "--config", "larg"])


@settings(deadline=None, max_examples=60)
@given(
    threads=st.none() | st.integers(1, 99),
    colour=st.sampled_from(["plain", "full"]),
    bright=st.booleans(),
    layers=st.just("middle") | st.lists(st.integers(-9, 9)),
    title=st.none() | st.text(),
    softness=st.floats(0, 1),
    off=st.booleans(),
    extra=st.dictionaries(st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True), st.integers() | st.text()),
)
def test_what_print_config_prints_reads_back_the_same(tmp_path_factory: Any, **values: Any) -> None:
    words = ["a b.png", "--out", "d: 1", f"--colour-mode={values['colour']}", f"--bright={values['bright']}"]
    words.append(f"--shape.edges.softness={values['softness']}")
    if values["off"]:
        words[-1] = "--shape.edges=off"
    if values["threads"]:
        words.append(f"--threads={values['threads']}")
    words.append(f"--layers={values['layers']}")
    parser = Parser(Drawing, program="draw")
    before = parser.parse(words)
    object.__setattr__(before, "title", values["title"])
    object.__setattr__(before, "extra", values["extra"])
    from prepcore.arguments import configuration_file

    flat = {o.key: _value_at(before, o.path) for o in parser.options}
    path = tmp_path_factory.mktemp("config") / "printed.yaml"
    path.write_text(configuration_file.write(parser.options, flat), encoding="utf-8")
    assert parser.parse(["--config", str(path)]) == before


def _value_at(drawing: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if drawing == "off":
            return None
        drawing = getattr(drawing, name)
    return drawing


@given(st.floats(0, 100))
def test_a_share_is_a_number_or_a_percentage(percent: float) -> None:
    assert parse_share(f"{percent}%") == pytest.approx(percent / 100)
    assert parse_share(percent / 100) == percent / 100


@pytest.mark.parametrize("text", ["", "%", "-1", "101%", "nan", "x", True])
def test_what_is_no_share_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        parse_share(text)


@pytest.mark.parametrize(
    ("text", "size"), [("1GiB", 2**30), ("512 MB", 512 * 10**6), ("1.5kib", 1536), (7, 7), ("7b", 7)]
)
def test_sizes_have_decimal_and_binary_units(text: Any, size: int) -> None:
    assert parse_size(text) == size
    assert check_size(text) == str(text)


@pytest.mark.parametrize("text", ["", "GiB", "-1MB", "0", "1 parsec", "nan", "1e9"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("5B", Fraction(5 * 10**9)),
        ("1.5e9", Fraction(15 * 10**8)),
        ("300 M", Fraction(3 * 10**8)),
        ("2_000", Fraction(2000)),
        ("0.7", Fraction(7, 10)),
        ("70%", Fraction(7, 10)),
        (".5T", Fraction(5 * 10**11)),
        (0.1, Fraction(1, 10)),
        (1e-06, Fraction(1, 10**6)),
    ],
)
def test_amounts_are_exact(text: Any, amount: Fraction) -> None:
    assert parse_amount(text) == amount


@pytest.mark.parametrize("text", ["", "B", "-1", "1/3", "1e9999", "5 apples", "nan", "inf", "1.2.3", "5%%"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number such as 5B"):
        parse_amount(text)


def test_counts_are_whole() -> None:
    assert parse_count("1.5k") == 1500
    for wrong in ("0", "0.5", "1.5", "1e30"):
        with pytest.raises(ValueError, match="is not a whole number of at least 1"):
            parse_count(wrong)


def test_lists_of_names() -> None:
    assert parse_list("a, b") == parse_list(["a", "b"]) == ["a", "b"]
    for wrong in ("a,,b", "", 5, ["a", 1]):
        with pytest.raises(ValueError, match="not a list of names"):
            parse_list(wrong)


class BrokenPenError(Exception):
    exit_code = 1


def run(drawing: Drawing) -> int:
    if drawing.title == "fail":
        raise BrokenPenError("the pen broke")
    if drawing.title == "interrupt":
        raise KeyboardInterrupt
    if drawing.title == "terminate":
        raise Terminated
    print(drawing.pictures)
    return 3 if drawing.bright else 0


PROGRAM = Program(
    name="draw",
    summary="Draw pictures.",
    version=lambda: "1.2.3",
    commands=[
        Command("picture", "draw one", lambda: Drawing, run, examples="\n  draw picture a.png --out d\n")
    ],
)


@pytest.mark.parametrize(
    ("words", "code", "out", "err"),
    [
        ("picture a --out d", 0, "['a']", ""),
        ("picture a --out d --bright", 3, "['a']", ""),
        ("picture a --out d --title fail", 1, "", "draw: error: the pen broke"),
        ("picture a --out d --title interrupt", 130, "", "draw: stopped by SIGINT"),
        ("picture a --out d --title terminate", 143, "", "draw: stopped by SIGTERM"),
        ("picture", 2, "", "draw: error: PICTURE…, --out must be given"),
        ("pictur", 2, "", "hint: did you mean draw picture?"),
        ("", 2, "", "commands:\n  picture      draw one"),
        ("--help", 0, "commands:\n  picture      draw one", ""),
        ("--version", 0, "draw 1.2.3", ""),
        ("picture --version", 0, "draw 1.2.3", ""),
        ("picture --help", 0, "examples:\n  draw picture a.png --out d\n", ""),
        ("picture --print-config --threads 3", 0, "threads: 3  # worker threads", ""),
    ],
)
def test_a_program_answers_on_the_right_stream_with_the_right_code(
    capsys: pytest.CaptureFixture[str], words: str, code: int, out: str, err: str
) -> None:
    assert PROGRAM.main(words.split()) == code
    printed = capsys.readouterr()
    assert out in printed.out
    assert err in printed.err
    assert bool(out) == bool(printed.out)
    assert bool(err) == bool(printed.err)


def test_help_lists_each_option_once_and_stays_narrow(capsys: pytest.CaptureFixture[str]) -> None:
    PROGRAM.main(["picture", "--help"])
    text = capsys.readouterr().out
    assert text.startswith("usage: draw picture PICTURE… --out DIR [options]\n")
    assert "--shape.edges.min-length N" in text
    assert "_" not in text
    assert text.count("--threads") == 1
    assert max(map(len, text.splitlines())) <= 100


def test_help_needs_no_parser_library() -> None:
    code = (
        "import sys; from prepcore.cli import PROGRAM; PROGRAM.main(['clean', '--help']);"
        "print(sorted({'jsonargparse', 'polars', 'torch', 'rich', 'yaml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
