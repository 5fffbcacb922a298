"""YAML read with the place of every key and value, and with what could hurt refused before it is built: pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import yaml

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 24
MAX_VALUES = 1_000_000

Path = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Mistake:
    """One thing wrong in the file: where, what, and how to mend it."""

    line: int
    column: int
    field: str  # agents.support-triage.owners.business
    message: str
    remedy: str = ""
    file: str = "aiops.yml"

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{where}: {self.field + ': ' if self.field else ''}{self.message}{'. ' + self.remedy if self.remedy else ''}"


class BadFile(Exception):
    """The registry cannot be taken as it is; `mistakes` names everything found, in the order of the file."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        self.mistakes = sorted(set(mistakes))
        super().__init__("\n".join(map(str, self.mistakes)))


@dataclass
class Marked:
    """Plain values, and where each key and value stands (line and column, from 1)."""

    value: Any
    file: str
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def place(self, path: Path, *, key: bool = False) -> tuple[int, int]:
        """Where a path stands, or the nearest thing around it."""
        for length in range(len(path), -1, -1):
            found = (self.keys if key else self.values).get(path[:length])
            found = found or self.keys.get(path[:length]) or self.values.get(path[:length])
            if found:
                return found
        return (1, 1)

    def mistake(self, path: Path, message: str, remedy: str = "", *, key: bool = False) -> Mistake:
        line, column = self.place(path, key=key)
        return Mistake(line, column, dotted(path), message, remedy, self.file)


def dotted(path: Path) -> str:
    """`ladders.standard[2].call`."""
    told = ""
    for part in path:
        told += f"[{part}]" if isinstance(part, int) else f".{part}" if told else str(part)
    return told


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the C one where the wheel has it
    """Only YAML 1.2's plain types: no sexagesimal 10:30, no `no` that means false, no dates."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}


def plain_resolvers(kind: Any) -> None:
    """Teach a loader or dumper what is a number, true, nothing or `<<` when it stands without quotes."""
    for tag, form, first in (
        ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", [*"tTfF"]),
        ("int", r"^[-+]?[0-9]+$", [*"-+0123456789"]),
        ("float", r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?$", [*"-+.0123456789"]),
        ("null", r"^(?:~|null|Null|NULL|)$", [*"~nN", ""]),
        ("merge", r"^<<$", ["<"]),
    ):
        kind.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(form), first)


plain_resolvers(_Loader)


def read_marked(text: str | bytes, file: str = "aiops.yml") -> Marked:
    """The document with its places. Raises BadFile where it is not YAML at all, or too large or deep to be a registry.

    Duplicate keys and foreign tags are kept as mistakes, so that the rest of the file is still looked at.
    """
    if len(text) > MAX_BYTES:
        raise BadFile([Mistake(0, 0, "", f"the file is larger than {MAX_BYTES >> 20} MiB", "Split the fleet over several deployments", file)])
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = bytes(error.object[: error.start]).count(b"\n") + 1
            raise BadFile([Mistake(line, 1, "", "this is not UTF-8 text", "Save the file as UTF-8", file)]) from error
    try:
        _measure(text, file)
        root = yaml.compose(text, Loader=_Loader)
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1 if isinstance(error.position, int) else 1
        code = error.character if isinstance(error.character, int) else ord(str(error.character)[:1] or "\0")
        raise BadFile([Mistake(line, 1, "", f"the character U+{code:04X} may not stand in YAML", "Remove it", file)]) from error
    except yaml.MarkedYAMLError as error:
        raise BadFile([_broken(error, text, file)]) from error
    marked = Marked({}, file)
    if root is not None:
        marked.value = _Builder(marked).build(root, ())
    return marked


def _measure(text: str, file: str) -> None:
    """Walk the events, which need no stack, before anything is composed, which does."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_Loader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH or count > MAX_VALUES * 2:
            mark = event.start_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            said = f"nested more than {MAX_DEPTH} deep" if depth > MAX_DEPTH else f"more than {MAX_VALUES:,} values"
            raise BadFile([Mistake(line, column, "", said, "A registry is never this large: look at the indentation", file)])


