from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape

import httpx
import pytest
from sqlalchemy import func, select
from starlette.applications import Starlette

from bot.clock import MovedClock
from bot.db import Database
from bot.feedback.http import PAGES, page_link, page_route, vote_link
from bot.lanes import Lanes
from bot.signing import Signer
from bot.tables import Vote
from tests.feedback.scene import make_agent, make_output, make_person

SIGNER = Signer(["a secret of the tests"])


@pytest.fixture
async def client(db: Database, clock: MovedClock) -> AsyncIterator[httpx.AsyncClient]:
    lanes = Lanes(db)
    app = Starlette(routes=[page_route(lanes, clock, SIGNER, PAGES)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as opened:
        yield opened
    lanes.close()


def link(db: Database, clock: MovedClock, *, kind: str = "member", text: str = "<script>alert('x')</script> five days", **spec: object) -> str:
    with db.transaction() as tx:
        output = make_output(tx, make_agent(tx, clock.now(), **spec), clock.now(), text, url="https://crm.example.com/7")
        return vote_link(SIGNER, "http://here", make_person(tx, "lea", clock.now(), kind=kind).id, output.id, clock.now())


def votes(db: Database) -> list[Vote]:
    with db.reading() as tx:
        found = list(tx.scalars(select(Vote)))
        tx.expunge_all()  # kept for reading after the transaction
        return found


async def test_looking_changes_nothing_and_one_press_votes(db: Database, clock: MovedClock, client: httpx.AsyncClient) -> None:
    url = link(db, clock)
    seen = await client.get(url)
    assert seen.status_code == 200
    assert (await client.head(url)).status_code == 200
    assert votes(db) == []
    assert "&lt;script&gt;" in seen.text
    assert "<script" not in seen.text
    assert "Was this reply of Support triage good enough to use?" in seen.text
    done = await client.post(url, data={"thumb": "bad", "reason": "outdated", "correction": "Three days since May.", "may_ask": "yes"})
    assert "Thank you. It is noted as bad, and it counts." in done.text
    (vote,) = votes(db)
    assert (vote.good, vote.surface, vote.reason, vote.correction, vote.may_ask) == (False, "link", "outdated", "Three days since May.", True)
    assert "Three days since May." in (await client.get(url)).text
    await client.post(url, data={"thumb": "good"})
    assert [each.good for each in votes(db)] == [True]
    back = await client.post(url, data={"do": "take back"})
    assert "Your vote is taken back and no longer counts." in back.text
    assert [each.good for each in votes(db)] == [None]


async def test_the_page_needs_no_other_host_and_tells_its_address_to_nobody(db: Database, clock: MovedClock, client: httpx.AsyncClient) -> None:
    seen = await client.get(link(db, clock))
    policy = seen.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "form-action 'self'" in policy
    assert seen.headers["referrer-policy"] == "no-referrer"
    assert seen.headers["cache-control"] == "no-store"
    assert 'lang="en"' in seen.text
    for name in ("reason", "correction", "comment"):
        assert f'for="{name}"' in seen.text


async def test_an_expired_link_is_told_kindly(db: Database, clock: MovedClock, client: httpx.AsyncClient) -> None:
    url = link(db, clock)
    clock.move(timedelta(days=8))
    gone = await client.post(url, data={"thumb": "good"})
    assert gone.status_code == 410
    assert "This link has had its time" in gone.text
    assert votes(db) == []


async def test_an_altered_link_another_purpose_or_an_unknown_kind_open_nothing(db: Database, clock: MovedClock, client: httpx.AsyncClient) -> None:
    url = link(db, clock)
    other = SIGNER.sign("webhook", {"kind": "vote", "person": 1, "subject": "output:1"}, until=clock.now() + timedelta(days=1))
    unknown = page_link(SIGNER, "http://here", "nothing", 1, "output:1", until=clock.now() + timedelta(days=1))
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = url[:-1] + letters[letters.index(url[-1]) ^ 1]  # the bits of the last letter that nobody reads
    for bad in (last, url[:-3] + "abc", "http://here/p/x", "http://here/p/" + other, unknown, "http://here/p/" + "é.é"):
        answer = await client.post(bad, data={"thumb": "good"})
        assert answer.status_code == 404
        assert "This link does not work" in answer.text
    assert votes(db) == []


async def test_a_guest_is_told_politely(db: Database, clock: MovedClock, client: httpx.AsyncClient) -> None:
    url = link(db, clock, kind="guest")
    for answer in (await client.get(url), await client.post(url, data={"thumb": "good"})):
        assert answer.status_code == 403
        assert "Ratings come from full members of this workspace." in answer.text
    assert votes(db) == []


async def test_words_without_a_thumb_and_too_many_words_are_answered(db: Database, clock: MovedClock, client: httpx.AsyncClient) -> None:
    url = link(db, clock)
    assert "Choose a thumb first" in (await client.post(url, data={"do": "tell", "comment": "x"})).text
    assert (await client.post(url, data={"comment": "x" * 70_000})).status_code == 413
    with db.reading() as tx:
        assert tx.scalar(select(func.count()).select_from(Vote)) == 0


async def test_restricted_texts_stay_out_of_the_page(db: Database, clock: MovedClock, client: httpx.AsyncClient) -> None:
    seen = await client.get(link(db, clock, text="the salary", data={"class": "restricted"}))
    assert "salary" not in unescape(seen.text)
