"""Small checks that block shapes are made of: each looks at one value and notes what Slack would refuse."""

import re
from collections.abc import Callable, Mapping
from typing import Any

Field = Callable[["Problems", Any, str], None]
Spec = Mapping[str, Field]  # "name!" is required, "name" may be left out; anything else is unknown


class Problems(list[str]):
    """What is wrong, each with the JSON pointer of its place, as Slack words it."""

    def add(self, message: str, at: str) -> None:
        self.append(f"{message} [json-pointer:{at}]")


def shape(problems: Problems, value: Any, at: str, spec: Spec, *, kind: str = "") -> bool:
    """An object with these fields and no others; `kind` is its own `type`."""
    if not isinstance(value, dict):
        problems.add("must be an object", at)
        return False
    before = len(problems)
    if kind:
        spec = {"type!": one_of(kind), **spec}
    names = {name.rstrip("!"): name for name in spec}
    for name, full in names.items():
        if full.endswith("!") and value.get(name) is None:
            problems.add(f"missing required field: {name}", at)
    for key, inner in value.items():
        if key not in names:
            problems.add(f"invalid additional property: {key}", f"{at}/{key}")
        elif inner is not None:
            spec[names[key]](problems, inner, f"{at}/{key}")
    return len(problems) == before


def string(most: int, least: int = 1) -> Field:
    def check(problems: Problems, value: Any, at: str) -> None:
        if not isinstance(value, str):
            problems.add("must be a string", at)
        elif len(value) > most:
            problems.add(f"must be less than {most + 1} characters", at)
        elif len(value) < least:
            problems.add(f"must be more than {least - 1} characters", at)

    return check


def pattern(expression: str, words: str) -> Field:
    compiled = re.compile(expression)

    def check(problems: Problems, value: Any, at: str) -> None:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            problems.add(f"must be {words}", at)

    return check


def boolean(problems: Problems, value: Any, at: str) -> None:
    if not isinstance(value, bool):
        problems.add("must be a boolean", at)


def whole(least: int, most: int) -> Field:
    def check(problems: Problems, value: Any, at: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            problems.add("must be an integer", at)
        elif value < least:
            problems.add(f"must be greater than or equal to {least}", at)
        elif value > most:
            problems.add(f"must be less than or equal to {most}", at)

    return check


def number(problems: Problems, value: Any, at: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        problems.add("must be a number", at)


def anything(problems: Problems, value: Any, at: str) -> None:
    """Slack takes it as it is."""


def one_of(*allowed: str) -> Field:
    def check(problems: Problems, value: Any, at: str) -> None:
        if value not in allowed:
            problems.add(f"must be one of: {', '.join(allowed)}", at)

    return check


def array(item: Field, least: int, most: int) -> Field:
    def check(problems: Problems, value: Any, at: str) -> None:
        if not isinstance(value, list):
            problems.add("must be an array", at)
            return
        if len(value) > most:
            problems.add(f"no more than {most} items allowed", at)
        elif len(value) < least:
            problems.add(f"no less than {least} items allowed", at)
        else:
            for position, inner in enumerate(value):
                item(problems, inner, f"{at}/{position}")

    return check


def obj(spec: Spec, *, kind: str = "") -> Field:
    def check(problems: Problems, value: Any, at: str) -> None:
        shape(problems, value, at, spec, kind=kind)

    return check


def text(most: int, *kinds: str) -> Field:
    """A text object: `plain_text` or `mrkdwn`, never empty."""
    allowed = kinds or ("plain_text", "mrkdwn")

    def check(problems: Problems, value: Any, at: str) -> None:
        if not isinstance(value, dict):
            problems.add("must be an object", at)
        elif value.get("type") not in allowed:
            problems.add(f"must be one of: {', '.join(allowed)}", f"{at}/type")
        else:
            extra = "emoji" if value["type"] == "plain_text" else "verbatim"
            shape(problems, value, at, {"text!": string(most), extra: boolean}, kind=value["type"])

    return check


def plain(most: int) -> Field:
    return text(most, "plain_text")


def by_type(specs: Mapping[str, Spec], allowed: tuple[str, ...] = ()) -> Field:
    """One of several shapes, told apart by `type`."""

    def check(problems: Problems, value: Any, at: str) -> None:
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(value, dict):
            problems.add("must be an object", at)
        elif kind is None:
            problems.add("missing required field: type", at)
        elif kind not in specs or (allowed and kind not in allowed):
            problems.add(f"unsupported type: {kind}", f"{at}/type")
        else:
            shape(problems, value, at, specs[kind], kind=kind)

    return check
