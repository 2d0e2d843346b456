"""YAML configuration files: found by path or preset, read key by key, written with comments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from prepcore.arguments.errors import UsageError, nearest
from prepcore.arguments.options import OFF, Option


def find(name: str, presets: Mapping[str, Path]) -> Path:
    """Return the file that ``--config name`` means: a path that exists, else a preset.

    Raises
    ------
    UsageError
        When it is neither.
    """
    path = Path(name)
    if path.is_file():
        return path
    if name in presets:
        return presets[name]
    guess = nearest(name, presets)
    if guess:
        raise UsageError(f"--config: there is no file or preset {name!r}", f"did you mean {guess}?")
    known = f"presets are {', '.join(presets)}" if presets else "give the path of a YAML file"
    raise UsageError(f"--config: there is no file {name!r}", known)


def read(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds keys with values.

    Raises
    ------
    UsageError
        When it cannot be read, is not YAML, or holds something else; with line and column where known.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" line {mark.line + 1}, column {mark.column + 1}:" if mark else ""
        raise UsageError(f"{path}:{where} not YAML: {error.problem}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UsageError(f"{path}: holds {type(content).__name__}, not keys with values such as 'threads: 2'")
    return content


def leaves(
    content: Mapping[Any, Any], known: Mapping[str, Option], prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """List the dotted keys of nested mappings with their values.

    A mapping is opened where options lie below it; of an option that is an open mapping, each key is a leaf.
    """
    for key, value in content.items():
        dotted = f"{prefix}{key}"
        python_key = dotted.replace("-", "_")
        below = any(other.startswith(python_key + ".") for other in known)
        option = known.get(python_key)
        if isinstance(value, Mapping) and option is not None and option.open_mapping:
            yield from ((f"{dotted}.{subkey}", inner) for subkey, inner in value.items())
        elif isinstance(value, Mapping) and below:
            yield from leaves(value, known, dotted + ".")
        else:
            yield dotted, value


def write(options: Sequence[Option], values: Mapping[str, Any]) -> str:
    """Lay the values out as YAML in the order of the options, with the help of each as a comment."""
    lines: list[str] = []
    open_groups: tuple[str, ...] = ()
    off = [option.path for option in options if option.switch and values[option.key] == OFF]
    for option in options:
        inside = next(
            (path for path in off if option.path[: len(path)] == path and option.path != path), None
        )
        if inside or option.key not in values or (option.switch and option.path not in off):
            continue
        groups = option.path[:-1]
        shared = 0
        while shared < min(len(groups), len(open_groups)) and groups[shared] == open_groups[shared]:
            shared += 1
        lines += [f"{'  ' * depth}{_hyphens(groups[depth])}:" for depth in range(shared, len(groups))]
        open_groups = groups
        indent = "  " * len(groups)
        comment = f"  # {option.help}" if option.help else ""
        lines.append(f"{indent}{_hyphens(option.path[-1])}: {_value(values[option.key])}{comment}")
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    """One value on one line of YAML."""
    import yaml

    plain = list(value) if isinstance(value, tuple) else value
    text = ""
    # Read back, U+0085 and its like are line breaks in YAML unless they are escaped, as everything then is.
    for readable in (True, False):
        text = yaml.safe_dump(plain, default_flow_style=True, width=10**6, allow_unicode=readable)
        text = text.removesuffix("\n").removesuffix("\n...")
        if text.isprintable():
            break
    return text


def _hyphens(name: str) -> str:
    return name.replace("_", "-")
