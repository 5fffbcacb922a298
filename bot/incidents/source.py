"""What a message in Slack is about, so that an incident opened on it knows its page, output and agent."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.outbox import flows as outbox
from bot.paging.reading import problems_of
from bot.tables import Agent, Climb, Output, Page, Problem


@dataclass(frozen=True)
class About:
    """The page, output or problem behind a message; all empty for a message of somebody else's."""

    page: int | None = None
    output: int | None = None
    problem: int | None = None

    def agent(self, tx: Session) -> Agent | None:
        """The agent it is about."""
        found: Page | Output | Problem | None = None
        if self.page is not None:
            found = tx.get(Page, self.page)
        elif self.output is not None:
            found = tx.get(Output, self.output)
        elif self.problem is not None:
            found = tx.get(Problem, self.problem)
        return tx.get(Agent, found.agent_id) if found is not None else None

    def title(self, tx: Session) -> str:
        """What an incident about it is called, unless somebody says otherwise."""
        if self.page is not None:
            return next((_sentence(problem.title) for problem in problems_of(tx, self.page)), "")
        if self.problem is not None and (problem := tx.get(Problem, self.problem)) is not None:
            return _sentence(problem.title)
        return "A wrong output" if self.output is not None else ""


def about_message(tx: Session, channel: str | None, ts: str | None) -> About:
    """Read the key of our own message, or find the output that was posted by its agent."""
    if not channel or not ts:
        return About()
    row = outbox.at_place(tx, channel, ts)
    kind, _, rest = (row.key if row is not None else "").partition(":")
    number = rest.split(":")[0]
    if number.isdigit():
        if kind == "page":
            return About(page=int(number))
        if kind == "output":
            return About(output=int(number))
        if kind == "problem":
            return About(problem=int(number))
        if kind == "call" and (climb := tx.get(Climb, int(number))) is not None:
            return About(page=climb.subject_id)
    output = tx.scalars(select(Output.id).where(Output.channel_id == channel, Output.slack_ts == ts)).first()
    return About(output=output)


def _sentence(words: str) -> str:
    """With a capital first letter; names within keep theirs."""
    return words[:1].upper() + words[1:]
