"""The short way of a run: it takes nothing that the model would refuse, and reads everything as the model does."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.intake.events import EXAMPLES, Money, RunEvent, RunInput, Tokens
from bot.intake.runs import Money as PlainMoney
from bot.intake.runs import Run, as_run, plain_run
from bot.intake.runs import RunInput as PlainInput
from bot.intake.runs import Tokens as PlainTokens

PLAIN = {name: value for name, value in EXAMPLES["run"].items() if value is not None}
TIMES = st.one_of(
    st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat()),
    st.sampled_from(["2026-11-20T08:00:00Z", "2026-11-20t08:00:00.123456789z", "2026-11-20 08:00:00+05:30", "2026-11-20T08:00:00", "2026-11-20T08:00:60Z", "0001-01-01T00:00:00+14:00", ""]),
)
TEXTS = st.one_of(st.text(max_size=5), st.sampled_from(["x" * 64, "x" * 65, "é" * 128, "x" * 129, "x" * 10_000, "x" * 10_001, "USD", "USD\n", "usd", "ok", "failed", "suspended", "0.0031", "1e3", "9007199.3", "-1", "1.0000000005"]))
NUMBERS = st.one_of(st.integers(-1, 3), st.sampled_from([2**53 - 1, 2**53, 2**70]), st.floats(), st.booleans())
ANY = st.one_of(TIMES, TEXTS, NUMBERS, st.none(), st.lists(TEXTS, max_size=2), st.just(["f"] * 201), st.dictionaries(TEXTS, NUMBERS, max_size=1))
CHANGE = st.one_of(
    st.tuples(st.sampled_from([*RunEvent.model_fields, "nobody"]).map(lambda name: (name,)), ANY),
    st.tuples(st.sampled_from([("tokens", name) for name in (*Tokens.model_fields, "x")] + [("cost", name) for name in (*Money.model_fields, "x")] + [("input", name) for name in (*RunInput.model_fields, "x")]), ANY),
)


def test_it_knows_the_fields_of_the_model_and_no_others() -> None:
    for struct, model in ((Run, RunEvent), (PlainTokens, Tokens), (PlainMoney, Money), (PlainInput, RunInput)):
        assert struct.__struct_fields__ == tuple(sorted(model.model_fields, key=struct.__struct_fields__.index))
    assert plain_run(PLAIN) is not None


@given(st.lists(CHANGE, max_size=3), st.sets(st.sampled_from(sorted(PLAIN)), max_size=2))
def test_it_reads_a_run_as_the_model_does_or_leaves_it_to_the_model(changes: list[tuple[tuple[str, ...], Any]], without: set[str]) -> None:
    raw: dict[str, Any] = {name: dict(value) if isinstance(value, dict) else value for name, value in PLAIN.items() if name not in without}
    for path, value in changes:
        if len(path) == 1:
            raw[path[0]] = value
        elif isinstance(raw.get(path[0]), dict):
            raw[path[0]][path[1]] = value
    try:
        model = as_run(RunEvent.model_validate(raw))
    except ValidationError:
        model = None
    short = plain_run(raw)
    assert short is None if model is None else short in (None, model)
