"""`prepcore report`, and the page that `prepcore clean` leaves."""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.prepcore import running
from tests.prepcore.seen import HOSTILE, NAME, clean, json_of, kept_text, prepcore, write

pytest.importorskip("prepcore._core", reason="the Rust extension is not built")

HARMLESS = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "section",
        "h1",
        "h2",
        "h3",
        "p",
        "div",
        "span",
    ),
    *(
        "b",
        "br",
        "i",
        "em",
        "code",
        "pre",
        "small",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "figure",
        "figcaption",
        "details",
    ),
    *("summary", "table", "thead", "tbody", "tr", "th", "td", "svg", "rect", "line", "text"),
}
"""Elements that fetch nothing and run nothing."""

ATTRIBUTES = {
    *(
        "lang",
        "charset",
        "http-equiv",
        "content",
        "name",
        "class",
        "role",
        "aria-label",
        "height",
        "width",
        "x",
        "y",
    ),
    *("x1", "x2", "y1", "y2", "rx", "dx", "text-anchor"),
}


class Page(HTMLParser):
    """What a page is made of: elements, attributes, text, the style."""

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.policy = ""
        self.style = ""
        self.text = ""
        self._open: list[str] = []
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if dict(attrs).get("http-equiv") == "Content-Security-Policy":
            self.policy = dict(attrs)["content"] or ""
        if tag not in ("meta", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["style"]:
            self.style += data
        else:
            self.text += data


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("report") / "raw")


@pytest.fixture(scope="module")
def out(raw: Path) -> Path:
    return clean(raw, raw.parent / "out")


def counts_of(out: Path) -> dict[str, int]:
    counts: dict[str, int] = running.manifest(out)["counts"]
    return counts


def test_the_waterfall_ends_with_what_is_kept(out: Path) -> None:
    facts, counts = json_of("report", out), running.manifest(out)["counts"]
    left = counts["documents"] - counts["unreadable"]
    for step in facts["waterfall"]:
        left -= counts["dropped"][step["reason"]]
        assert (step["dropped"], step["left"]) == (counts["dropped"][step["reason"]], left)
    assert left == counts["kept"] == facts["kept"]
    assert [step["reason"] for step in facts["waterfall"]] == [
        *("few_lines", "short_lines", "repeated_paragraphs", "repeated_chars", "duplicate")
    ]


def test_a_program_reads_plain_tables(out: Path) -> None:
    done = prepcore("report", out)
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert done.stdout.isascii()
    counts = counts_of(out)
    rows = [line.split() for line in done.stdout.splitlines()]
    dropped = running.manifest(out)["counts"]["dropped"]["few_lines"]
    few = next(row for row in rows if row[:2] == ["short_lines:", "few_lines"])
    assert (few[2], few[-3:]) == (f"-{dropped}", ["at", "least", "3"])
    assert any(row[:2] == ["kept", str(counts["kept"])] for row in rows)
    assert any(row[:1] == ["map"] for row in rows)


def test_histograms_hold_every_value_and_the_threshold(out: Path) -> None:
    facts = json_of("report", out)
    dropped = running.manifest(out)["counts"]["dropped"]
    assert set(facts["measured"]) == {"few_lines", "short_lines", "repeated_paragraphs"}
    for reason, histogram in facts["measured"].items():
        assert sum(histogram["dropped"]) == dropped[reason]
        assert sum(histogram["kept"]) == facts["kept_measured"] > 0
        assert histogram["edges"] == sorted(histogram["edges"])
        check = next(check for check in facts["checks"] if check["reason"] == reason)
        assert histogram["threshold"] == check["threshold"]
        # The border parts what was kept from what was dropped, bin by bin.
        first, second = ("kept", "dropped") if check["wanted"] == "at_most" else ("dropped", "kept")
        for place, (low, high) in enumerate(itertools.pairwise(histogram["edges"])):
            assert not (high <= histogram["border"] and histogram[second][place]), (reason, place)
            assert not (low >= histogram["border"] and histogram[first][place]), (reason, place)


