--- Who waits and who is next: rules by example, then the machine against a small model over random events under a held clock.
-- SEQUENCES=1000000 for a night; SEED=n SEQUENCES=1 repeats one that failed.
-- Asked for by the million, and busted looks a global up in all its contexts.
local assert, error, ipairs, math, os, pcall, setmetatable, table, tonumber = assert, error, ipairs, math, os, pcall, setmetatable, table, tonumber

local wait_queue = require("gateway.runtime").wait_queue

local LATER = 1000000

describe("the queue of those who wait", function()
  local queue

  before_each(function() queue = wait_queue.new(wait_queue.max) end)

  --- The entries that it would serve, in order.
  local function served(now)
    local order = {}
    queue:round()
    for id in function() return queue:next(now or 0) end do
      order[#order + 1] = id
      queue:serve(id)
    end
    return order
  end

  it("serves one user's in the order they came", function()
    for id = 1, 4 do
      assert.is_true(queue:add(id, 7, 1, 5, LATER))
    end
    assert.same({ 1, 2, 3, 4 }, served())
    assert.equal(0, queue:count())
  end)

  it("serves lower classes first, whenever they came", function()
    for id, priority in ipairs { 9, 5, 0, 5, 0 } do
      queue:add(id, 7, 1, priority, LATER)
    end
    assert.same({ 3, 5, 2, 4, 1 }, served())
  end)

  it("lets the users of a class take turns", function()
    for id, user in ipairs { 1, 1, 1, 1, 2, 2, 3 } do
      queue:add(id, user, 1, 0, LATER)
    end
    assert.same({ 1, 5, 7, 2, 6, 3, 4 }, served())
  end)

  it("puts who was served last behind who was not, also when others come later", function()
    queue:add(1, 1, 1, 0, LATER)
    queue:add(2, 1, 1, 0, LATER)
    queue:round()
    queue:serve(queue:next(0))
    queue:add(3, 2, 1, 0, LATER)
    queue:add(4, 1, 1, 0, LATER)
    assert.same({ 2, 3, 4 }, served())
  end)

  it("does not try those behind one that does not fit, but other lanes", function()
    queue:add(1, 1, 10, 0, LATER)
    queue:add(2, 2, 10, 0, LATER)
    queue:add(3, 1, 20, 5, LATER)
    queue:round()
    assert.equal(1, queue:next(0))
    queue:block(1)
    assert.equal(3, queue:next(0))
    queue:serve(3)
    assert.is_nil(queue:next(0))
    assert.same({ 1, 2 }, served()) -- the next round tries all again
  end)

  it("keeps the turn of who was blocked or left", function()
    queue:add(1, 1, 10, 0, LATER)
    queue:add(2, 1, 10, 0, LATER)
    queue:add(3, 2, 10, 0, LATER)
    queue:round()
    queue:block(queue:next(0))
    queue:remove(1)
    assert.same({ 2, 3 }, served())
  end)

  it("is bounded", function()
    queue = wait_queue.new(2)
    assert.is_true(queue:add(1, 1, 1, 0, LATER))
    assert.is_true(queue:add(2, 1, 1, 0, LATER))
    assert.is_false(queue:add(3, 2, 1, 0, LATER))
    queue:remove(1)
    assert.is_true(queue:add(3, 2, 1, 0, LATER))
    assert.equal(2, queue:count())
  end)

  it("names whose wait is over, the longest overdue first, and serves none of them", function()
    queue:add(1, 1, 1, 0, 300)
    queue:add(2, 2, 1, 0, 100)
    queue:add(3, 3, 1, 0, 100)
    assert.equal(100, queue:deadline())
    assert.is_nil(queue:expired(99))
    queue:round()
    assert.equal(1, queue:next(100))
    for _, id in ipairs { 2, 3 } do
      assert.equal(id, queue:expired(100))
      queue:remove(id)
    end
    assert.is_nil(queue:expired(299))
    assert.is_nil(queue:next(300))
    assert.equal(1, queue:expired(300))
    queue:remove(1)
    assert.is_nil(queue:deadline())
  end)

  it("survives more lanes in one round than can wait at a time", function()
    queue:round()
    local blocked = 0
    for i = 1, 3 * wait_queue.max do
      queue:add(1, 1, i, 0, LATER)
      if queue:next(0) == 1 then
        queue:block(1)
        blocked = blocked + 1
      end
      assert.is_nil(queue:next(0))
      queue:remove(1)
    end
    assert.equal(wait_queue.max, blocked)
    queue:add(1, 1, 1, 0, LATER)
    assert.same({ 1 }, served())
  end)
end)

-- ---------------------------------------------------------------- the model

--- The same in plain words: classes of users in line, each with a list; nothing is remembered that could be looked up.
local Model = {}
Model.__index = Model

local function new_model(limit)
  local classes = {}
  for priority = 0, 9 do
    classes[priority] = {}
  end
  return setmetatable({ classes = classes, limit = limit, count = 0, serial = 0, blocked = {} }, Model)
end

function Model:each(visit)
  for priority = 0, 9 do
    for u, user in ipairs(self.classes[priority]) do
      for e, entry in ipairs(user.entries) do
        local found = visit(entry, priority, u, e)
        if found ~= nil then
          return found
        end
      end
    end
  end
end

function Model:add(id, user, lane, priority, till)
  if self.count == self.limit then
    return false
  end
  self.count, self.serial = self.count + 1, self.serial + 1
  local entry = { id = id, lane = lane, till = till, serial = self.serial }
  for _, known in ipairs(self.classes[priority]) do
    if known.id == user then
      table.insert(known.entries, entry)
      return true
    end
  end
  table.insert(self.classes[priority], { id = user, entries = { entry } })
  return true
end

function Model:take_out(id, turn_passes)
  self:each(function(entry, priority, u, e)
    if entry.id == id then
      local line = self.classes[priority]
      local user = line[u]
      table.remove(user.entries, e)
      if #user.entries == 0 or turn_passes then
        table.remove(line, u)
      end
      if #user.entries > 0 and turn_passes then
        table.insert(line, user)
      end
      self.count = self.count - 1
      return true
    end
  end)
end

function Model:next(now)
  return self:each(function(entry)
    if not self.blocked[entry.lane] and entry.till > now then
      return entry.id
    end
  end)
end

function Model:block(id)
  self:each(function(entry)
    if entry.id == id then
      self.blocked[entry.lane] = true
    end
  end)
end

function Model:expired(now)
  local first
  self:each(function(entry)
    local sooner = not first or entry.till < first.till or (entry.till == first.till and entry.serial < first.serial)
    if entry.till <= now and sooner then
      first = entry
    end
  end)
  return first and first.id
end

function Model:soonest()
  local soonest
  self:each(function(entry) soonest = math.min(soonest or entry.till, entry.till) end)
  return soonest
end

-- A generator of its own: the same sequences everywhere, whatever else draws.
local function chances(seed)
  local state = seed * 2654435761 + 1
  return function(count)
    state = (state * 6364136223846793005 + 1442695040888963407) & -1
    return (state >> 33) % count + 1
  end
end

--- One sequence. `story`: a list that is told what happened, for the message when the two differ.
local function play(seed, story)
  local chance = chances(seed)
  local limit = chance(12)
  local queue, model = wait_queue.new(limit), new_model(limit)
  local now, waiting, free = 0, {}, {}
  local users, lanes, classes = chance(4), chance(3), chance(3)
  for id = 20, 1, -1 do
    free[#free + 1] = id
  end

  local function note(text, ...)
    if story then
      story[#story + 1] = text:format(...)
    end
  end
  local function same(what, expected, got)
    if expected ~= got then
      error(("seed %d: %s: the model says %s, the machine %s"):format(seed, what, expected, got), 0)
    end
  end
  local function forget(id)
    waiting[id] = nil
    free[#free + 1] = id
  end
  local function pick()
    local ids = {}
    for id = 1, 20 do
      ids[#ids + 1] = waiting[id] and id or nil
    end
    return #ids > 0 and ids[chance(#ids)] or nil
  end

  local events = {
    function() -- an entry comes
      local id = table.remove(free)
      if not id then
        return
      end
      local user, lane, priority, till = chance(users), chance(lanes), (chance(classes) - 1) * 4, now + chance(40)
      note("add(%d,%d,%d,%d,%d)", id, user, lane, priority, till)
      local taken = model:add(id, user, lane, priority, till)
      same("room", taken, queue:add(id, user, lane, priority, till))
      if taken then
        waiting[id] = true
      else
        free[#free + 1] = id
      end
    end,
    function() -- an entry leaves
      local id = pick()
      if id then
        note("leave(%d)", id)
        model:take_out(id, false)
        queue:remove(id)
        forget(id)
      end
    end,
    function() -- time passes
      now = now + chance(15)
      note("at(%d)", now)
    end,
    function() -- waits end
      for id in function() return model:expired(now) end do
        same("expired", id, queue:expired(now))
        note("over(%d)", id)
        model:take_out(id, false)
        queue:remove(id)
        forget(id)
      end
      same("expired", nil, queue:expired(now))
      local deadline, soonest = queue:deadline(), model:soonest()
      same("whether there is a deadline", soonest ~= nil, deadline ~= nil)
      same("a deadline not behind any", true, not deadline or deadline <= soonest)
    end,
    function() -- some room: a round
      model.blocked = {}
      queue:round()
      note "round"
      for id in function() return model:next(now) end do
        same("next", id, queue:next(now))
        if chance(2) == 1 then
          note("serve(%d)", id)
          model:take_out(id, true)
          queue:serve(id)
          forget(id)
        else
          note("block(%d)", id)
          model:block(id)
          queue:block(id)
        end
        if chance(8) == 1 then -- who was served may end others
          local other = pick()
          if other then
            note("leave(%d)", other)
            model:take_out(other, false)
            queue:remove(other)
            forget(other)
          end
        end
      end
      same("next", nil, queue:next(now))
    end,
  }
  local weights = { 1, 1, 1, 2, 3, 4, 5, 5 }
  for _ = 1, 25 do
    events[weights[chance(#weights)]]()
    same("count", model.count, queue:count())
  end
end

local first = tonumber(os.getenv "SEED") or os.time()
local sequences = tonumber(os.getenv "SEQUENCES") or 10000

describe(("the queue beside its model (SEED=%d)"):format(first), function()
  it("does the same over random sequences", function()
    for seed = first, first + sequences - 1 do
      local ok, message = pcall(play, seed)
      if not ok then
        local story = {}
        pcall(play, seed, story)
        error(message .. ", after " .. table.concat(story, " "), 0)
      end
    end
  end)
end)
