"""Options as fields of frozen dataclasses: `option` declares one, `options_of` lists a whole tree."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args, get_origin

MISSING = dataclasses.MISSING
"""The default of an option that must be given."""

OFF = "off"
"""The value that turns a group such as ``--rules.short-lines`` off."""


@dataclasses.dataclass(frozen=True)
class Option:
    """One option of a command: a leaf of its dataclass tree.

    Attributes
    ----------
    path
        Field names from the root, such as ``("rules", "short_lines", "min_lines")``.
    annotation
        The declared type.
    default
        The declared default, or `MISSING`.
    help
        One line, shown by ``--help`` and ``--print-config``.
    metavar
        What stands for the value in the help; empty for a flag.
    minimum, maximum
        The inclusive range of a number, or None.
    parse
        Own conversion of a value from the command line or from YAML; raises ValueError with a sentence.
    positional
        Whether the values are given without the option's name.
    repeated
        Whether it may be given several times, and take several words each time; all of them make one list.
    switch
        Whether this turns a group of options ``on`` or ``off`` rather than naming a field.
    """

    path: tuple[str, ...]
    annotation: Any
    default: Any
    help: str
    metavar: str = ""
    minimum: float | None = None
    maximum: float | None = None
    parse: Callable[[Any], Any] | None = None
    positional: bool = False
    repeated: bool = False
    switch: bool = False

    @property
    def name(self) -> str:
        """The name as users write it: ``rules.short-lines.min-lines``."""
        return ".".join(self.path).replace("_", "-")

    @property
    def key(self) -> str:
        """The name as Python writes it: ``rules.short_lines.min_lines``."""
        return ".".join(self.path)

    @property
    def required(self) -> bool:
        """Whether the command cannot run without a value."""
        return self.default is MISSING

    @property
    def flag(self) -> bool:
        """Whether the bare option means ``true``."""
        return self.annotation is bool

    @property
    def open_mapping(self) -> bool:
        """Whether any key may follow: ``--trainer.max-steps`` for a field ``trainer: dict[str, Any]``."""
        return get_origin(self.annotation) is dict

    @property
    def takes_text(self) -> bool:
        """Whether text is among the accepted values."""
        return self.annotation is str or (is_union(self.annotation) and str in get_args(self.annotation))

    @property
    def takes_whole_numbers(self) -> bool:
        """Whether a whole number, or none, is all that is accepted."""
        return self.annotation is int or (
            is_union(self.annotation) and set(get_args(self.annotation)) == {int, type(None)}
        )

    @property
    def words(self) -> tuple[str, ...]:
        """The words that are accepted, where nothing else is."""
        words = get_args(self.annotation) if get_origin(self.annotation) is Literal else ()
        return words if all(isinstance(word, str) for word in words) else ()

    @property
    def holds_list(self) -> bool:
        """Whether a list is among the accepted values, written ``1,2`` or ``[1, 2]`` on the command line."""
        members = get_args(self.annotation) if is_union(self.annotation) else (self.annotation,)
        return any(get_origin(member) in (list, tuple) for member in members)

    def wanted(self) -> str:
        """Say in words which values are accepted."""
        if self.switch:
            return f"{OFF} or on"
        return describe(self.annotation) + _describe_range(self.minimum, self.maximum)


def option(
    default: Any = MISSING,
    help: str = "",  # noqa: A002 - the word that argparse taught everybody
    *,
    metavar: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    parse: Callable[[Any], Any] | None = None,
    positional: bool = False,
    repeated: bool = False,
) -> Any:
    """Declare a dataclass field that is an option; see `Option` for the parameters.

    A list or dict default is copied for each instance. Without a default the option is required, and the
    field must come before those with one, or the dataclass be ``kw_only``.
    """
    settings = {
        "help": help,
        "metavar": metavar,
        "minimum": minimum,
        "maximum": maximum,
        "parse": parse,
        "positional": positional,
        "repeated": repeated,
    }
    if isinstance(default, list | dict):
        return dataclasses.field(default_factory=default.copy, metadata=settings)
    return dataclasses.field(default=default, metadata=settings)


def options_of(configuration: type, prefix: tuple[str, ...] = ()) -> Iterator[Option]:
    """List the options of a dataclass tree in the order of its fields, groups in place.

    Parameters
    ----------
    configuration
        A dataclass. A field whose type is a dataclass is a group; one whose type is a dataclass or
        ``Literal["off"]`` is a group with a switch in front, which is off where that is the default; any
        option of such a group turns it on.
    prefix
        Path of `configuration` in the tree.
    """
    annotations = typing.get_type_hints(configuration)
    for field in dataclasses.fields(configuration):
        path = (*prefix, field.name)
        annotation = annotations[field.name]
        group = group_of(annotation)
        if group is not None:
            if group is not annotation:
                purpose = (group.__doc__ or "").strip().partition("\n")[0].rstrip(".")
                state, other = (OFF, "on") if field.default == OFF else ("on", OFF)
                yield Option(path, annotation, state, f"turn {other} {purpose}", metavar=other, switch=True)
            yield from options_of(group, path)
            continue
        settings = dict(field.metadata)
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        # A flag that is on can only be turned off, which takes a word.
        own = "on|off" if default is True else _metavar(annotation)
        settings["metavar"] = settings.get("metavar") or own
        settings.setdefault("help", "")
        yield Option(path, annotation, default, **settings)


def group_of(annotation: Any) -> type | None:
    """Return the dataclass that a field's type holds, or None for a plain value."""
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        return annotation
    if is_union(annotation):
        members = [member for member in get_args(annotation) if dataclasses.is_dataclass(member)]
        if members and isinstance(members[0], type):
            return members[0]
    return None


def is_union(annotation: Any) -> bool:
    """Whether a type is written ``A | B`` or ``Union[A, B]``."""
    return get_origin(annotation) in (types.UnionType, typing.Union)


def describe(annotation: Any) -> str:
    """Say a type in words: ``int | None`` is *a whole number*."""
    if is_union(annotation):
        parts = [describe(member) for member in get_args(annotation) if member is not type(None)]
        return " or ".join(parts)
    if get_origin(annotation) is Literal:
        values = [str(value) for value in get_args(annotation)]
        return values[0] if len(values) == 1 else f"one of {', '.join(values)}"
    if get_origin(annotation) in (list, tuple) or annotation in (list, tuple):
        return "a list such as 1,2" if get_args(annotation)[:1] == (int,) else "a list such as a,b"
    if get_origin(annotation) is dict or annotation is dict:
        return "keys with values"
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    return words.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _describe_range(minimum: float | None, maximum: float | None) -> str:
    """Say an inclusive range in words, with a blank in front."""
    if minimum is not None and maximum is not None:
        return f" from {minimum:,} to {maximum:,}"
    if minimum is not None:
        return f" of at least {minimum:,}"
    return f" of at most {maximum:,}" if maximum is not None else ""


def _metavar(annotation: Any) -> str:
    """Return what stands for a value in the help when the field does not say."""
    if get_origin(annotation) is Literal:
        return "|".join(str(value) for value in get_args(annotation))
    if is_union(annotation):
        return "|".join(filter(None, (_metavar(m) for m in get_args(annotation) if m is not type(None))))
    return {int: "N", float: "X", bool: "", str: "TEXT"}.get(annotation, "VALUE")
