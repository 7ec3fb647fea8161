"""Which PINs are taken, and what is kept of them."""

from __future__ import annotations

import pytest

from sso import unlock

GOOD = "284917"


@pytest.mark.parametrize(
    "pin",
    ["000000", "111111", "123456", "654321", "789012", "135791", "121212", "123123", "112211", "5555555", "12341234",
     "010190", "311284", "123184", "841231", "031984", "198403", "01011990", "12311984", "19841231", "20263112"],
)  # fmt: skip
def test_what_somebody_would_try_first_is_not_taken(pin: str) -> None:
    """Repeated digits, sequences, a part twice, and dates in every order."""
    with pytest.raises(unlock.PinRefused, match="first that somebody would try"):
        unlock.chosen(pin, pin)


@pytest.mark.parametrize("pin", ["", "28491", "2849172849172", "28491a", "２８４９１７", "284917\n", " 284917"])
def test_a_pin_is_six_to_twelve_digits(pin: str) -> None:
    """Digits of ASCII only: what one keyboard writes another must be able to."""
    with pytest.raises(unlock.PinRefused, match="6 to 12 digits"):
        unlock.chosen(pin, pin)


def test_a_slip_of_the_finger_sets_no_pin() -> None:
    """It is asked for twice; the message does not repeat it."""
    with pytest.raises(unlock.PinRefused) as refused:
        unlock.chosen(GOOD, "284971")
    assert GOOD not in str(refused.value)


@pytest.mark.parametrize("pin", [GOOD, "903715", "7142088", "481516234208"])
def test_others_are_taken(pin: str) -> None:
    """Six digits, and more."""
    assert unlock.chosen(pin, pin) == pin


def test_what_is_kept_opens_for_the_same_pin_only_and_is_salted() -> None:
    """By argon2id with the parameters that the documentation states; two of the same PIN are not alike."""
    first, second = unlock.kept(GOOD), unlock.kept(GOOD)
    assert first != second
    assert first.startswith(b"$argon2id$v=19$m=65536,t=3,p=1$")
    assert unlock.fits(first, GOOD)
    assert not unlock.fits(first, "284918")
    assert not unlock.fits(b"damaged", GOOD)


def test_where_no_pin_is_kept_a_try_is_as_slow_and_never_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also not the text that stands in its place; as many hashes are made as for a wrong one."""
    made = []
    verify = unlock._HASHER.verify

    class Counted:
        @staticmethod
        def verify(hashed: bytes, pin: str) -> bool:
            made.append(hashed)
            return verify(hashed, pin)

    monkeypatch.setattr(unlock, "_HASHER", Counted)
    assert not unlock.fits(None, "")
    assert not unlock.fits(None, GOOD)
    assert made == [unlock.NOBODY_S] * 2


def test_what_stands_in_its_place_costs_what_a_kept_one_does() -> None:
    """The same parameters, the same salt's and hash's lengths."""
    stands, kept = unlock.NOBODY_S.split(b"$"), unlock.kept(GOOD).split(b"$")
    assert stands[:4] == kept[:4]
    assert list(map(len, stands)) == list(map(len, kept))
