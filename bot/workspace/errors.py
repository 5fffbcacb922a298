"""How the workspace answers: JSON, and the one error of the Web API: a name that Slack uses, and what it tells with it."""

import json
from typing import Any

from starlette.responses import JSONResponse


class SlackError(Exception):
    """Answers `{"ok": false, "error": name, ...}`; `status` and `headers` differ only for 429 and outages."""

    def __init__(
        self, name: str, *, status: int = 200, headers: dict[str, str] | None = None, **also: Any
    ) -> None:
        super().__init__(name)
        self.name = name
        self.status = status
        self.headers = headers or {}
        self.also = also

    def body(self) -> dict[str, Any]:
        return {"ok": False, "error": self.name, **self.also}


def invalid_blocks(messages: list[str], name: str = "invalid_blocks") -> SlackError:
    """Slack's refusal of blocks: each message ends in the JSON pointer of what is wrong."""
    return SlackError(name, errors=messages, response_metadata={"messages": [f"[ERROR] {m}" for m in messages]})


class JsonAnswer(JSONResponse):
    """JSON in plain ASCII, so that half a surrogate pair in somebody's text can travel as it came."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode()
