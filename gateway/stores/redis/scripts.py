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


def at(kind: str, rest: str) -> str:
    """The key of one thing, by the hash that finds it."""
    return f"{PREFIX}{kind}:{rest}"


@dataclass(frozen=True, slots=True)
class Script:
    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest())


def _script(text: str, *, when_full: bool = True) -> Script:
    return Script(f"#!lua{' flags=allow-oom' if when_full else ''}\n{text}")


# Plans (plan.py), each applied whole or not at all, by itself. Of each, in order: nothing where it was applied, else what stands
# under the keys that it minds.
_APPLY = """
local function sooner(at, limit)
  if limit ~= '' then
    local known = redis.call('PEXPIRETIME', limit)
    if known > 0 and known < at then return known end
  end
  return at
end
local function lasts(key, at)
  if redis.call('PEXPIREAT', key, at, 'NX') == 0 then redis.call('PEXPIREAT', key, at, 'GT') end
end
local does = {}
function does.put(key, value, at, limit)
  redis.call('SET', key, value, 'PXAT', string.format('%.0f', sooner(at, limit)))
end
function does.put_beside(key, value, owner, listed, name)
  local at = redis.call('PEXPIRETIME', owner)
  if at <= 0 then at = redis.call('TIME')[1] * 1000 + 86400000 end
  at = string.format('%.0f', at)
  redis.call('SET', key, value, 'PXAT', at)
  redis.call('HSET', listed, name, '')
  lasts(listed, at)
end
function does.list(key, name, at)
  redis.call('HSET', key, name, '')
  lasts(key, string.format('%.0f', at))
end
function does.unlist(key, name) redis.call('HDEL', key, name) end
function does.drop(key) redis.call('DEL', key) end
function does.bury(key) redis.call('SET', key, '-', 'KEEPTTL', 'XX') end
function does.bury_listed(listed, prefix)
  for _, name in ipairs(redis.call('HKEYS', listed)) do does.bury(prefix .. name) end
  redis.call('DEL', listed)
end
function does.last_as_long(owner, listed, prefix)
  local at = redis.call('PEXPIRETIME', owner)
  if at <= 0 then return end
  at = string.format('%.0f', at)
  redis.call('PEXPIREAT', listed, at)
  for _, name in ipairs(redis.call('HKEYS', listed)) do redis.call('PEXPIREAT', prefix .. name, at) end
end
local function stands(guard)
  if guard[1] == 'listed' then
    if redis.call('HLEN', guard[2]) ~= #guard[3] then return false end
    for _, name in ipairs(guard[3]) do
      if redis.call('HEXISTS', guard[2], name) == 0 then return false end
    end
    return true
  end
  local kept = redis.call('GET', guard[2])
  if guard[3] == '' then return kept == false end
  return kept and string.sub(kept, 1, #guard[3]) == guard[3]
end
local function apply(plan)
  for _, guard in ipairs(plan.guards) do
    if not stands(guard) then
      local found = {}
      for i, each in ipairs(plan.guards) do found[i] = each[1] == 'is' and redis.call('GET', each[2]) end
      return found
    end
  end
  for _, write in ipairs(plan.writes) do does[write[1]](unpack(write, 2)) end
  if #plan.say > 0 then
    redis.call('SET', KEYS[3], plan.era, 'NX')
    local turn = redis.call('INCR', KEYS[2])
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', 10000, turn .. '-1', 'by', plan.by, 'keys', plan.say)
  end
  return {}
end
local done = {}
for i, text in ipairs(ARGV) do done[i] = apply(cjson.decode(text)) end
return done
"""
APPLY = _script(_APPLY)
APPLY_IF_ROOM = _script(_APPLY, when_full=False)

# Whether it takes writes, also where its memory is used up.
PROBED = f"{PREFIX}probed"
PROBE = _script("return redis.call('SET', KEYS[1], '', 'PX', 1000)")

READ = _script("return redis.call('MGET', unpack(KEYS))")

# What a list names, with what each stands for; names of what is gone are dropped.
LISTED = _script(
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

# A cookie, its session and its shift. Each value begins with the hash of the next.
COOKIE = _script(
    """
local token = redis.call('GET', KEYS[1])
if not token or token == '-' then return {token} end
local session = redis.call('GET', ARGV[1] .. string.sub(token, 1, 64))
if not session then return {token} end
return {token, session, redis.call('GET', ARGV[2] .. string.sub(session, 1, 64))}
"""
)

TAKE = _script("return redis.call('GETDEL', KEYS[1])")

# KEYS: the code. ARGV: now, its end, when it may be forgotten.
FIRST_TIME = _script(
    """
local known = redis.call('GET', KEYS[1])
if known and tonumber(known) > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
return 1
"""
)

TALLY = _script(
    """
local count, expires = 0, ARGV[2]
local known = redis.call('HMGET', KEYS[1], 'count', 'expires')
if known[1] and tonumber(known[2]) > tonumber(ARGV[1]) then count, expires = tonumber(known[1]), known[2] end
redis.call('HSET', KEYS[1], 'count', count + 1, 'expires', expires)
redis.call('PEXPIREAT', KEYS[1], ARGV[3])
return count + 1
"""
)
TAKE_BACK = _script(
    """
if tonumber(redis.call('HGET', KEYS[1], 'count') or 0) > 0 then redis.call('HINCRBY', KEYS[1], 'count', -1) end
"""
)
DROP = _script("return redis.call('DEL', KEYS[1])")

# A fence is the server's microseconds, and higher than the last: higher also than those of a server that this one took the place of.
TAKE_LEASE = _script(
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
RENEW_LEASE = _script(
    """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
)
DROP_LEASE = _script("if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end")

VERSION = _script("return redis.call('GETRANGE', KEYS[1], 0, 19)")

READ_COPIED = _script(
    """
local known = redis.call('HMGET', KEYS[1], 'history', 'place')
return {known[1], known[2], redis.call('GET', KEYS[2])}
"""
)
# ARGV: history, place, doubt, until when there is doubt.
NOTE_COPIED = _script(
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
HEARD = _script(
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
