from __future__ import annotations

from pathlib import Path

import pytest

from bot.doctor.scopes import EVENTS, SCOPES
from bot.reference import FILES, PARTS, UnknownPart, code, fill, table
from bot.settings import Settings


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_tables_in_the_documents_are_those_of_the_code(path: Path) -> None:
    written = path.read_text("utf-8")
    assert fill(written) == written, "run `python -m bot.reference`"


def test_the_reference_page_has_every_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference.md").read_text("utf-8")
    assert [name for name in PARTS if f"<!-- generated: {name} -->" not in page] == []


def test_only_what_stands_between_the_marks_is_written() -> None:
    text = "before\n\n<!-- generated: roles -->\nold\n<!-- end -->\n\nafter | kept\n"
    written = fill(text)
    assert written.startswith("before\n\n<!-- generated: roles -->\n| Role | What it means |\n")
    assert written.endswith("<!-- end -->\n\nafter | kept\n")
    assert "old" not in written
    assert fill(written) == written


def test_a_mark_that_nothing_writes_is_told() -> None:
    with pytest.raises(UnknownPart, match="'prices'"):
        fill("<!-- generated: prices -->\n<!-- end -->\n")


def test_bars_and_line_breaks_cannot_break_a_table() -> None:
    assert table(("A",), [("one | two\nthree",)]) == "| A |\n| --- |\n| one \\| two three |"
    assert code("a `b`") == "`` a `b` ``"


def test_every_setting_explains_itself_and_stands_in_the_table() -> None:
    written = PARTS["settings"]()
    for field in Settings.model_fields.values():
        assert field.description
        assert field.description.endswith(".")
        assert f"| `{field.alias}` |" in written


def test_the_registry_table_reaches_down_to_every_field_of_an_agent() -> None:
    written = PARTS["registry"]()
    for path in ("workspace.leads", "people.NAME.wake", "ladders.NAME[].call", "agents.NAME.owners.operations", "agents.NAME.evaluations.NAME.at_least", "agents.NAME.outputs.in"):
        assert f"| `{path}` |" in written
    assert "| `agents.NAME.data.store_text` | How long texts are kept; false keeps none. | duration (`30s` `10m` `2h` `7d`) or `false` | `90d` |" in written


def test_every_scope_and_event_says_why() -> None:
    assert all(scope.why and scope.without for scope in SCOPES.values())
    assert all(heard.why for heard in EVENTS.values())
    assert {name for heard in EVENTS.values() for name in heard.scopes} <= set(SCOPES)
