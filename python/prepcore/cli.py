"""The commands of ``prepcore``. Files go through the engine alone: no Polars, no torch."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from prepcore.arguments import Command, Program, UsageError, parse_size, printable
from prepcore.classifier.settings import ClassifierTrainingCommand
from prepcore.config import CleanCommand, PackCommand, TokenizerCommand
from prepcore.formats.commands import COMMANDS as CONVERT_COMMANDS
from prepcore.mixture.commands import COMMANDS as MIXTURE_COMMANDS
from prepcore.report.about import COMMAND as RULES
from prepcore.report.commands import COMMANDS
from prepcore.tokens.commands import COMMANDS as TOKEN_COMMANDS

USAGE_EXIT = 2
"""Exit code of what was found to be wrong before the work began."""

UNREADABLE_EXIT = 3
"""Exit code of a run that ended well but met more unreadable rows than ``--max-unreadable``."""

Summary = Callable[[Mapping[str, Any], str], str]


def clean(command: CleanCommand) -> int:
    """Run ``prepcore clean``."""
    from prepcore.report.summary import clean_summary, one_pass_summary

    return _run("clean", command, clean_summary if command.tokenizer is None else one_pass_summary)


def pack(command: PackCommand) -> int:
    """Run ``prepcore pack``."""
    from prepcore.report.summary import pack_summary

    return _run("pack", _with_places(command), pack_summary)


def tokenizer(command: TokenizerCommand) -> int:
    """Run ``prepcore tokenizer``."""
    from prepcore.report.summary import tokenizer_summary

    return _run("tokenizer", command, tokenizer_summary)


def classifier_train(command: ClassifierTrainingCommand) -> int:
    """Run ``prepcore classifier train``."""
    from prepcore.classifier.settings import ClassifierTraining
    from prepcore.classifier.summary import training_summary
    from prepcore.classifier.train import train_classifier
    from prepcore.progress import Progress

    settings = {entry.name: getattr(command, entry.name) for entry in fields(ClassifierTraining)}
    with Progress(quiet=command.quiet) as progress:
        manifest = train_classifier(
            command.inputs, against=command.against, out=command.out, progress=progress.callback, **settings
        )
    if command.json:
        sys.stdout.write(printable(json.dumps(manifest, ensure_ascii=False)) + "\n")
    if not command.quiet:
        text = printable(training_summary(manifest, command.out))
        (sys.stderr if command.json else sys.stdout).write(text)
    return 0


def _with_places(command: PackCommand) -> PackCommand:
    """Return the command with the folder it writes: a token folder alone is packed again where it lies.

    Raises
    ------
    UsageError
        When documents are to be packed without a tokenizer or a folder.
    """
    from prepcore.tokens.manifest import is_token_folder

    if len(command.inputs) == 1 and is_token_folder(command.inputs[0]):
        return replace(command, out=command.out or command.inputs[0])
    missing = [f"--{name}" for name in ("tokenizer", "out") if not getattr(command, name)]
    if missing and not any(map(is_token_folder, command.inputs)):
        hint = "only a token folder is packed again without them"
        raise UsageError(f"{', '.join(missing)} must be given", hint)
    return command


def _run(verb: str, command: CleanCommand | PackCommand | TokenizerCommand, summary: Summary) -> int:
    """Plan or run a verb, show what came of it, and return the exit code."""
    from prepcore import engine
    from prepcore.allocator import keep_freed_memory
    from prepcore.progress import Progress
    from prepcore.report.summary import waiting_summary

    if command.dry_run:
        planned = engine.plan(verb, command, command.inputs, command.out)
        _show_plan(planned, command)
        return 0
    keep_freed_memory(parse_size(command.memory))
    with _saying_how_to_go_on(command), Progress(quiet=command.quiet) as progress:
        outcome, document = engine.run(verb, command, command.inputs, command.out, progress.callback)
    if command.json:
        sys.stdout.write(printable(json.dumps(document, ensure_ascii=False)) + "\n")
    if outcome == "finished" and getattr(command, "report", False):
        from prepcore.report.after import leave_report

        leave_report(str(_ledger(document, command.out)))
    text = waiting_summary(document) if outcome == "waiting" else summary(document, command.out)
    if outcome == "finished_before":
        text = (
            f"{command.out} is finished already, with this input and these settings: nothing was done\n{text}"
        )
    if not command.quiet:
        # The summary is for people: it moves aside where the manifest is the answer.
        (sys.stderr if command.json else sys.stdout).write(printable(text))
    return _check_unreadable(document, command) if outcome == "finished" else 0


@contextmanager
def _saying_how_to_go_on(command: CleanCommand | PackCommand | TokenizerCommand) -> Iterator[None]:
    """After a run that ended early say, where that is so, that it can be given again."""
    out = command.out
    try:
        yield
    except BaseException as error:
        code = getattr(error, "exit_code", 1)
        if code != USAGE_EXIT and (Path(out) / ".unfinished").is_dir():
            # Given with it again, the run would start afresh again.
            but = " without --overwrite" if getattr(command, "overwrite", False) else ""
            sys.stderr.write(
                f"prepcore: what is finished stays in {printable(out)}; "
                f"the same command{but} goes on from there\n"
            )
        raise


def _show_plan(planned: dict[str, Any], command: CleanCommand | PackCommand | TokenizerCommand) -> None:
    from prepcore.report.summary import plan_summary

    if command.json:
        sys.stdout.write(printable(json.dumps(planned, ensure_ascii=False)) + "\n")
    else:
        sys.stdout.write(printable(plan_summary(planned, command.out)))


def _check_unreadable(
    manifest: Mapping[str, Any], command: CleanCommand | PackCommand | TokenizerCommand
) -> int:
    """Warn of empty input and of unreadable rows; more of these than allowed is exit code 3."""
    out = command.out
    if manifest.get("cleaning"):
        # What was read is told by the cleaning, whose output was packed; the rest has no tokens.
        folder = _ledger(manifest, out)
        not_packed = manifest["counts"]["unreadable"]
        if not_packed:
            text = f"{not_packed:,} documents could not be tokenised; {out}/unreadable.jsonl names each"
            sys.stderr.write(f"prepcore: warning: {printable(text)}\n")
        manifest, out = json.loads((folder / "manifest.json").read_bytes()), str(folder)
    counts = manifest.get("counts", manifest)
    read, unreadable = counts.get("documents", 0), counts.get("unreadable", 0)
    if not read:
        sys.stderr.write("prepcore: warning: the input has no rows, so the output has none\n")
    if not unreadable:
        return 0
    share = unreadable / read
    where = printable(f"{out}/unreadable.jsonl names each")
    if share <= command.max_unreadable:
        sys.stderr.write(f"prepcore: warning: {unreadable:,} of {read:,} rows could not be read; {where}\n")
        return 0
    sys.stderr.write(
        f"prepcore: {unreadable:,} of {read:,} rows could not be read ({share:.2%}), more than "
        f"--max-unreadable {command.max_unreadable:.2%}; {where}\n"
        "hint: the output is whole without these rows; raise --max-unreadable to accept that\n"
    )
    return UNREADABLE_EXIT


def _ledger(manifest: Mapping[str, Any], out: str) -> Path:
    """Return the cleaned folder of a run: the output, or what a token folder holds of the cleaning."""
    return Path(out, manifest.get("cleaning", "manifest.json")).parent


def _version() -> str:
    from prepcore import engine

    version: str = engine.core().version()
    return version


PROGRAM = Program(
    name="prepcore",
    summary="Raw text to packed training rows: clean and deduplicate, train a tokenizer, tokenise and pack.\n"
    "Any number of documents, in bounded memory; the same bytes again at any number of threads.",
    version=_version,
    examples="""
  prepcore clean raw.parquet --out cleaned
  prepcore tokenizer cleaned --vocabulary-size 32000 --out tokenizer
  prepcore pack cleaned --tokenizer tokenizer --sequence-length 2048 --out tokens
