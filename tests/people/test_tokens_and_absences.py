from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from bot.clock import CountedIds, RandomIds
from bot.db import Database
from bot.people.absences import absences_ahead, declare_absence, end_absence
from bot.people.flows import is_away
from bot.people.tokens import BadToken, mint_token, revoke_token, verify_token
from bot.tables import Absence, Person, Token

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


def test_a_token_opens_the_door_and_its_secret_is_kept_nowhere(db: Database) -> None:
    with db.transaction() as tx:
        text, row = mint_token(tx, NOW, RandomIds(), name="nightly", scopes=["events", "events"], agents=["b", "a"])
        assert verify_token(tx, text, NOW) is row
        assert (row.scopes, row.agents) == (["events"], ["a", "b"])
        secret = text.split("_", 2)[2]
        assert len(secret) == 43
        assert all(secret not in str(value) for value in vars(row).values())


def test_a_token_that_is_wrong_revoked_or_expired_is_refused_without_being_repeated(db: Database) -> None:
    with db.transaction() as tx:
        text, row = mint_token(tx, NOW, CountedIds(), name="x", scopes=["events"], agents=None, expires_at=NOW + timedelta(days=1))
        for wrong in ("", "xoxb-1", text[:-1] + "!", text[:-1] + "x", "aiops_ffffffffffff_" + "a" * 43, text + "\n"):
            with pytest.raises(BadToken) as caught:
                verify_token(tx, wrong, NOW)
            assert "secret-0" not in str(caught.value)
        with pytest.raises(BadToken, match="expired on 2026-11-21"):
            verify_token(tx, text, NOW + timedelta(days=1))
        revoke_token(tx, NOW + timedelta(hours=1), row.public_id)
        assert verify_token(tx, text, NOW) is row
        with pytest.raises(BadToken, match="revoked on 2026-11-20"):
            verify_token(tx, text, NOW + timedelta(hours=1))


def test_unknown_scopes_and_admin_over_single_agents_are_refused(db: Database) -> None:
    with db.transaction() as tx:
        for scopes, agents in ((["everything"], None), ([], None), (["admin"], ["a"])):
            with pytest.raises(ValueError):
                mint_token(tx, NOW, RandomIds(), name="x", scopes=scopes, agents=agents)
        assert tx.scalars(select(Token)).all() == []


def test_an_absence_covers_its_span_and_coming_back_ends_it(db: Database) -> None:
    with db.transaction() as tx:
        tx.add(Person(slack_id="U0LEA", name="Lea"))
        tx.flush()
        lea = tx.scalars(select(Person)).one().id
        declare_absence(tx, NOW, lea, NOW, NOW + timedelta(days=2), reason="holiday")
        declare_absence(tx, NOW, lea, NOW + timedelta(days=1), NOW + timedelta(days=4), reason="longer holiday")
        away = is_away(tx, lea, NOW + timedelta(days=3))
        assert away is not None
        assert away.reason == "longer holiday"
        assert len(absences_ahead(tx, NOW, [lea])) == 1
        assert end_absence(tx, NOW + timedelta(days=1), lea) == 1
        assert is_away(tx, lea, NOW + timedelta(days=1)) is None
        assert tx.scalars(select(Absence)).one().until == NOW + timedelta(days=1)
        with pytest.raises(ValueError, match="already over"):
            declare_absence(tx, NOW, lea, NOW - timedelta(days=2), NOW - timedelta(days=1))
        with pytest.raises(ValueError, match="before it begins"):
            declare_absence(tx, NOW, lea, NOW, NOW)


def test_an_absence_said_anew_ends_when_they_say_now_and_coming_back_keeps_the_holiday_to_come(db: Database) -> None:
    day = timedelta(days=1)
    with db.transaction() as tx:
        tx.add(Person(slack_id="U0LEA", name="Lea"))
        tx.flush()
        lea = tx.scalars(select(Person)).one().id

        def spans(now: datetime) -> list[tuple[datetime, datetime]]:
            return [(row.since, row.until) for row in absences_ahead(tx, now, [lea])]

        declare_absence(tx, NOW, lea, NOW, NOW + 7 * day)
        declare_absence(tx, NOW, lea, NOW + 30 * day, NOW + 40 * day)
        later = NOW + timedelta(hours=1)
        declare_absence(tx, later, lea, later, NOW + 3 * day)
        assert spans(later) == [(NOW, NOW + 3 * day), (NOW + 30 * day, NOW + 40 * day)]
        declare_absence(tx, later, lea, NOW + 30 * day, NOW + 35 * day)
        assert spans(later) == [(NOW, NOW + 3 * day), (NOW + 30 * day, NOW + 35 * day)]
        declare_absence(tx, later, lea, NOW + 29 * day, NOW + 32 * day)  # it begins earlier: nothing declared is lost
        assert spans(later) == [(NOW, NOW + 3 * day), (NOW + 29 * day, NOW + 35 * day)]
        assert end_absence(tx, NOW + day, lea) == 1
        assert spans(NOW + day) == [(NOW + 29 * day, NOW + 35 * day)]
        assert end_absence(tx, NOW + day, lea) == 1
        assert spans(NOW + day) == []
