"""What others ask about problems and pages."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.blocks import escape
from bot.known import known
from bot.paging.rules import RANK
from bot.paging.words.views import ProblemView
from bot.quiet.messages import cover_words
from bot.quiet.reading import covers_named
from bot.tables import Call, Climb, Page, Person, Problem


def open_problems(tx: Session, agent_ids: Sequence[int] | None = None) -> list[Problem]:
    """The open problems (of these agents), the most severe and then the oldest first."""
    sought = select(Problem).where(Problem.closed_at.is_(None)).order_by(Problem.since, Problem.id)
    if agent_ids is not None:
        sought = sought.where(Problem.agent_id.in_(agent_ids))
    return sorted(tx.scalars(sought), key=lambda problem: -RANK.get(problem.severity, 0))


def open_pages(tx: Session, agent_ids: Sequence[int] | None = None, *, tests: bool = False) -> list[Page]:
    """The pages not yet resolved (with a problem of these agents), unacknowledged first, then the oldest."""
    sought = select(Page).where(Page.resolved_at.is_(None)).order_by(Page.opened_at, Page.id)
    if agent_ids is not None:
        on = select(Problem.page_id).where(Problem.agent_id.in_(agent_ids), Problem.page_id.is_not(None))
        sought = sought.where(Page.agent_id.in_(agent_ids) | Page.id.in_(on))
    if not tests:
        sought = sought.where(Page.test.is_(False))
    return sorted(tx.scalars(sought), key=lambda page: page.acked_at is not None)


def open_page_of(tx: Session, agent_id: int) -> Page | None:
    """The page that is open for an agent and calls people itself, tests left aside."""
    return next((page for page in open_pages(tx, [agent_id]) if page.parent_id is None), None)


def calls_of(tx: Session, page_id: int) -> list[Call]:
    """Every call made about a page, in order."""
    return list(known(tx, "calls of page", page_id, lambda: _calls_of(tx, page_id)))


def _calls_of(tx: Session, page_id: int) -> Sequence[Call]:
    climbs = select(Climb.id).where(Climb.subject_kind == "page", Climb.subject_id == page_id)
    return tx.scalars(select(Call).where(Call.climb_id.in_(climbs)).order_by(Call.called_at, Call.id)).all()


def was_called(tx: Session, page_id: int, person_id: int) -> bool:
    """Whether a page has called this person."""
    return any(call.person_id == person_id for call in calls_of(tx, page_id))


def problems_of(tx: Session, page_id: int) -> list[Problem]:
    """The problems on a page, open ones first."""
    rows = tx.scalars(select(Problem).where(Problem.page_id == page_id).order_by(Problem.opened_at, Problem.id))
    return sorted(rows, key=lambda problem: problem.closed_at is not None)


def own_problems(tx: Session, page_id: int) -> list[Problem]:
    """The open problems for which a page calls people: those that nothing else took down."""
    sought = select(Problem).where(Problem.page_id == page_id, Problem.closed_at.is_(None), Problem.under_id.is_(None))
    return list(tx.scalars(sought.order_by(Problem.opened_at, Problem.id)))


def check_of(problem: Problem) -> str:
    """The name of its check, as aiops.yml has it."""
    return problem.fingerprint.partition(":")[2]


def problem_view(problem: Problem, agent: str = "") -> ProblemView:
    """A problem as messages tell it."""
    evidence = tuple((str(label), str(words)) for label, words in problem.evidence.items())
    return ProblemView(
        problem.title, problem.says, problem.since, evidence, problem.closed_at, agent,
        problem.flapping_at, problem.turns, problem.well_at, problem.steady_at, problem.under_id,
        check_of(problem),
    )  # fmt: skip


def named(person: Person) -> str:
    """Their name, escaped, pinging nobody."""
    return escape(person.name or person.email or "someone")


def quiet_words(tx: Session, page: Page, problems: Sequence[Problem]) -> str:
    """Why a held page calls nobody: each agreement once."""
    if page.quiet_until is None:
        return ""
    keys = [each.quiet_by for each in problems if each.closed_at is None and each.quiet_until is not None and each.quiet_by]
    told = "; ".join(cover_words(cover) for cover in covers_named(tx, keys).values())
    return f"{told[:1].upper()}{told[1:]}" + ("" if told.endswith((".", "!", "?")) else ".")