def test_the_page_names_the_worst_rule_its_threshold_and_examples(out: Path) -> None:
    page = Page((out / "report.html").read_text(encoding="utf-8"))
    dropped = running.manifest(out)["counts"]["dropped"]
    worst = max(dropped, key=lambda reason: dropped[reason])
    assert f"Most went for {worst}: {dropped[worst]:,}" in page.text
    assert "lines is less than the threshold, 3" in page.text
    examples = json_of("report", out)["examples"]
    assert {reason: len(of) for reason, of in examples.items()} == {
        reason: min(3, count) for reason, count in dropped.items() if count
    }
    for of_reason in examples.values():
        for example in of_reason:
            assert f"{example['file']} row {example['row']}" in page.text
            assert example["excerpt"].split("\n")[0].split("\x1b")[0] in page.text
    assert f"same as {NAME} row 10" in page.text
    assert page.text.count("few_lines") >= 3


def test_nothing_in_the_page_is_at_work_or_fetched(out: Path) -> None:
    content = (out / "report.html").read_text(encoding="utf-8")
    page = Page(content)
    assert page.elements <= HARMLESS, page.elements - HARMLESS
    assert page.attributes <= ATTRIBUTES, page.attributes - ATTRIBUTES
    assert not re.search(r"url\(|@import|https?:", page.style)
    own = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert page.policy == f"default-src 'none'; style-src 'sha256-{own}'; base-uri 'none'; form-action 'none'"
    # The hostile document is there, as text; of control characters nothing but their numbers is.
    assert HOSTILE.split("\x1b")[0] in page.text
    assert "U+001B" in page.text
    assert "U+202E" in page.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", content)
    assert "prefers-color-scheme: dark" in page.style
    assert "max-width: 40rem" in page.style


def test_the_page_says_what_each_rule_is_and_which_settings_are_not_the_default(
    raw: Path, tmp_path: Path
) -> None:
    out = clean(raw, tmp_path / "out", "--rules.short-lines.min-lines", 2)
    content = (out / "report.html").read_text(encoding="utf-8")
    page = Page(content)
    for rule in json_of("report", out)["about"]:
        assert (f"Why: {rule['why'][:20]}".replace("`", "") in page.text) == (
            rule["name"] in ("short_lines", "repetition")
        )
    changed = re.findall(r'<tr class="changed"><td >([^<]*)</td><td >([^<]*)</td><td >([^<]*)', content)
    assert ("rules.short-lines.min-lines", "2", "3") in changed


def test_only_report_and_run_may_differ(raw: Path, out: Path, tmp_path: Path) -> None:
    without = clean(raw, tmp_path / "without", "--report", "off")
    assert not (without / "report.html").exists()
    assert running.digests(without) == running.digests(out)
    prepcore("report", without, "--html", tmp_path / "page.html")
    assert Page((tmp_path / "page.html").read_text(encoding="utf-8")).policy