""",
    commands=(
        Command(
            name="clean",
            summary="drop short, repetitive and duplicate documents",
            description="Read documents, drop those that a rule or a model judges or that came before, and\n"
            "write the rest in their order, with reason, measured value and threshold of every one dropped.\n"
            "With --tokenizer the rest is packed in the same pass, as `prepcore pack` would pack it.",
            configuration=lambda: CleanCommand,
            run=clean,
            examples="""
  prepcore clean raw.parquet --out cleaned
  prepcore clean 'crawl/*.jsonl.gz' --text-column content --rules.short-lines.min-lines 5 --out cleaned
  prepcore clean src/ --rules.repetition off --format parquet --out code
  prepcore clean raw.parquet --language en,de --rules.redact on --rules.length.min-words 50 --out cleaned
  prepcore clean raw.parquet --where "year >= 2015 AND length(text) < 100000" --out cleaned
  prepcore clean raw.parquet --tokenizer tokenizer --sequence-length 4096 --validation 1% --out tokens
  prepcore clean raw.parquet --out cleaned --dry-run
""",
        ),
        Command(
            name="tokenizer",
            summary="train a byte-level BPE tokenizer",
            description="Learn a byte-level BPE vocabulary from documents. The folder is one that\n"
            "transformers.AutoTokenizer and `prepcore pack` load.",
            configuration=lambda: TokenizerCommand,
            run=tokenizer,
            examples="""
  prepcore tokenizer cleaned --vocabulary-size 32000 --out tokenizer
""",
        ),
        Command(
            name="pack",
            summary="tokenise documents into training rows of one length",
            description="Tokenise documents, join them and cut rows of --sequence-length tokens. Every\n"
            "token is accounted for: in a row, or left over and counted. A token folder as INPUT is given\n"
            "other rows, over the tokens it has.",
            configuration=lambda: PackCommand,
            run=pack,
            examples="""
  prepcore pack cleaned --tokenizer tokenizer --out tokens
  prepcore pack cleaned --tokenizer llama3/tokenizer.json --sequence-length 4096 --validation 1% --out tokens
  prepcore pack cleaned --tokenizer tokenizer --packing best-fit --order shuffled --seed 7 --out tokens
  prepcore pack tokens --sequence-length 8192 --packing best-fit
""",
        ),
        Command(
            name="classifier train",
            summary="train a classifier that tells good documents from others",
            description="Learn from documents to keep and documents to drop, measure on some of both that\n"
            "are kept from training, and suggest a threshold. With one thread the same documents give\n"
            "the same model. Needs the fastText library (extra `classifier`).",
            configuration=lambda: ClassifierTrainingCommand,
            run=classifier_train,
            examples="""
  prepcore classifier train textbooks/ --against 'crawl/*.jsonl.gz' --out quality.bin
  prepcore classifier train good.parquet --against bad.parquet --pool crawl/ --keep-rate 10% --out q.bin
""",
        ),
        *MIXTURE_COMMANDS,
        *COMMANDS,
        *TOKEN_COMMANDS,
        *CONVERT_COMMANDS,
        RULES,
    ),
)
