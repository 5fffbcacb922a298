"""What a model call cost by list prices, where the agent did not say: from genai-prices, and marked as an estimate."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from bot.intake.telemetry.dialects import LARGEST, NANO, Body

_PLAIN = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")


def estimate(body: Body) -> int | None:
    """Nano-dollars of a model call by its model and tokens; None where the price list does not know the model."""
    model = body.get("model")
    if not model:
        return None
    read, cached, kept, wrote = (int(body.get(name) or 0) for name in ("in", "cached", "kept", "out"))
    read = max(read, cached + kept)
    provider, day = str(body.get("provider", "")), int(body.get("start", 0)) // 86_400_000_000
    prices = _prices(str(model), provider, day)
    if prices is not None:  # nearly every model: so many tokens of each kind, at one price each
        fresh, again, keeping, written = prices
        nano = round((read - cached - kept) * fresh + cached * again + kept * keeping + wrote * written)
        return nano if nano <= LARGEST else None
    return _asked(str(model), provider, day, read, cached, kept, wrote)


@lru_cache(4096)
def _prices(model: str, provider: str, day: int) -> tuple[float, float, float, float] | None:
    """Nano-dollars a token: read, from a cache, into a cache, written; None where the price depends on how many they are.

    Asking the list takes 150 us a call; a multiplication does not (a test holds the two equal).
    """
    from genai_prices import Usage, calc_price  # 0.3 s to import: only where something must be priced

    try:
        found = _calculated(model, provider, day, 1_000_000, 0, 0, 0)
        if found is None:
            return None
        price = calc_price(Usage(input_tokens=1), model, provider_id=_known(model, provider)).model_price
    except (LookupError, ValueError):
        return None
    parts = [getattr(price, name, None) for name in _PLAIN]
    if any(part is not None and not isinstance(part, Decimal) for part in parts) or parts[0] is None or getattr(price, "requests_kcount", None) is not None:
        return None
    small, large = _calculated(model, provider, day, 1000, 0, 0, 1000), _calculated(model, provider, day, 1_000_000, 0, 0, 1_000_000)
    if small is None or large is None or abs(large - small * 1000) > 1000:
        return None
    one = 1000  # tokens at which each kind is asked for
    fresh = (_calculated(model, provider, day, one, 0, 0, 0) or 0) / one
    again, keeping = ((_calculated(model, provider, day, one, *kinds, 0) or 0) / one for kinds in ((one, 0), (0, one)))
    return fresh, again, keeping, (_calculated(model, provider, day, 0, 0, 0, one) or 0) / one


@lru_cache(16_384)
def _asked(model: str, provider: str, day: int, read: int, cached: int, kept: int, wrote: int) -> int | None:
    return _calculated(model, provider, day, read, cached, kept, wrote)


def _calculated(model: str, provider: str, day: int, read: int, cached: int, kept: int, wrote: int) -> int | None:
    from genai_prices import Usage, calc_price

    usage = Usage(input_tokens=read, output_tokens=wrote, cache_read_tokens=cached or None, cache_write_tokens=kept or None)
    try:
        at = datetime.fromtimestamp(day * 86_400, UTC)
        price = calc_price(usage, model, provider_id=_known(model, provider), genai_request_timestamp=at).total_price
    except (LookupError, ValueError, ArithmeticError, OverflowError):
        return None
    nano = round(price * NANO)
    return nano if 0 <= nano <= LARGEST else None


@lru_cache(4096)
def _known(model: str, provider: str) -> str | None:
    """The provider where the list knows it with this model; else the model alone is looked for."""
    from genai_prices import Usage, calc_price

    try:
        calc_price(Usage(input_tokens=1), model, provider_id=provider)
    except (LookupError, ValueError):
        return None
    return provider
