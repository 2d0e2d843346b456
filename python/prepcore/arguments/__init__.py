"""The command line and configuration language of `prepcore` and `trainer`.

A command is described by one tree of frozen dataclasses whose fields are made with `option`. From that tree
come the options (``--rules.short-lines.min-lines 3``), the YAML keys of ``--config FILE`` (the same names),
the help text, ``--print-config`` and the checked configuration object. Values are converted to the declared
types by `jsonargparse`, which is imported only when there is something to convert.

Examples
--------
>>> from dataclasses import dataclass
>>> from prepcore.arguments import Parser, option
>>> @dataclass(frozen=True)
... class Greeting:
...     '''Greet somebody.'''
...     name: str = option("world", "whom to greet")
...     times: int = option(1, "how often", minimum=1)
>>> Parser(Greeting, program="greet").parse(["--times", "2"])
Greeting(name='world', times=2)
"""

from prepcore.arguments.errors import UsageError
from prepcore.arguments.options import MISSING, Option, option, options_of
from prepcore.arguments.parser import Parser
from prepcore.arguments.program import Command, Program
from prepcore.arguments.quantities import (
    check_size,
    parse_amount,
    parse_count,
    parse_list,
    parse_share,
    parse_size,
)
from prepcore.arguments.terminal import printable

__all__ = [
    "MISSING",
    "Command",
    "Option",
    "Parser",
    "Program",
    "UsageError",
    "check_size",
    "option",
    "options_of",
    "parse_amount",
    "parse_count",
    "parse_list",
    "parse_share",
    "parse_size",
    "printable",
]
