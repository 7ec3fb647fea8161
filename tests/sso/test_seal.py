"""Whatever is kept is sealed, and opens only for whom and what it was sealed."""

from __future__ import annotations

import base64
import hashlib
import secrets

import pytest

from connectors.base import Sealer
from sso.seal import Seal, SealError, key_id, new_key, read_keys


def _seal(*keys: bytes) -> Seal:
    return Seal(keys or [secrets.token_bytes(32)])


def test_what_is_sealed_comes_back() -> None:
    """A sealed value opens to the same bytes, for the purpose it was sealed for."""
    seal: Sealer = _seal()
    assert seal.unseal(seal.seal(b"a shift", purpose="shift"), purpose="shift") == b"a shift"


def test_a_sealed_value_tells_nothing() -> None:
    """The plain text is nowhere in the value, and the same text is sealed differently each time."""
    seal = _seal()
    one, two = (seal.seal(b"n.okoye battery staple", purpose="credential") for _ in range(2))
    assert one != two
    assert b"okoye" not in base64.urlsafe_b64decode(one.partition(".")[2] + "==")


def test_another_purpose_does_not_open() -> None:
    """A paging token offered as a shift does not open."""
    seal = _seal()
    with pytest.raises(SealError):
        seal.unseal(seal.seal(b"x", purpose="paging"), purpose="shift")


def test_any_change_is_noticed() -> None:
    """Each single character changed, cut or added makes the value worthless, with one constant message."""
    seal = _seal()
    token = seal.seal(b"a shift", purpose="shift")
    other = {c: "B" if c != "B" else "C" for c in token}
    changed = [token[:i] + other[c] + token[i + 1 :] for i, c in enumerate(token)]
    messages = set()
    for bad in [*changed, token[:-1], token + "A", token + "=", f" {token}", "", ".", "é" + token, token.upper()]:
        with pytest.raises(SealError) as refused:
            seal.unseal(bad, purpose="shift")
        messages.add(str(refused.value))
    assert len(messages) == 1


def test_in_bytes_it_is_as_closed_as_in_text() -> None:
    """Another purpose, another key, and each bit that is changed: none of them opens."""
    seal = _seal()
    sealed = seal.seal_bytes(b"a shift", purpose="shift")
    assert seal.unseal_bytes(sealed, purpose="shift") == b"a shift"
    assert seal.seal_bytes(b"a shift", purpose="shift") != sealed
    changed = [sealed[:i] + bytes([byte ^ 1]) + sealed[i + 1 :] for i, byte in enumerate(sealed)]
    for bad in [*changed, sealed[:-1], sealed + b"\0", sealed[:4], b""]:
        with pytest.raises(SealError):
            seal.unseal_bytes(bad, purpose="shift")
    for other, purpose in ((seal, "session"), (_seal(), "shift")):
        with pytest.raises(SealError):
            other.unseal_bytes(sealed, purpose=purpose)


def test_a_new_key_in_front_seals_and_the_old_one_still_opens() -> None:
    """Rotation: the first key seals, all of them open, and it can be told which values wait to be sealed again."""
    old, new = secrets.token_bytes(32), secrets.token_bytes(32)
    kept = _seal(old).seal(b"a shift", purpose="shift")
    rotated = _seal(new, old)
    assert rotated.unseal(kept, purpose="shift") == b"a shift"
    assert not rotated.is_current(kept)
    again = rotated.seal(b"a shift", purpose="shift")
    assert rotated.is_current(again)
    assert again.startswith(key_id(new))
    with pytest.raises(SealError):
        _seal(old).unseal(again, purpose="shift")


def test_a_value_renamed_to_another_key_does_not_open() -> None:
    """The key's name is bound to the value, so that it cannot be moved between keys."""
    one, two = secrets.token_bytes(32), secrets.token_bytes(32)
    seal = _seal(one, two)
    token = seal.seal(b"x", purpose="p")
    with pytest.raises(SealError):
        seal.unseal(f"{key_id(two)}.{token.partition('.')[2]}", purpose="p")


def test_a_key_file_holds_keys_and_comments() -> None:
    """Each line is a key in base64; blank lines and comments are passed over."""
    first, second = new_key(), new_key()
    keys = read_keys(f"# ward keys, 2026\n{first}\n\n{second} # the old one\n".encode())
    assert keys == [base64.b64decode(first), base64.b64decode(second)]
    assert Seal.of(first.encode()).is_current(Seal(keys).seal(b"", purpose="p"))


@pytest.mark.parametrize(
    "bad",
    ["", "# nothing\n", "c2hvcnQ=\n", "not base64 at all!\n", new_key()[:-4] + "\n"],
    ids=["empty", "a comment", "short", "no base64", "cut off"],
)
def test_a_key_file_without_a_whole_key_is_refused(bad: str) -> None:
    """A short, broken or missing key is refused with the remedy, and never repeated in the message."""
    with pytest.raises(ValueError, match="lanyard key new") as refused:
        read_keys(bad.encode())
    assert not bad.strip() or bad.strip() not in str(refused.value)


def test_the_same_key_twice_is_refused() -> None:
    """A key that stands twice would make the file look rotated when it is not."""
    key = secrets.token_bytes(32)
    with pytest.raises(ValueError, match="twice"):
        Seal([key, key])


def test_a_text_is_found_by_its_mark_also_after_a_new_key() -> None:
    """By every key that still opens, the first one first; never without the key, and never for another purpose."""
    old, new = Seal([b"o" * 32]), Seal([b"n" * 32, b"o" * 32])
    (mark,) = old.marks("4512987", purpose="badge")
    assert new.marks("4512987", purpose="badge")[1:] == [mark]
    assert new.marks("4512987", purpose="badge")[0] != mark
    assert old.marks("4512987", purpose="other") != [mark]
    assert old.marks("4512988", purpose="badge") != [mark]
    assert hashlib.sha256(b"4512987").hexdigest() != mark
