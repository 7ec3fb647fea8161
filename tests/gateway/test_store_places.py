"""Addresses of Redis and PostgreSQL are read whole, and what is unsafe in them is refused unless the operator says so."""

from __future__ import annotations

import pytest

from gateway.store_places import DatabasePlace, RedisPlace, database_place, redis_place

from .installation import Installation, Terminal

PASSWORD = {"env": "REDIS_PASSWORD"}
DATABASE = "postgresql://lanyard@127.0.0.1/lanyard"


def test_a_redis_server_is_read_with_user_and_database() -> None:
    """Nothing of the address is left out or made up."""
    assert redis_place("rediss://gw@cache.example:6380/3") == RedisPlace((("cache.example", 6380),), True, "gw", 3)
    assert redis_place("redis://127.0.0.1") == RedisPlace((("127.0.0.1", 6379),), False)


def test_sentinels_are_several_and_name_their_server() -> None:
    """Each with its own port, or the usual one."""
    place = redis_place("rediss+sentinel://one,two:26380,[::1]/gw/1")
    assert place == RedisPlace((("one", 26379), ("two", 26380), ("::1", 26379)), True, "", 1, "gw")


def test_a_database_is_read_with_how_it_is_verified() -> None:
    """`sslmode` and its certificate authorities are all that may follow."""
    place = database_place("postgresql://l%40n@db.example:5433/gw?sslmode=verify-full&sslrootcert=/etc/ca.pem")
    assert place == DatabasePlace((("db.example", 5433),), "l@n", "gw", "verify-full", "/etc/ca.pem")
    assert not place.unsafe


def test_several_servers_of_one_database_are_read() -> None:
    """Each with its own port, or the usual one; one that is not on this machine makes all of it unsafe."""
    place = database_place("postgresql://gw@db1.example,db2.example:5433/gw?sslmode=verify-full")
    assert place.hosts == (("db1.example", 5432), ("db2.example", 5433))
    assert str(place) == "`gw` at db1.example:5432,db2.example:5433"
    assert database_place("postgresql://gw@127.0.0.1,db2.example/gw").unsafe
    assert not database_place("postgresql://gw@127.0.0.1,localhost/gw").unsafe


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis://u:secret@127.0.0.1", "redis_password"),
        ("memcached://127.0.0.1", "rediss://"),
        ("redis://one,two", "sentinels"),
        ("redis+sentinel://one,two", "NAME"),
        ("redis://127.0.0.1/x", "number"),
        ("redis://127.0.0.1:0", "no host and port"),
        ("redis://127.0.0.1?a=b", "query"),
        ("redis://127.0.0.1/0 ", "blank"),
    ],
)
def test_a_bad_redis_address_says_what_to_write(url: str, says: str) -> None:
    """And never repeats a password."""
    with pytest.raises(ValueError, match=says) as refused:
        redis_place(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://u:secret@127.0.0.1/gw", "database_password"),
        ("postgresql://127.0.0.1/gw", "user@host"),
        ("postgresql://u@127.0.0.1", "user@host"),
        ("mysql://u@127.0.0.1/gw", "postgresql://"),
        ("postgresql://u@127.0.0.1/gw?options=-c", "options"),
    ],
)
def test_a_bad_database_address_says_what_to_write(url: str, says: str) -> None:
    """Options that could change what is asked are not taken."""
    with pytest.raises(ValueError, match=says) as refused:
        database_place(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"redis_url": "redis://127.0.0.1", "redis_password": PASSWORD}, "`redis_url` needs `database_url`"),
        ({"redis_url": "redis://10.1.1.4", "redis_password": PASSWORD, "database_url": DATABASE}, "plain text"),
        ({"redis_url": "redis://127.0.0.1", "database_url": DATABASE}, "no `redis_password`"),
        ({"database_url": "postgresql://u@10.1.1.4/gw"}, "verify-full"),
        ({"database_url": "postgresql://u@10.1.1.4/gw?sslmode=require"}, "verify-full"),
    ],
)
def test_what_could_be_read_on_the_way_is_refused(
    place: Installation, lanyard: Terminal, given: dict[str, object], says: str
) -> None:
    """Each names the setting and the remedy, before anything is opened."""
    place.values["gateway"] |= given
    place.write()
    said = lanyard("check")
    assert said.code == 2
    assert says in said.err


def test_a_central_acknowledgement_needs_a_central_journal(place: Installation, lanyard: Terminal) -> None:
    """`audit.ack` promises nothing that nobody could keep."""
    place.values["audit"]["ack"] = "local+central"
    place.write()
    said = lanyard("check")
    assert said.code == 2
    assert "gateway.database_url" in said.err
