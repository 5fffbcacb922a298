"""What an app answered to something a person did."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What the app answered: `body` is its JSON or text, `took` the seconds it needed, `error` why it failed."""

    ok: bool
    status: int = 0
    body: Any = None
    took: float = 0.0
    error: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def warning(self) -> str:
        return "" if self.ok else "This app did not respond"

    @property
    def errors(self) -> dict[str, str]:
        """What a submitted form was refused for, by block_id."""
        if isinstance(self.body, dict) and self.body.get("response_action") == "errors":
            return dict(self.body.get("errors") or {})
        return {}
