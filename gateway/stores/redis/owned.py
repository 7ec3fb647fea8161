"""Scripts about what belongs together: a shift's sessions, a session's cookies and log-ons; and plans, which write to all of it at once."""

from __future__ import annotations

from .scripts import PREFIX, script

# Of what has an owner, or is one, the value is a line and then what is sealed. The line names its owner (`-` where there is none), and
# then what belongs to it, each as its key without the prefix: a list of its own would be a key more.
_LINES = (
    f"local prefix = '{PREFIX}'\n"
    + """
local function halves(value)
  local cut = string.find(value, '\\n', 1, true) or #value + 1
  return string.sub(value, 1, cut - 1), string.sub(value, cut + 1)
end
local function belonging(value, kind)
  local found = {}
  for word in string.gmatch(string.match(halves(value), ' .*') or '', '%S+') do
    if string.sub(word, 1, #kind) == kind then found[#found + 1] = word end
  end
  return found
end
local function owner(value) return string.match(halves(value), '^%S+') or '-' end
local function rewrite(key, value, names)
  local _, sealed = halves(value)
  redis.call('SET', key, table.concat({owner(value), unpack(names)}, ' ') .. '\\n' .. sealed, 'KEEPTTL')
end
local function without(names, name)
  local found = {}
  for _, each in ipairs(names) do if each ~= name then found[#found + 1] = each end end
  return found
end
"""
)

# Plans (plan.py), each applied whole or not at all, by itself. Of each, in order: nothing where it was applied, else what stands
# under the keys that it minds.
_APPLY = (
    _LINES
    + """
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
function does.put(key, value, at)
  redis.call('SET', key, value, 'PXAT', string.format('%.0f', at))
end
function does.keep(key, owner, sealed, at, limit)
  local kept = redis.call('GET', key)
  local line = kept and halves(kept) or owner
  redis.call('SET', key, line .. '\\n' .. sealed, 'PXAT', string.format('%.0f', sooner(at, limit)))
end
function does.put_beside(key, value, owner)
  local at = redis.call('PEXPIRETIME', owner)
  if at <= 0 then at = redis.call('TIME')[1] * 1000 + 86400000 end
  redis.call('SET', key, value, 'PXAT', string.format('%.0f', at))
  does.add(owner, string.sub(key, #prefix + 1))
end
function does.add(owner, name)
  local kept = redis.call('GET', owner)
  if not kept then return end
  local names = belonging(kept, '')
  local known = #names
  if #without(names, name) < known then return end
  names[known + 1] = name
  rewrite(owner, kept, names)
end
function does.take_out(owner, name)
  local kept = redis.call('GET', owner)
  if kept then rewrite(owner, kept, without(belonging(kept, ''), name)) end
end
function does.list(key, name, at)
  redis.call('HSET', key, name, '')
  lasts(key, string.format('%.0f', at))
end
function does.unlist(key, name) redis.call('HDEL', key, name) end
function does.drop(key) redis.call('DEL', key) end
function does.bury(key) redis.call('SET', key, '-', 'KEEPTTL', 'XX') end
function does.bury_belonging(owner, kind)
  local kept = redis.call('GET', owner)
  if not kept then return end
  local names = belonging(kept, '')
  for _, name in ipairs(belonging(kept, kind)) do
    does.bury(prefix .. name)
    names = without(names, name)
  end
  rewrite(owner, kept, names)
end
function does.last_as_long(owner)
  local at, kept = redis.call('PEXPIRETIME', owner), redis.call('GET', owner)
  if at <= 0 or not kept then return end
  for _, name in ipairs(belonging(kept, '')) do redis.call('PEXPIREAT', prefix .. name, string.format('%.0f', at)) end
end
local stands = {}
function stands.begins(kept, with)
  if with == '' then return kept == false end
  return kept and string.sub(kept, 1, #with) == with
end
function stands.sealed(kept, with)
  if not kept or with == '' then return kept == false and with == '' end
  local _, sealed = halves(kept)
  return string.sub(sealed, 1, #with) == with
end
function stands.owns(kept, names, kind)
  local known = kept and belonging(kept, kind) or {}
  if #known ~= #names then return false end
  for _, name in ipairs(names) do
    if #without(known, name) == #known then return false end
  end
  return true
end
local function apply(plan)
  for _, guard in ipairs(plan.guards) do
    if not stands[guard[1]](redis.call('GET', guard[2]), unpack(guard, 3)) then
      local found = {}
      for i, each in ipairs(plan.guards) do found[i] = each[1] ~= 'owns' and redis.call('GET', each[2]) end
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
)
APPLY = script(_APPLY)
APPLY_IF_ROOM = script(_APPLY, when_full=False)

# The same of what belongs to an owner, by kind.
BELONGING = script(
    _LINES
    + """
local kept = redis.call('GET', KEYS[1])
if not kept then return {} end
local names, found = belonging(kept, ''), {}
local known = #names
for _, name in ipairs(belonging(kept, ARGV[1])) do
  local value = redis.call('GET', prefix .. name)
  if value then
    found[#found + 1] = string.sub(name, #ARGV[1] + 1)
    found[#found + 1] = value
  else
    names = without(names, name)
  end
end
if #names < known then rewrite(KEYS[1], kept, names) end
return found
"""
)

# A cookie, its session and its shift: each names its owner.
COOKIE = script(
    _LINES
    + """
local token = redis.call('GET', KEYS[1])
if not token or token == '-' then return {token} end
local session = redis.call('GET', prefix .. owner(token))
if not session then return {token} end
return {token, session, redis.call('GET', prefix .. owner(session))}
"""
)
