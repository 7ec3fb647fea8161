"""What is packed comes back to the letter, and a secret's length tells nothing of what stands beside it."""

from __future__ import annotations

import secrets
from dataclasses import asdict

import pytest

from benchmarks import tokens
from gateway.stores.redis.packing import packed, unpacked
from gateway.stores.testing import NURSE, session, shift
from gateway.stores.values import session_of, shift_of, shift_value

ID_TOKEN = tokens.unsigned(tokens.claims(NURSE.issuer, "gateway", NURSE.subject, 1_800_000_000, "nonce"))


@pytest.mark.parametrize(
    "id_token",
    [
        "",
        ID_TOKEN,
        f"{ID_TOKEN}=",
        ID_TOKEN[:-1],
        "a.b.c",
        "..",
        "eyJ9.AAAA.AAAA",
        "not a token",
        "\u00e9.x.y",
        "A" * 4000,
    ],
)
def test_a_shift_comes_back_whatever_the_provider_gave(id_token: str) -> None:
    """Also where an ID token is none, or is spelt as nobody else would."""
    kept = shift(id_token=id_token, refresh_token=f"1.A{id_token[::-1]}")
    assert shift_of(unpacked(packed(shift_value(kept)))) == kept


def test_a_session_comes_back() -> None:
    """With whatever it was left with."""
    kept = session(hosts=("https://pas.example",), left="/patient/\u00e9?a=\0", provider_session="sid")
    assert session_of(unpacked(packed(asdict(kept)))) == kept


def test_a_shift_with_tokens_as_they_are_takes_less_than_two_kilobytes() -> None:
    """An ID token of 1.6 kB and a refresh token of 1 kB."""
    assert len(packed(shift_value(shift(id_token=ID_TOKEN, refresh_token=tokens.refresh_token())))) < 1800


def test_who_guesses_a_secret_in_a_name_learns_nothing_from_the_length() -> None:
    """A right guess makes it no shorter than a wrong one does."""
    refresh = secrets.token_urlsafe(700)

    def length(guess: str) -> int:
        header, claims, _ = ID_TOKEN.split(".")
        principal = NURSE.__class__(**{**asdict(NURSE), "name": guess, "roles": NURSE.roles})
        kept = shift(principal=principal, id_token=f"{header}.{claims}.{refresh[:340]}", refresh_token=refresh)
        return len(packed(shift_value(kept)))

    wrong = secrets.token_urlsafe(700)
    assert abs(length(refresh[:300]) - length(wrong[:300])) < 16


def test_what_another_release_packed_is_refused() -> None:
    """And not taken for something else."""
    with pytest.raises(ValueError, match="another way"):
        unpacked(b"\x7f" + packed({"a": 1})[1:])
