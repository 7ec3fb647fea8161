"""What Redis does at once, or not at all: its scripts.

They name no flag `no-writes`, also where they only read: a replica, and a server that was the primary until just now, refuses them,
and so shows nobody what has changed elsewhere. `allow-oom`: also where the memory is used up, whoever has begun goes on.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

PREFIX = "{lanyard}:"  # in braces: a cluster keeps all of it on one server
STREAM, TURN, ERA = f"{PREFIX}heard", f"{PREFIX}turn", f"{PREFIX}era"
COPIED, DOUBTED = f"{PREFIX}copied", f"{PREFIX}doubted"


def at(kind: str, name: str) -> str:
    """The key of one thing, by the name that finds it."""
    return f"{PREFIX}{kind}:{name}"


@dataclass(frozen=True, slots=True)
class Script:
    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest())


def script(text: str, *, when_full: bool = True) -> Script:
    return Script(f"#!lua{' flags=allow-oom' if when_full else ''}\n{text}")


READ = script("return redis.call('MGET', unpack(KEYS))")

# What a list names, with what each stands for; names of what is gone are dropped.
LISTED = script(
    """
local found = {}
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  local value = redis.call('GET', ARGV[1] .. name)
  if value then
    found[#found + 1] = name
    found[#found + 1] = value
  else
    redis.call('HDEL', KEYS[1], name)
  end
end
return found
"""
)

TAKE = script("return redis.call('GETDEL', KEYS[1])")

# KEYS: the code. ARGV: now, its end, when it may be forgotten.
FIRST_TIME = script(
    """
local known = redis.call('GET', KEYS[1])
if known and tonumber(known) > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
return 1
"""
)

TALLY = script(
    """
local count, expires = 0, ARGV[2]
local known = redis.call('HMGET', KEYS[1], 'count', 'expires')
if known[1] and tonumber(known[2]) > tonumber(ARGV[1]) then count, expires = tonumber(known[1]), known[2] end
redis.call('HSET', KEYS[1], 'count', count + 1, 'expires', expires)
redis.call('PEXPIREAT', KEYS[1], ARGV[3])
return count + 1
"""
)
TAKE_BACK = script(
    """
if tonumber(redis.call('HGET', KEYS[1], 'count') or 0) > 0 then redis.call('HINCRBY', KEYS[1], 'count', -1) end
"""
)
DROP = script("return redis.call('DEL', KEYS[1])")

# A fence is the server's microseconds, and higher than the last: higher also than those of a server that this one took the place of.
TAKE_LEASE = script(
    """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return false end
local time = redis.call('TIME')
local fence = math.max(time[1] * 1000000 + time[2], tonumber(redis.call('GET', KEYS[2]) or 0) + 1)
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[2], string.format('%.0f', fence), 'PX', 86400000)
return string.format('%.0f', fence)
"""
)
RENEW_LEASE = script(
    """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
)
DROP_LEASE = script("if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end")

VERSION = script("return redis.call('GETRANGE', KEYS[1], 0, 19)")

READ_COPIED = script(
    """
local known = redis.call('HMGET', KEYS[1], 'history', 'place')
return {known[1], known[2], redis.call('GET', KEYS[2])}
"""
)
# ARGV: history, place, doubt, until when there is doubt.
NOTE_COPIED = script(
    """
local server = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or ''
local line = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)') or ''
if server .. '.' .. line ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'history', ARGV[1])
if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], 'place', ARGV[2]) end
if ARGV[3] ~= '' then redis.call('SET', KEYS[2], ARGV[3], 'PXAT', ARGV[4]) end
return 1
"""
)

# Whose history this is, its turn, and what was said since. ARGV: history, turn, a name for a new era.
HEARD = script(
    """
redis.call('SET', KEYS[3], ARGV[3], 'NX')
local server = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or ''
local line = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)') or ''
local history = redis.sha1hex(server .. line .. redis.call('GET', KEYS[3]))
local turn = tonumber(redis.call('GET', KEYS[2]) or 0)
local since = tonumber(ARGV[2])
if history ~= ARGV[1] or since > turn or turn - since > 5000 then return {history, turn} end
local said = {}
if turn > since then said = redis.call('XRANGE', KEYS[1], (since + 1) .. '-0', '+') end
if #said ~= turn - since then return {history, turn} end
local found = {}
for i, entry in ipairs(said) do
  found[2 * i - 1] = entry[2][2]
  found[2 * i] = entry[2][4]
end
return {history, turn, found}
"""
)
