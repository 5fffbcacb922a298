from __future__ import annotations

import pytest

from bot.routes.known import KNOWN, open_routes
from bot.settings import read_settings
from bot.signing import Signer
from tests.routes.test_kit import CLOCK, ROUTES


async def test_the_list_opens_what_the_settings_turn_on() -> None:
    plain = open_routes(read_settings({}), Signer(["s"]), CLOCK)
    assert sorted(plain) == ["pagerduty", "webhook"]
    mailing = open_routes(read_settings({"AIOPS_SMTP_URL": "smtps://u:p@mail.example.com"}), Signer(["s"]), CLOCK)
    assert sorted(mailing) == ["email", "pagerduty", "webhook"]
    for name, route in [*plain.items(), *mailing.items()]:
        assert route.name == name
        await route.close()


def test_every_known_route_runs_the_kit() -> None:
    assert {"slack", *KNOWN} == set(ROUTES)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_names_fit_the_column(name: str) -> None:
    assert len(name) <= 16
