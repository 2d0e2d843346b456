"""A program with commands: choose one, configure and run it, turn what is raised into exit codes."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from prepcore.arguments.errors import UsageError, nearest
from prepcore.arguments.help import command_help, program_help
from prepcore.arguments.options import options_of
from prepcore.arguments.parser import Parser
from prepcore.arguments.terminal import printable


class Terminated(BaseException):
    """SIGTERM arrived; raised in the main thread like KeyboardInterrupt, and ends the program with 143."""


@dataclass(frozen=True)
class Command:
    """One command of a program.

    Attributes
    ----------
    name
        The word on the command line, or two: ``classifier train``.
    summary
        One line for the program's help.
    configuration
        Returns the configuration dataclass; called when the command is chosen, so it may import.
    run
        Does the work and returns the exit code.
    description
        One paragraph for the command's own help; the summary when empty.
    examples
        Lines printed in the help as they stand.
    presets
        Returns the names that ``--config`` accepts beside paths.
    """

    name: str
    summary: str
    configuration: Callable[[], type]
    run: Callable[[Any], int]
    description: str = ""
    examples: str = ""
    presets: Callable[[], Mapping[str, Path]] = field(default=dict)


@dataclass(frozen=True)
class Program:
    """A program and its commands.

    Attributes
    ----------
    name
        What users type: ``prepcore`` or ``python -m trainer``.
    summary
        One paragraph for the help.
    version
        Returns the version; called only when it is asked for.
    commands
        In the order of the help.
    examples
        Lines printed in the help as they stand.
    """

    name: str
    summary: str
    version: Callable[[], str]
    commands: Sequence[Command]
    examples: str = ""

    def main(self, words: Sequence[str] | None = None) -> int:
        """Run the command that `words` (the process's own by default) ask for and return the exit code.

        Exit codes: 0 done, 1 failed while running, 2 wrong usage, 3 done with too many unreadable rows,
        130 and 143 stopped by SIGINT and SIGTERM. Errors of this project carry theirs as ``exit_code``;
        anything else is a bug and keeps its traceback.
        """
        _catch_terminate()
        words = list(sys.argv[1:] if words is None else words)
        try:
            code = self._dispatch(words)
            sys.stdout.flush()
            return code
        except KeyboardInterrupt:
            return self._complain("stopped by SIGINT", 130)
        except Terminated:
            return self._complain("stopped by SIGTERM", 143)
        except BrokenPipeError:
            # The reader of standard output went away (`| head`): not worth a traceback, also not at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except Exception as error:
            error_code = getattr(error, "exit_code", None)
            if not isinstance(error_code, int):
                raise
            return self._complain(f"error: {error}", error_code)

    def _dispatch(self, words: list[str]) -> int:
        """Choose the command; the program's own options are ``--help`` and ``--version``."""
        if not words or words[0] in ("-h", "--help", "help"):
            table = [(command.name, command.summary) for command in self.commands]
            text = program_help(self.name, self.summary, table, self.examples)
            # Without a word the help is an answer to a mistake: it goes where errors go.
            return _print(text, sys.stdout) if words else _print(text, sys.stderr, code=2)
        if words[0] in ("--version", "-V"):
            return _print(f"{self.name.split()[-1]} {self.version()}\n", sys.stdout)
        for command in self.commands:
            name = command.name.split()
            if words[: len(name)] == name:
                return self._run(command, words[len(name) :])
        beginning = [command.name for command in self.commands if command.name.split()[0] == words[0]]
        typed = " ".join(words[: 2 if beginning else 1])
        guess = nearest(typed, beginning or [command.name for command in self.commands])
        hint = f"did you mean {self.name} {guess}?" if guess else f"{self.name} --help lists the commands"
        raise UsageError(f"{typed!r} is not a command", hint)

    def _run(self, command: Command, words: list[str]) -> int:
        """Answer ``--help``, ``--version`` and ``--print-config``, or run the command."""
        own = words[: words.index("--")] if "--" in words else words
        program = f"{self.name} {command.name}"
        if "--help" in own or "-h" in own:
            options = list(options_of(command.configuration()))
            return _print(
                command_help(program, command.description or command.summary, options, command.examples),
                sys.stdout,
            )
        if "--version" in own:
            return _print(f"{self.name.split()[-1]} {self.version()}\n", sys.stdout)
        parser: Parser[Any] = Parser(command.configuration(), program, command.presets())
        flags = ("--print-config", "--print_config")
        if any(flag in own for flag in flags):
            return _print(
                parser.configuration_text([word for word in words if word not in flags]), sys.stdout
            )
        return command.run(parser.parse(words))

    def _complain(self, message: str, code: int) -> int:
        """Write a message to standard error and return `code`."""
        return _print(f"{self.name.split()[-1]}: {message}\n", sys.stderr, code)


def _print(text: str, stream: TextIO, code: int = 0) -> int:
    stream.write(printable(text))
    return code


def _catch_terminate() -> None:
    """Make SIGTERM raise `Terminated`, unless somebody handles it already or this is not the main thread."""
    if threading.current_thread() is not threading.main_thread() or os.name == "nt":
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _raise_terminated)


def _raise_terminated(_signal: int, _frame: object) -> None:
    raise Terminated