def _broken(error: yaml.MarkedYAMLError, text: str, file: str) -> Mistake:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = text.splitlines()
    here = lines[line - 1] if line <= len(lines) else ""
    problem = (error.problem or "this is not YAML").removeprefix("but ")
    if "\t" in here[: len(here) - len(here.lstrip())] or here[column - 1 : column] == "\t":
        column = here.index("\t") + 1
        return Mistake(line, column, "", "a tab stands where YAML allows only spaces", "Indent with spaces", file)
    remedy = {
        "mapping values are not allowed": "Put text that holds `: ` in quotes, and look at the indentation",
        "did not find expected key": "Look at the indentation of this line and the one above",
        "expected <block end>": "Look at the indentation of this line and the one above",
        "did not find expected ',' or": "Close the bracket, or put a comma between the entries",
        "found undefined alias": "Define it with & before it is used with *",
        "cannot start any token": "Put text that begins with @, `, % or * in quotes, such as \"@ai-leads\"",
        "unexpected end of stream": "Close the quotes",
        "expected a single document": "Keep one document: remove the line ---",
    }
    hint = next((words for sign, words in remedy.items() if sign in f"{problem} {error.context or ''}"), "")
    return Mistake(line, column, "", f"broken YAML: {problem}", hint, file)


class _Builder:
    """Plain values from nodes; counts what aliases multiply, and stops at those that hold themselves."""

    def __init__(self, marked: Marked) -> None:
        self.marked = marked
        self.count = 0
        self.open: set[int] = set()

    def build(self, node: yaml.Node, path: Path) -> Any:
        self.count += 1
        self.marked.values.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        if self.count > MAX_VALUES:
            raise BadFile([self._at(node, path, f"aliases make this file hold more than {MAX_VALUES:,} values", "Write the parts out, or share less")])
        if id(node) in self.open:
            raise BadFile([self._at(node, path, "an alias holds itself", "Remove it")])
        if len(path) > MAX_DEPTH:
            raise BadFile([self._at(node, path, f"nested more than {MAX_DEPTH} deep", "A registry is never this deep: look at the aliases")])
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self.open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                self._own_tag(node, path, "seq")
                return [self.build(each, (*path, i)) for i, each in enumerate(node.value)]
            if isinstance(node, yaml.MappingNode):
                self._own_tag(node, path, "map")
                return self._mapping(node, path)
            raise TypeError(f"a YAML node of an unknown kind: {type(node).__name__}")
        finally:
            self.open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        built: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self.marked.mistakes.append(self._at(key_node, path, "a key must be plain text", "Write `name: value`"))
                continue
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in lines:
                twice = f"the key {key!r} stands twice here (first in line {lines[key]})"
                self.marked.mistakes.append(self._at(key_node, (*path, key), twice, "Keep one of them"))
                continue
            lines[key] = line
            self.marked.keys[(*path, key)] = (line, key_node.start_mark.column + 1)
            built[key] = self.build(value_node, (*path, key))
        for part in self._merged(node, path):
            for key, value in part.items():
                built.setdefault(key, value)
        return built

    def _merged(self, node: yaml.MappingNode, path: Path) -> Iterator[dict[str, Any]]:
        for key_node, value_node in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                for part in value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]:
                    built = self.build(part, path)
                    if isinstance(built, dict):
                        yield built
                    else:
                        self.marked.mistakes.append(self._at(part, path, "`<<` takes over the keys of a mapping, and this is none", "Point it at a mapping"))

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        text = str(node.value)
        if re.search("[\0\ud800-\udfff]", text):
            self.marked.mistakes.append(self._at(node, path, "a character here cannot be stored (U+0000 or half a surrogate pair)", "Remove it"))
            return ""
        if kind in ("str", "merge"):
            return text
        if kind == "null":
            return None
        try:
            if kind == "bool":
                return text.lower() == "true"
            if kind == "int":
                return int(text)
            if kind == "float":
                return float(text)
        except ValueError:
            self.marked.mistakes.append(self._at(node, path, f"{text[:40]!r} is not a number that can be read", "Write fewer digits"))
            return None
        self._own_tag(node, path, "str")
        return text

    def _own_tag(self, node: yaml.Node, path: Path, kind: str) -> None:
        if node.tag not in (f"tag:yaml.org,2002:{kind}", "!"):
            self.marked.mistakes.append(self._at(node, path, f"the tag {node.tag.replace('tag:yaml.org,2002:', '!!')} has no meaning here", "Remove it"))

    def _at(self, node: yaml.Node, path: Path, message: str, remedy: str) -> Mistake:
        return Mistake(node.start_mark.line + 1, node.start_mark.column + 1, dotted(path), message, remedy, self.marked.file)
