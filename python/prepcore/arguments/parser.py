"""From command-line words and YAML files to a checked configuration object.

Both are first split into assignments (option, value, where it stood), files before the command line, so that
an error names the option, the file and the value, whatever is wrong. Values are then converted to the
declared types by `jsonargparse`.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from prepcore.arguments import configuration_file
from prepcore.arguments.errors import UsageError, nearest
from prepcore.arguments.options import MISSING, OFF, Option, group_of, options_of

if TYPE_CHECKING:
    import jsonargparse

Configuration = TypeVar("Configuration")

_WORD = 2**63
"""What whole numbers lie below, in the engine and in most files."""

_SWITCH_WORDS = {"on": True, "off": False, "true": True, "false": False, "yes": True, "no": False}


@dataclasses.dataclass(frozen=True)
class Assignment:
    """A value for an option, as it was written.

    Attributes
    ----------
    option
        The option that is set.
    value
        Text from the command line, or any YAML value.
    place
        Where it stood, for messages: ``--threads`` or ``run.yaml: threads``.
    subkey
        The key within an option that is an open mapping, or empty.
    from_file
        Whether YAML has given the value its type; words are read as YAML only if the option is not text.
    """

    option: Option
    value: Any
    place: str
    subkey: str = ""
    from_file: bool = False


class Parser(Generic[Configuration]):
    """Reads one command's configuration.

    Parameters
    ----------
    configuration
        The dataclass to make; its fields come from `prepcore.arguments.option`.
    program
        Program and command, for messages.
    presets
        Names that ``--config`` accepts beside paths, with their files.
    """

    def __init__(
        self,
        configuration: type[Configuration],
        program: str,
        presets: Mapping[str, Path] | None = None,
    ) -> None:
        self.configuration = configuration
        self.program = program
        self.presets = dict(presets or {})
        self.options = list(options_of(configuration))
        self._by_key = {option.key: option for option in self.options}
        self._converters: dict[str, jsonargparse.ArgumentParser] = {}

    def parse(self, words: Sequence[str]) -> Configuration:
        """Return the configuration that `words` and the files they name describe.

        Raises
        ------
        UsageError
            For an unknown option or key, a value of the wrong type or out of range, or a missing option.
        """
        values = self.values(words)
        missing = [
            option
            for option in self.options
            if option.required and values.get(option.key, MISSING) is MISSING
        ]
        if missing:
            names = ", ".join(
                option.metavar if option.positional else f"--{option.name}" for option in missing
            )
            raise UsageError(f"{names} must be given", f"{self.program} --help shows how")
        made: Configuration = self._build(self.configuration, values, ())
        return made

    def values(self, words: Sequence[str]) -> dict[str, Any]:
        """Return the value of each option by its key, without those that are required and not given."""
        values = {o.key: _fresh(o.default) for o in self.options if not o.required}
        places: dict[str, str] = {}
        files, rest = _split_configuration_files(words)
        for assignment in [*self._file_assignments(files), *self._word_assignments(rest)]:
            key = assignment.option.key
            value = self._convert(assignment)
            if assignment.option.open_mapping:
                value = {**values.get(key, {}), **value}
            elif _gathers(assignment.option) and places.get(key) == assignment.place:
                value = [*values[key], *value]
            values[key] = value
            places[key] = assignment.place
        self._settle_switches(values, places)
        return values

    def check(self, values: Mapping[str, Any]) -> Configuration:
        """Return the configuration of the values by key, held to the rules that hold for those of a file.

        Raises
        ------
        UsageError
            As `parse`; for a configuration that Python made and nothing has checked yet.
        """
        checked = {
            key: value
            if value == OFF and self._by_key[key].switch
            else self._convert(
                Assignment(
                    self._by_key[key],
                    list(value) if isinstance(value, tuple) else value,
                    self._by_key[key].name,
                    from_file=True,
                )
            )
            for key, value in values.items()
        }
        made: Configuration = self._build(self.configuration, checked, ())
        return made

    def configuration_text(self, words: Sequence[str]) -> str:
        """Return what ``--print-config`` prints: YAML that ``--config`` reads back to the same values."""
        return configuration_file.write(self.options, self.values(words))

    # Words and files to assignments.

    def _word_assignments(self, words: Sequence[str]) -> Iterator[Assignment]:
        """Split the command line; a bare flag means true, a bare word belongs to the positional option."""
        positional = next((option for option in self.options if option.positional), None)
        position = 0
        only_positional = False
        while position < len(words):
            word = words[position]
            position += 1
            if word == "--" and not only_positional:
                only_positional = True
                continue
            if only_positional or not _is_option(word):
                if positional is None:
                    raise UsageError(f"{word!r} is not an option", f"{self.program} --help lists the options")
                yield Assignment(positional, [word], positional.metavar)
                continue
            name, has_value, value = word[2:].partition("=")
            option, subkey = self._find(name, f"--{name}")
            place = f"--{option.name}" + (f".{subkey.replace('_', '-')}" if subkey else "")
            following = words[position] if position < len(words) else None
            if (
                not has_value
                and option.flag
                and (following is None or following.lower() not in _SWITCH_WORDS)
            ):
                value = "true"
            elif not has_value:
                if following is None or _is_option(following):
                    raise UsageError(f"{place} needs a value: {option.wanted()}")
                value = following
                position += 1
            yield Assignment(option, value, place, subkey)
            while option.repeated and position < len(words) and not _is_option(words[position]):
                yield Assignment(option, words[position], place)
                position += 1

    def _file_assignments(self, names: Iterable[str]) -> Iterator[Assignment]:
        """Read the files in order; keys are options' names with hyphens or underscores."""
        for name in names:
            path = configuration_file.find(name, self.presets)
            for key, value in configuration_file.leaves(configuration_file.read(path), self._by_key):
                option, subkey = self._find(key, f"{path}: key '{key}'")
                yield Assignment(option, value, f"{path}: {key}", subkey, from_file=True)

    def _find(self, name: str, place: str) -> tuple[Option, str]:
        """Look an option up by a name with hyphens or underscores."""
        key = name.replace("-", "_")
        if key in self._by_key:
            return self._by_key[key], ""
        for option in self.options:
            if option.open_mapping and key.startswith(option.key + "."):
                return option, key[len(option.key) + 1 :]
        guess = nearest(name.replace("_", "-"), [option.name for option in self.options])
        dashes = "--" if place.startswith("--") else ""
        raise UsageError(
            f"{place} is not known",
            f"did you mean {dashes}{guess}?" if guess else f"{self.program} --help lists the options",
        )

    # Assignments to values.

    def _convert(self, assignment: Assignment) -> Any:
        """Convert one value to its declared type and check its range."""
        option, value = assignment.option, assignment.value
        if option.switch:
            # YAML reads a bare `off` as false.
            word = str(value).lower()
            if word not in _SWITCH_WORDS:
                raise UsageError(f"{assignment.place}: {_shown(value)} is not {option.wanted()}")
            return "on" if _SWITCH_WORDS[word] else OFF
        if option.parse is not None:
            if value is None or value == "null":
                return None
            try:
                return option.parse(value)
            except ValueError as error:
                raise UsageError(f"{assignment.place}: {error}") from error
        converted = self._convert_by_type(assignment)
        numbers = isinstance(converted, int | float) and not isinstance(converted, bool)
        if numbers and (
            converted != converted
            or (option.minimum is not None and converted < option.minimum)
            or (option.maximum is not None and converted > option.maximum)
        ):
            raise UsageError(f"{assignment.place}: {converted} is not {option.wanted()}")
        if isinstance(converted, int) and not -_WORD <= converted < _WORD:
            raise UsageError(f"{assignment.place}: {converted} is not {option.wanted()} and below 2^63")
        return converted

    def _convert_by_type(self, assignment: Assignment) -> Any:
        """Let `jsonargparse` convert to the annotation; its own messages are long, so they are replaced.

        It takes a fifth of a second to import, which plain words and whole numbers need not wait for.
        """
        option, value = assignment.option, assignment.value
        if isinstance(value, str) and (
            option.annotation is str or (assignment.from_file and option.takes_text)
        ):
            return value
        if assignment.from_file and assignment.subkey:
            return {assignment.subkey: value}
        if isinstance(value, str) and not assignment.subkey:
            if option.flag and value.lower() in _SWITCH_WORDS:
                return _SWITCH_WORDS[value.lower()]
            if option.takes_whole_numbers and value.isascii() and value.isdigit():
                return int(value)
            if value in option.words:
                return value
        if option.annotation == list[str] and isinstance(value, list) and all(map(_is_text, value)):
            return value
        import jsonargparse

        converter = self._converters.get(option.key)
        if converter is None:
            converter = jsonargparse.ArgumentParser(exit_on_error=False, add_help=False, allow_abbrev=False)
            converter.add_argument(f"--{option.key}", type=option.annotation)
            self._converters[option.key] = converter
        try:
            if isinstance(value, str):
                name = f"{option.key}.{assignment.subkey}" if assignment.subkey else option.key
                if option.holds_list and "," in value and not value.startswith("["):
                    value = f"[{value}]"
                namespace = converter.parse_args([f"--{name}={value}"], defaults=False)
            else:
                whole = {assignment.subkey: value} if assignment.subkey else value
                namespace = converter.parse_object({option.key: whole}, defaults=False)
        except (jsonargparse.ArgumentError, ValueError) as error:
            raise UsageError(
                f"{assignment.place}: {_shown(assignment.value)} is not {option.wanted()}"
            ) from error
        return namespace[option.key]

    def _settle_switches(self, values: dict[str, Any], places: Mapping[str, str]) -> None:
        """Turn on the groups that are off by default and of which an option is given.

        One that was turned off by the user would have no effect, in silence: that is refused.
        """
        for switch in self.options:
            if not switch.switch or values[switch.key] != OFF:
                continue
            given = [key for key in places if key.startswith(switch.key + ".")]
            if given and switch.key in places:
                raise UsageError(
                    f"{places[given[0]]} has no effect, as {switch.name} is {OFF}",
                    f"--{switch.name} on turns it on again",
                )
            if given:
                values[switch.key] = "on"

    def _build(self, made: type, values: Mapping[str, Any], prefix: tuple[str, ...]) -> Any:
        """Make the dataclass tree out of the values by key."""
        annotations = typing.get_type_hints(made)
        arguments: dict[str, Any] = {}
        for field in dataclasses.fields(made):
            path = (*prefix, field.name)
            group = group_of(annotations[field.name])
            key = ".".join(path)
            if group is None:
                arguments[field.name] = values[key]
            elif values.get(key) == OFF:
                arguments[field.name] = OFF
            else:
                arguments[field.name] = self._build(group, values, path)
        try:
            return made(**arguments)
        except ValueError as error:
            # A dataclass checks in __post_init__ what concerns several of its fields at once.
            raise UsageError(str(error)) from error


def _split_configuration_files(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Take ``--config FILE`` out of the command line, so that files come first in any order of words."""
    files: list[str] = []
    rest: list[str] = []
    remaining = iter(words)
    for word in remaining:
        if word == "--":
            rest += [word, *remaining]
        elif word == "--config":
            name = next(remaining, None)
            if name is None:
                raise UsageError("--config needs a value: a YAML file")
            files.append(name)
        elif word.startswith("--config="):
            files.append(word.removeprefix("--config="))
        else:
            rest.append(word)
    return files, rest


def _gathers(option: Option) -> bool:
    """Whether the values of one option add up where it is given several times in the same place."""
    return option.positional or option.repeated


def _is_text(value: Any) -> bool:
    """Whether a value is text."""
    return isinstance(value, str)


def _is_option(word: str) -> bool:
    """Whether a word names an option: a negative number or a lone hyphen does not."""
    return word.startswith("--") and len(word) > 2


def _shown(value: Any) -> str:
    """Return a value for a message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"


def _fresh(default: Any) -> Any:
    """Copy a mutable default."""
    return default.copy() if isinstance(default, list | dict) else default
