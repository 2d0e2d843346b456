"""Help texts: what a command is for, how it is typed, then a line an option."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prepcore.arguments.options import Option

_COLUMN = 36
"""Where the explanations start; a longer option puts its own on the next line."""

_WIDTH = 100
"""The length of a line: that of the examples, so that these are not broken."""

COMMON = (
    ("--config FILE", "read options from YAML; repeatable, the later wins, the command line wins over all"),
    ("--print-config", "print the resolved options as YAML and stop"),
    ("--help", "print this text"),
)
"""The options that every command has."""


def command_help(program: str, description: str, options: Sequence[Option], examples: str = "") -> str:
    """Lay out the help of one command.

    Parameters
    ----------
    program
        Program and command, such as ``prepcore clean``.
    description
        One paragraph.
    options
        In the order of the dataclass tree.
    examples
        Printed as they stand.
    """
    positional = [option for option in options if option.positional]
    required = [option for option in options if option.required and not option.positional]
    usage = [program, *(option.metavar for option in positional)]
    usage += [f"--{option.name} {option.metavar}" for option in required]
    blocks = ["usage: " + " ".join([*usage, "[options]"]), description.strip()]
    if examples:
        blocks.append("examples:\n" + examples.strip("\n"))
    if positional:
        blocks.append("\n".join(_line(option.metavar, option.help) for option in positional))
    named = [option for option in options if not option.positional]
    blocks.append("options:\n" + "\n".join(_option_line(option) for option in named))
    blocks.append("\n".join(_line(left, right) for left, right in COMMON))
    return "\n\n".join(blocks) + "\n"


def program_help(program: str, summary: str, commands: Iterable[tuple[str, str]], examples: str = "") -> str:
    """Lay out the help of a program: its commands with a line each."""
    lines = [f"usage: {program} COMMAND …", summary.strip()]
    if examples:
        lines.append("examples:\n" + examples.strip("\n"))
    table = list(commands)
    width = max(12, *(len(name) for name, _ in table))
    lines.append("commands:\n" + "\n".join(f"  {name:<{width}} {text}" for name, text in table))
    lines.append(f"'{program} COMMAND --help' lists the options; --version prints the version")
    return "\n\n".join(lines) + "\n"


def _option_line(option: Option) -> str:
    """Lay out one option: name, metavar, explanation, default."""
    left = f"--{option.name} {option.metavar}".rstrip()
    return _line(left, f"{option.help}{_default(option)}")


def _default(option: Option) -> str:
    """Return the default in brackets, where it says something that the explanation does not."""
    if option.required:
        return " (required)"
    if option.switch or (option.flag and not option.default) or option.default in (None, "", [], {}):
        return ""
    value = ",".join(map(str, option.default)) if isinstance(option.default, list | tuple) else option.default
    return f" ({'on' if value is True else value})"


def _line(left: str, right: str) -> str:
    """Lay out two columns; a left part that is too long has a line of its own."""
    import textwrap

    indent = " " * _COLUMN
    first = f"  {left}\n{indent}" if len(left) + 4 > _COLUMN else f"  {left:<{_COLUMN - 2}}"
    return first + f"\n{indent}".join(textwrap.wrap(right, _WIDTH - _COLUMN))
