"""The `Reviewed` button under a digest."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot.digests import messages
from bot.digests.flows import mark_reviewed, marking_of
from bot.people.flows import is_away, owners_of, require, roles_of
from bot.people.rules import Act, may
from bot.surface.press import Answer, Press, Tell
from bot.tables import Digest, DigestReview


def reviewed(tx: Session, press: Press) -> Answer:
    """Mark the presser's own agents: those asked of them, those of an owner who is away, and those handed up to them."""
    require(roles_of(tx, press.actor, None), Act.SEE)
    number = press.value.removeprefix("digest:")
    digest = tx.get(Digest, int(number)) if number.isdigit() and len(number) < 16 else None
    if digest is None:
        return Tell(messages.not_yours([]))
    waiting = list(tx.scalars(select(DigestReview).where(DigestReview.digest_id == digest.id, DigestReview.reviewed_at.is_(None)).order_by(DigestReview.id)))
    mine = [row.agent_id for row in waiting if _may_mark(tx, press, row)]
    marked = mark_reviewed(tx, press.now, digest, press.actor.person_id, mine) if mine else []
    left = [asked for asked, _ in marking_of(tx, digest.id).waiting]
    return Tell(messages.thanks(marked, left) if marked else messages.not_yours(left))


def _may_mark(tx: Session, press: Press, row: DigestReview) -> bool:
    roles = roles_of(tx, press.actor, row.agent_id)
    if not may(roles, Act.REVIEW):
        return False
    if row.person_id == press.actor.person_id or row.chased:
        return True
    operations = owners_of(tx, row.agent_id).get("operations")
    if operations is not None and operations.person_id == press.actor.person_id:
        return True  # the owner is back
    return is_away(tx, row.person_id, press.now) is not None


ACTIONS = {"digests.reviewed": reviewed}
