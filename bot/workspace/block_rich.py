"""Rich text, tables and charts: the blocks with a structure of their own."""

from typing import Any

from bot.workspace.block_fields import (
    Problems,
    Spec,
    array,
    boolean,
    by_type,
    number,
    obj,
    one_of,
    shape,
    string,
    whole,
)

STYLE = obj(dict.fromkeys(
    ("bold", "italic", "strike", "code", "underline", "highlight", "client_highlight", "unlink"), boolean
))
LONG = 100_000
INLINE: dict[str, Spec] = {
    "text": {"text!": string(LONG), "style": STYLE},
    "link": {"url!": string(3000), "text": string(LONG, 0), "unsafe": boolean, "style": STYLE},
    "emoji": {"name!": string(255), "unicode": string(255), "skin_tone": whole(1, 6), "style": STYLE},
    "user": {"user_id!": string(255), "style": STYLE},
    "usergroup": {"usergroup_id!": string(255), "style": STYLE},
    "channel": {"channel_id!": string(255), "style": STYLE},
    "broadcast": {"range!": one_of("here", "channel", "everyone"), "style": STYLE},
    "date": {
        "timestamp!": whole(0, 9_999_999_999), "format!": string(255), "url": string(3000), "fallback": string(3000),
        "style": STYLE,
    },
    "color": {"value!": string(255), "style": STYLE},
    "team": {"team_id!": string(255), "style": STYLE},
}
PARTS = array(by_type(INLINE), 0, 1000)
SECTION: Spec = {"elements!": PARTS}
RICH: dict[str, Spec] = {
    "rich_text_section": SECTION,
    "rich_text_preformatted": {"elements!": PARTS, "border": whole(0, 1), "language": string(50)},
    "rich_text_quote": {"elements!": PARTS, "border": whole(0, 1)},
    "rich_text_list": {
        "elements!": array(by_type({"rich_text_section": SECTION}), 1, 1000), "style!": one_of("bullet", "ordered"),
        "indent": whole(0, 8), "offset": whole(0, 100_000), "border": whole(0, 1),
    },
}
RICH_TEXT: Spec = {"elements!": array(by_type(RICH), 1, 1000)}
CELLS: dict[str, Spec] = {
    "raw_text": {"text!": string(LONG)},
    "raw_number": {"value!": number, "text": string(255)},
    "rich_text": {**RICH_TEXT, "block_id": string(255)},
}


def column_setting(problems: Problems, value: Any, at: str) -> None:
    """How one column looks; null leaves it as it is."""
    if value is not None:
        shape(problems, value, at, {"align": one_of("left", "center", "right"), "is_wrapped": boolean})


TABLE: Spec = {
    "rows!": array(array(by_type(CELLS), 1, 20), 1, 100),
    "column_settings": array(column_setting, 0, 20),
}
DATA_TABLE: Spec = {
    "caption!": string(2000), "rows!": array(array(by_type(CELLS), 1, 20), 2, 201), "page_size": whole(1, 100),
    "row_header_column_index": whole(0, 19),
}
DATA_TABLE_CHARACTERS = 20_000
POINT = obj({"label!": string(20), "value!": number})
SERIES = obj({"name!": string(20), "data!": array(POINT, 1, 20)})
AXES: Spec = {
    "series!": array(SERIES, 1, 12),
    "axis_config!": obj({
        "categories!": array(string(20), 1, 20), "x_label": string(50), "y_label": string(50),
    }),
}
CHARTS: dict[str, Spec] = {
    "pie": {"segments!": array(POINT, 1, 12)}, "bar": AXES, "line": AXES, "area": AXES,
}
DATA_VISUALIZATION: Spec = {"title!": string(50), "chart!": by_type(CHARTS)}


def characters(value: Any) -> int:
    """Everything that is read in a cell, a table or a rich text."""
    if isinstance(value, list):
        return sum(characters(part) for part in value)
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            return len(value["text"])
        return sum(characters(part) for part in value.values() if isinstance(part, list | dict))
    return 0


def check_data_table(problems: Problems, block: dict[str, Any], at: str) -> None:
    rows = block["rows"]
    if any(cell["type"] == "rich_text" for cell in rows[0]):
        problems.add("header cells cannot be rich_text", f"{at}/rows/0")
    for position, row in enumerate(rows):
        if len(row) != len(rows[0]):
            problems.add(f"must have {len(rows[0])} items, as the header", f"{at}/rows/{position}")
    if characters(rows) > DATA_TABLE_CHARACTERS:
        problems.add(f"must be less than {DATA_TABLE_CHARACTERS + 1} characters", f"{at}/rows")


def check_chart(problems: Problems, block: dict[str, Any], at: str) -> None:
    chart = block["chart"]
    if chart["type"] == "pie":
        return
    names = [series["name"] for series in chart["series"]]
    if len(set(names)) != len(names):
        problems.add("series names must be unique", f"{at}/chart/series")
    categories = chart["axis_config"]["categories"]
    for position, series in enumerate(chart["series"]):
        if [point["label"] for point in series["data"]] != categories:
            problems.add("labels must match axis_config.categories", f"{at}/chart/series/{position}/data")


