-- Takes the next message for a node, in one step.
-- KEYS: the queue of the node itself, its intermediate queue; the farm's intermediate queue; the lanes; RQ's queues.
-- ARGV: the prefix of a message's hash; the names of its fields taken_by, taken_at, needs and waiting_since; the taker;
--       the prefixes of the keys of limits and of held room; the node (JSON); what is free on it; what it has in all;
--       whether it takes from the lanes (1); for how many seconds room is held once it is asked for,
--       and what is noted of a limit holds.
-- Returns the message's id, and what its execution needs; or false.
local own, own_intermediate, intermediate, lanes_key, queues_key = unpack(KEYS)
local hash_prefix, taken_by, taken_at, needs_field, since_field, taker = unpack(ARGV, 1, 6)
local limit_prefix, room_prefix = ARGV[7], ARGV[8]
local node = cjson.decode(ARGV[9])
local hold_seconds, limit_seconds = ARGV[13], ARGV[14]
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local drops = 1000
local steps = {high = 2, normal = 1, low = 0}

local function amounts(text)
  local list = {}
  for amount in string.gmatch(text, '%S+') do list[#list + 1] = tonumber(amount) end
  return list
end

local function fits(needs, room)
  for i, amount in ipairs(needs) do
    if amount > 0 and amount > room[i] then return false end
  end
  return true
end

-- The first message of a list. An id without a hash is that of a message which was withdrawn.
local function head(list)
  while drops > 0 do
    local id = redis.call('LINDEX', list, 0)
    if not id then return nil end
    if redis.call('EXISTS', hash_prefix .. id) == 1 then return id end
    redis.call('LPOP', list)
    drops = drops - 1
  end
end

local function take(list, to, id)
  redis.call('LPOP', list)
  redis.call('RPUSH', to, id)
  redis.call('HSET', hash_prefix .. id, taken_by, taker, taken_at, time[1])
  return {id, redis.call('HGET', hash_prefix .. id, needs_field) or ''}
end

local function is_open_to_us(demand)
  if demand.node ~= '' then
    if demand.node ~= node.name then return false end
  elseif not node.pools[demand.pool] then
    return false
  end
  for name, value in pairs(demand.constraints) do
    if node.labels[name] ~= value then return false end
  end
  for _, name in ipairs(demand.volumes) do
    if not node.volumes[name] then return false end
  end
  return true
end

local function is_below_limits(demand)
  for _, limit in ipairs(demand.limits) do
    if redis.call('SCARD', limit_prefix .. limit[1]) >= limit[2] then return false end
  end
  return true
end

-- The lanes that are open to us, with their first messages, in the order in which those go.
local function candidates()
  local found = {}
  local lanes = redis.call('HGETALL', lanes_key)
  for i = 1, #lanes, 2 do
    local demand = cjson.decode(string.match(lanes[i + 1], '^%S+ (.*)$'))
    if is_open_to_us(demand) then
      local id = head(lanes[i])
      if id then
        local since = tonumber(redis.call('HGET', hash_prefix .. id, since_field)) or now_ms
        local rank = since - steps[demand.priority] * node.step_ms
        found[#found + 1] = {list = lanes[i], demand = demand, id = id, since = since, rank = rank}
      elseif redis.call('EXISTS', lanes[i]) == 0 then
        redis.call('HDEL', lanes_key, lanes[i])
        redis.call('SREM', queues_key, lanes[i])
      end
    end
  end
  table.sort(found, function(a, b)
    if a.rank ~= b.rank then return a.rank < b.rank end
    return a.list < b.list
  end)
  return found
end

-- Whether this node is to hold room for a message: no other one does; or it has waited for so long that all nodes do
-- which are large enough, since what runs on the first one may take for ever.
local function holds_room(id, waited_ms)
  local key = room_prefix .. id
  local holder = redis.call('GET', key)
  if holder and holder ~= node.name then return waited_ms >= 4 * node.room_wait_ms end
  redis.call('SET', key, node.name, 'EX', hold_seconds)
  return true
end

local mine = head(own)
if mine then return take(own, own_intermediate, mine) end
if ARGV[12] ~= '1' then return false end

local room, capacity = amounts(ARGV[10]), amounts(ARGV[11])
local is_held = false
for _, candidate in ipairs(candidates()) do
  if is_below_limits(candidate.demand) then
    local needs = amounts(candidate.demand.needs)
    if fits(needs, room) then
      for _, limit in ipairs(candidate.demand.limits) do
        redis.call('SADD', limit_prefix .. limit[1], candidate.id)
        redis.call('EXPIRE', limit_prefix .. limit[1], limit_seconds)
      end
      redis.call('DEL', room_prefix .. candidate.id)
      return take(candidate.list, intermediate, candidate.id)
    end
    local waited_ms = now_ms - candidate.since
    local may_hold = not is_held and waited_ms >= node.room_wait_ms and fits(needs, capacity)
    if may_hold and holds_room(candidate.id, waited_ms) then
      is_held = true
      for i, amount in ipairs(needs) do room[i] = room[i] - amount end
    end
  end
end
return false
