"""`/aiops mine`: the list at any time."""

from __future__ import annotations

from sqlalchemy.orm import Session

from bot.lists import messages
from bot.lists.reading import items_for
from bot.people.flows import require, roles_of
from bot.people.rules import Act
from bot.surface.press import Answer, Handler, Press, Tell


def mine(tx: Session, press: Press) -> Answer:
    """All that waits for the one who asks."""
    require(roles_of(tx, press.actor, None), Act.SEE)
    return Tell(messages.mine_message(items_for(tx, press.now, press.actor.person_id)))


WORDS: dict[str, Handler] = {"mine": mine}
