"""Pictures that blocks name as files of this workspace: they must be there, be pictures, and are then seen where the blocks are."""

from typing import TYPE_CHECKING, Any

from bot.workspace.errors import invalid_blocks
from bot.workspace.things import App, Doc

if TYPE_CHECKING:
    from bot.workspace.workspace import Workspace

PICTURES = ("image/png", "image/jpeg", "image/gif")


def named(part: Any, at: str = "") -> list[tuple[str, str]]:
    """Every file named in blocks, with its place."""
    if isinstance(part, list):
        return [found for number, inner in enumerate(part) for found in named(inner, f"{at}/{number}")]
    if not isinstance(part, dict):
        return []
    own = []
    if part.get("type") == "image" and isinstance(part.get("slack_file"), dict):
        file = part["slack_file"]
        own.append((str(file.get("id") or str(file.get("url", "")).rsplit("/", 1)[-1]), f"{at}/slack_file"))
    return own + [found for key, inner in part.items() if key != "slack_file" for found in named(inner, f"{at}/{key}")]


def check_files(ws: "Workspace", app: App, blocks: Any, error: str = "invalid_blocks", at: str = "/blocks") -> None:
    """Slack refuses blocks whose file is unknown, not uploaded to its end, no picture, or another app's."""
    problems = []
    for file_id, place in named(blocks, at):
        known = ws.store.file(file_id)
        if known is None or known[1] is None or known[0].get("channels") is None or known[0]["mimetype"] not in PICTURES or known[0]["user"] != app.bot_user_id:
            problems.append(f"invalid slack file [json-pointer:{place}]")
    if problems:
        raise invalid_blocks(problems, error)


def show_files(ws: "Workspace", blocks: Any, *, channel: str = "", person: str = "") -> None:
    """Who sees the blocks sees their pictures."""
    for file_id in {file_id for file_id, _ in named(blocks)}:
        known = ws.store.file(file_id)
        if known is None:
            continue
        doc: Doc = known[0]
        seen = {key: [*dict.fromkeys([*(doc.get(key) or []), *([who] if who else [])])] for key, who in (("channels", channel), ("people", person))}
        if any(doc.get(key) != value for key, value in seen.items()):
            ws.store.put_file({**doc, **seen})