def test_a_run_that_leaves_a_report_imports_nothing_heavy(raw: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from prepcore.cli import PROGRAM; code = PROGRAM.main(sys.argv[1:]);"
        "print(sorted({'polars', 'torch', 'rich', 'numpy', 'pyarrow'} & set(sys.modules))); sys.exit(code)"
    )
    words = ["clean", str(raw), "--out", str(tmp_path / "out"), "--quiet", "--max-unreadable", "1"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert (tmp_path / "out" / "report.html").is_file()


def test_two_folders_are_compared(raw: Path, out: Path, tmp_path: Path) -> None:
    strict = clean(raw, tmp_path / "strict", "--rules.short-lines.min-lines", 5, "--rules.repetition", "off")
    compared = json_of("report", out, strict)
    assert compared["settings_that_differ"]["rules.short-lines.min-lines"] == [3, 5]
    done = prepcore("report", out, strict)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["rules.short-lines.min-lines", "3", "5"] in rows
    kept = [counts_of(folder)["kept"] for folder in (out, strict)]
    row = next(row for row in rows if row[:1] == ["kept"])
    assert [row[1], row[3]] == [str(count) for count in kept]
    assert next(row for row in rows if row[:1] == ["repeated_paragraphs"])[3:] == ["-", "-"]
    same = prepcore("report", out, out)
    assert "none" in same.stdout


def test_an_interrupted_run_says_what_its_numbers_cover(tmp_path: Path) -> None:
    raw = running.folder_of_parts(tmp_path / "raw", 6)
    out = tmp_path / "out"
    running.kill_once_finished(2, out, raw, *running.ANY)
    running.clean(raw, "--out", out, *running.ANY, "--quiet")
    facts = json_of("report", out)
    found = facts["run"]["parts"]["found_finished"]
    assert found >= 2
    assert "interrupted 1 time and gone on with" in facts["covers"]
    assert f"the one that finished it found {found} parts finished" in facts["covers"]
    assert facts["covers"] in Page((out / "report.html").read_text(encoding="utf-8")).text
    whole = clean(raw, tmp_path / "whole", "--memory", running.MEMORY)
    assert "one process did it without a stop" in prepcore("report", whole).stdout


def test_what_is_far_into_a_file_is_not_read_for_an_example(tmp_path: Path) -> None:
    line = json.dumps({"text": "\n".join(f"line {n} of a text of some length" for n in range(3000))}) + "\n"
    member = gzip.compress(line.encode() * 500)
    first = json.dumps({"text": "few"}) + "\n"
    last = json.dumps({"text": "a\nb\nc"}) + "\n"
    source = tmp_path / "far.jsonl.gz"
    # Twice as much lies between the two documents as is read for examples.
    source.write_bytes(gzip.compress(first.encode()) + member * 3 + gzip.compress(last.encode()))
    out = clean(source, tmp_path / "out", "--dedup", "off")
    examples = json_of("report", out)["examples"]
    assert examples["few_lines"][0]["excerpt"] == "few"
    assert examples["short_lines"][0]["excerpt"] is None
    assert "further into its file" in examples["short_lines"][0]["missing"]
    assert "further into its file" in Page((out / "report.html").read_text(encoding="utf-8")).text
    assert json_of("explain", out, "--file", "far.jsonl.gz", "--row", 1501)["text"] == "a\nb\nc"


def test_an_input_that_is_gone_takes_the_examples_alone(tmp_path: Path) -> None:
    source = tmp_path / "raw.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in ("short", kept_text(1))))
    out = clean(source, tmp_path / "out")
    source.unlink()
    prepcore("report", out, "--html", tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "The text was not read: " in page.text
    assert "not there any more" in page.text
    assert "measured 1, threshold 3" in page.text


def test_documents_that_were_kept_beside_the_ledger_need_no_input(tmp_path: Path) -> None:
    source = write(tmp_path / "raw")
    out = clean(source, tmp_path / "out", "--keep-dropped")
    before = json_of("report", out)["examples"]
    source.rename(tmp_path / "gone")
    assert json_of("report", out)["examples"] == before
    drawn = [
        json.loads(line)
        for line in prepcore(
            "sample", out, "--reason", "few_lines", "--number", 100, "--json"
        ).stdout.splitlines()
    ]
    texts = {document["text"] for document in drawn}
    assert None not in texts
    assert HOSTILE in texts


def test_rewriting_is_counted(tmp_path: Path) -> None:
    source = tmp_path / "raw.jsonl"
    texts = [f"{kept_text(n)}\nwrite to a{n}@mail.example.org or b{n}@mail.example.org" for n in range(4)]
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    out = clean(source, tmp_path / "out", "--rules.redact", "on")
    assert json_of("report", out)["rewritten"]["redact.email"] == 8
    assert ["redact.email", "8"] in [line.split() for line in prepcore("report", out).stdout.splitlines()]
    assert "redact.email" in Page((out / "report.html").read_text(encoding="utf-8")).text


def test_an_empty_input_has_a_report(tmp_path: Path) -> None:
    (tmp_path / "raw.jsonl").write_text("")
    out = clean(tmp_path / "raw.jsonl", tmp_path / "out")
    assert "Of 0 documents 0 were kept" in Page((out / "report.html").read_text(encoding="utf-8")).text
    assert prepcore("report", out).stdout


def test_a_report_that_cannot_be_written_is_a_warning(raw: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from prepcore.report import page\n"
        "def refuse(*_): raise OSError(28, 'No space left on device')\n"
        "page.page = refuse\n"
        "from prepcore.cli import PROGRAM; sys.exit(PROGRAM.main(sys.argv[1:]))"
    )
    words = ["clean", str(raw), "--out", str(tmp_path / "out"), "--quiet", "--max-unreadable", "1"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert "report.html was not written: [Errno 28] No space left on device\nhint: " in done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if "report" in path.name) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["RAW"], "has no manifest.json"),
        (["OUT", "OUT", "OUT"], "3 folders were named"),
        (["OUT", "OUT", "--html", "x.html"], "--html has no effect on a comparison"),
    ],
)
def test_mistakes_are_refused(raw: Path, out: Path, words: list[str], said: str) -> None:
    places = {"RAW": str(raw), "OUT": str(out)}
    assert said in prepcore("report", *(places.get(word, word) for word in words), code=2).stderr
