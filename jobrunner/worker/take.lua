-- Takes the next message for a node, in one step.
-- KEYS: the queue of the node itself, its intermediate queue; the farm's intermediate queue; the lanes; RQ's queues;
--       the orders in which the lanes of high, normal and low priority stand.
-- ARGV: the prefix of a message's hash; the names of its fields taken_by, taken_at, needs and waiting_since; the taker;
--       the prefixes of the keys of limits and of held room; the node (JSON); what is free on it; what it has in all;
--       whether it takes from the lanes (1); for how many seconds room is held once it is asked for,
--       and what is noted of a limit holds; at how many lanes it looks at most; at which places in the three orders it
--       begins; whether room is held already (1); the time of the farm, in UNIX milliseconds.
-- Returns the message's id, and what its execution needs; false where there is none. Or, where more lanes are to be
-- looked at, no id (''), the places to go on at, whether room is held, and what is free without it.
local own, own_intermediate, intermediate, lanes_key, queues_key = unpack(KEYS)
local hash_prefix, taken_by, taken_at, needs_field, since_field, taker = unpack(ARGV, 1, 6)
local limit_prefix, room_prefix = ARGV[7], ARGV[8]
local node = cjson.decode(ARGV[9])
local hold_seconds, limit_seconds = ARGV[13], ARGV[14]
-- Since when a message waits is told by the farm's clock, and Redis' own may be another.
local now_ms = tonumber(ARGV[20])
local drops = 1000
local looks = tonumber(ARGV[15])
local orders, order_of = {}, {}
for i, priority in ipairs({'high', 'normal', 'low'}) do
  orders[i] = {key = KEYS[5 + i], step_ms = (3 - i) * node.step_ms, at = tonumber(ARGV[15 + i])}
  order_of[priority] = orders[i]
end

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
  redis.call('HSET', hash_prefix .. id, taken_by, taker, taken_at, redis.call('TIME')[1])
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

local function demand_of(known)
  return cjson.decode(string.match(known, '^%S+ (.*)$'))
end

-- Lanes from before there were orders, or of a Redis that lost some of its keys: they stand at the beginning at first.
local function put_in_order()
  local standing = 0
  for _, order in ipairs(orders) do standing = standing + redis.call('ZCARD', order.key) end
  if standing == redis.call('HLEN', lanes_key) then return end
  for _, order in ipairs(orders) do redis.call('DEL', order.key) end
  local lanes = redis.call('HGETALL', lanes_key)
  for i = 1, #lanes, 2 do
    redis.call('ZADD', order_of[demand_of(lanes[i + 1]).priority].key, 0, lanes[i])
  end
end

local function forget(lane, order)
  redis.call('HDEL', lanes_key, lane)
  redis.call('SREM', queues_key, lane)
  redis.call('ZREM', order.key, lane)
end

-- Looks at the lane at the present place of an order: a candidate, if its first message may go now; else goes on.
local function look(order, lane, stands_at)
  local known = redis.call('HGET', lanes_key, lane)
  local demand = known and demand_of(known)
  local is_open = demand and is_open_to_us(demand)
  local id = is_open and head(lane)
  if not known or (is_open and not id and redis.call('EXISTS', lane) == 0) then return forget(lane, order) end
  if id and is_below_limits(demand) then
    local since = tonumber(redis.call('HGET', hash_prefix .. id, since_field)) or now_ms
    if since <= tonumber(stands_at) then
      return {list = lane, demand = demand, id = id, since = since, rank = since - order.step_ms, order = order}
    end
    -- What was older has been taken: the lane comes later, and what is at its place now is next.
    redis.call('ZADD', order.key, since, lane)
    return
  end
  order.at = order.at + 1
end

local function next_of(order)
  while looks > 0 do
    local lane, stands_at = unpack(redis.call('ZRANGE', order.key, order.at, order.at, 'WITHSCORES'))
    if not lane then return nil end
    looks = looks - 1
    local candidate = look(order, lane, stands_at)
    if candidate then return candidate end
  end
end

-- Of all lanes whose first messages may go now and were not looked at yet, the one that goes first; nil: there is none,
-- or we have looked at enough.
local function next_candidate()
  local best
  for _, order in ipairs(orders) do
    order.first = order.first or next_of(order)
    if order.first and (not best or order.first.rank < best.rank) then best = order.first end
  end
  return looks > 0 and best or nil
end

local function pass_by(candidate)
  candidate.order.at = candidate.order.at + 1
  candidate.order.first = nil
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

put_in_order()
local room, capacity = amounts(ARGV[10]), amounts(ARGV[11])
local is_held = ARGV[19] == '1'
for candidate in next_candidate do
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
  pass_by(candidate)
end
if looks > 0 then return false end
for i, amount in ipairs(room) do room[i] = string.format('%.0f', amount) end
return {'', orders[1].at, orders[2].at, orders[3].at, is_held and 1 or 0, table.concat(room, ' ')}
