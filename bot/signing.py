"""Signed links and bodies: HMAC-SHA256 with a key per purpose, so that one kind of link never passes for another."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime
from typing import Any

import orjson


class BadSignature(Exception):
    """The link was altered, is for something else, or has expired."""


class Signer:
    """Signs with the first secret, accepts them all (they are rotated by putting the new one first)."""

    def __init__(self, secrets: list[str]) -> None:
        if not secrets:
            raise ValueError("signing needs at least one secret")
        self._secrets = [secret.encode() for secret in secrets]

    def sign(self, purpose: str, claims: dict[str, Any], *, until: datetime) -> str:
        """A url-safe token for one purpose that expires."""
        body = orjson.dumps({**claims, "exp": int(until.timestamp())}, option=orjson.OPT_SORT_KEYS)
        return f"{_b64(body)}.{_b64(self._mac(self._secrets[0], purpose, body))}"

    def read(self, purpose: str, token: str, *, now: datetime) -> dict[str, Any]:
        """The claims of a token; raises BadSignature."""
        try:
            body, mac = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split("."))
        except ValueError as error:
            raise BadSignature("this link is not complete") from error
        # The last letter of base64 holds bits that nobody reads: a link altered there is altered too.
        if token != f"{_b64(body)}.{_b64(mac)}" or not any(hmac.compare_digest(mac, self._mac(secret, purpose, body)) for secret in self._secrets):
            raise BadSignature("this link was not made here, or was altered")
        claims: dict[str, Any] = orjson.loads(body)
        if claims.pop("exp") < now.timestamp():
            raise BadSignature("this link has expired")
        return claims

    def key_for(self, purpose: str) -> str:
        """A derived key as hex (webhooks of one agent, say), so that the secret itself is never handed out."""
        return self.keys_for(purpose)[0]

    def keys_for(self, purpose: str) -> list[str]:
        """The same for every secret that is accepted, the signing one's first."""
        return [hmac.new(secret, f"key:{purpose}".encode(), hashlib.sha256).hexdigest() for secret in self._secrets]

    @staticmethod
    def _mac(secret: bytes, purpose: str, body: bytes) -> bytes:
        return hmac.new(secret, purpose.encode() + b"\0" + body, hashlib.sha256).digest()[:20]


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
