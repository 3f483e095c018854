-- What is best said in Lua. Called once per state with the functions that Rust gives; returns those that Rust uses.
local native = ...
local again, plain_error, fatal, enter, leave = native.again, native.plain_error, native.fatal, native.enter, native.leave
local create, resume, yield, running = coroutine.create, coroutine.resume, coroutine.yield, coroutine.running
local status, close = coroutine.status, coroutine.close
local type, select, error, rawget, getmetatable = type, select, error, rawget, getmetatable
local stock_pcall, stock_xpcall, stock_load, stock_tostring, next = pcall, xpcall, load, tostring, next
local match, concat, sub = string.match, table.concat, string.sub

-- Waiting --------------------------------------------------------------------------------------------------------------------
-- A blocking function first tries in Rust. Where that says "wait" (the token), the coroutine yields the token up to the
-- scheduler, which resumes it when there is reason to try again.
local token = setmetatable({}, { __name = "wait", __metatable = false })

local function finish(...)
  if (...) ~= token then return ... end
  yield(token)
  return finish(again())
end

local function block(start)
  return function(...) return finish(start(...)) end
end

-- Errors: Rust's become texts, and those that end the run cannot be caught. ------------------------------------------------------
local function caught(ok, ...)
  if ok then return true, ... end
  local first = ...
  if fatal(first) then error(first, 0) end
  local text = plain_error(first)
  if text ~= nil then return false, text end
  return false, ...
end

function pcall(f, ...) return caught(stock_pcall(f, ...)) end

function xpcall(f, handler, ...)
  return caught(stock_xpcall(f, function(e)
    if fatal(e) then return e end
    local text = plain_error(e)
    if text ~= nil then e = text end
    return handler(e)
  end, ...))
end

local stock_ipairs = ipairs
function ipairs(t)
  if t == nil then error("ipairs(t) expects a list, got nil", 2) end
  return stock_ipairs(t)
end

-- Coroutines of scripts pass waits through to the process that they run in. -------------------------------------------------------
local processes = setmetatable({}, { __mode = "k" })
local inner = setmetatable({}, { __mode = "k" }) -- the coroutine whose wait a coroutine passes on

local function passed(co, ok, ...)
  leave()
  if ok and (...) == token then
    local me = running()
    inner[me] = co
    yield(token)
    inner[me] = nil
    enter(co)
    return passed(co, resume(co))
  end
  return caught(ok, ...)
end

local function check(value, kind, name)
  if type(value) ~= kind then error(name .. " expects a " .. kind .. ", got " .. type(value), 3) end
end

function coroutine.create(f)
  check(f, "function", "coroutine.create")
  return create(f)
end

function coroutine.resume(co, ...)
  check(co, "thread", "coroutine.resume")
  enter(co)
  return passed(co, resume(co, ...))
end

local function unwrapped(co, ok, ...)
  if ok then return ... end
  if status(co) == "suspended" then close(co) end
  error((...), 0)
end

local function close_all(co)
  local deeper = inner[co]
  if deeper and status(deeper) == "suspended" then
    local ok, e = close_all(deeper)
    if not ok then return ok, e end
  end
  inner[co] = nil
  enter(co)
  local ok, e = close(co)
  leave()
  return ok, e
end

local script_resume = coroutine.resume
function coroutine.wrap(f)
  check(f, "function", "coroutine.wrap")
  local co = create(f)
  return function(...) return unwrapped(co, script_resume(co, ...)) end
end

function coroutine.yield(...)
  if processes[running()] then
    error("coroutine.yield() outside of a coroutine: a process waits with sleep(), recv() and the like", 2)
  end
  return yield(...)
end

function coroutine.isyieldable(co)
  co = co or running()
  return not processes[co]
end

-- Texts without addresses --------------------------------------------------------------------------------------------------------
local numbers, counts = setmetatable({}, { __mode = "k" }), {}

function tostring(value)
  local text = stock_tostring(value)
  local t = type(value)
  if t == "table" or t == "function" or t == "thread" or t == "userdata" then
    local head = match(text, "^(.*): [0x]*%x+$")
    if head then
      local n = numbers[value]
      if not n then
        n = (counts[head] or 0) + 1
        counts[head], numbers[value] = n, n
      end
      return head .. " #" .. n
    end
  end
  return text
end

local write, tostring = native.print, tostring
function print(...)
  local n = select("#", ...)
  if n == 1 then return write(tostring((...))) end
  local texts = { ... }
  for i = 1, n do texts[i] = tostring(texts[i]) end
  write(concat(texts, "\t", 1, n))
end

-- A stable sort: equal elements keep their order, in every run. ---------------------------------------------------------------------
local function less(a, b) return a < b end

local function insertion(t, low, high, before)
  for i = low + 1, high do
    local x, j = t[i], i - 1
    while j >= low and before(x, t[j]) do
      t[j + 1] = t[j]
      j = j - 1
    end
    t[j + 1] = x
  end
end

local function merge_sort(t, low, high, before, spare)
  if high - low < 12 then return insertion(t, low, high, before) end
  local middle = (low + high) // 2
  merge_sort(t, low, middle, before, spare)
  merge_sort(t, middle + 1, high, before, spare)
  if not before(t[middle + 1], t[middle]) then return end
  for i = low, middle do spare[i] = t[i] end
  local i, j, k = low, middle + 1, low
  while i <= middle and j <= high do
    if before(t[j], spare[i]) then
      t[k], j = t[j], j + 1
    else
      t[k], i = spare[i], i + 1
    end
    k = k + 1
  end
  while i <= middle do
    t[k], i, k = spare[i], i + 1, k + 1
  end
end

-- Numbers with numbers, texts with texts: what else there is must know how it is compared.
local function check_comparable(t)
  local kind = type(t[1])
  if kind == "table" or kind == "userdata" then return end
  for i = 2, #t do
    local other = type(t[i])
    if other == "table" or other == "userdata" then return end
    if other ~= kind then
      error(("attempt to compare %s with %s: elements 1 and %d of the table to sort"):format(kind, other, i), 3)
    end
  end
end

function table.sort(t, before)
  if type(t) ~= "table" then error("table.sort expects a table, got " .. type(t), 2) end
  if before ~= nil and type(before) ~= "function" then error("table.sort expects a function to compare with, got " .. type(before), 2) end
  if not before then check_comparable(t) end
  merge_sort(t, 1, #t, before or less, {})
end

local function key_before(a, b)
  local ta, tb = type(a), type(b)
  if ta == tb then return a < b end
  return ta == "number"
end

function sorted(t)
  if type(t) ~= "table" then error("sorted(t) expects a table, got " .. type(t), 2) end
  local keys, n = {}, 0
  for k in next, t do
    local tk = type(k)
    if tk ~= "number" and tk ~= "string" then error("sorted(t) needs keys that are numbers or texts; one is a " .. tk, 2) end
    n = n + 1
    keys[n] = k
  end
  merge_sort(keys, 1, n, key_before, {})
  local i = 0
  return function()
    i = i + 1
    local k = keys[i]
    if k ~= nil then return k, t[k] end
  end
end

function range(first, last, step)
  step = step or 1
  if type(first) ~= "number" or type(last) ~= "number" or type(step) ~= "number" or step == 0 then
    error("range(first, last [, step]) expects numbers, and a step that is not 0", 2)
  end
  local list, n = {}, math.floor((last - first) / step + 1e-9)
  for i = 0, n do
    local x = first + i * step
    -- 0.1 + 2 * 0.1 is meant to be 0.3.
    if math.type(x) == "float" then x = tonumber(("%.12g"):format(x)) + 0.0 end
    list[i + 1] = x
  end
  return list
end

local stock_setmetatable = setmetatable
function setmetatable(t, meta)
  check(t, "table", "setmetatable")
  if meta ~= nil then check(meta, "table", "setmetatable: its second argument") end
  if t == _G then
    error("setmetatable(_G, ...): the globals have a metatable of their own; a name that was never assigned is an error already", 2)
  end
  if type(meta) == "table" and rawget(meta, "__gc") ~= nil then
    error("__gc is not called here: collection has no place in simulated time", 2)
  end
  return stock_setmetatable(t, meta)
end

-- Code and files ---------------------------------------------------------------------------------------------------------------------
function load(chunk, name, mode, ...)
  if mode == "b" then error("load: only text can be loaded, mode \"t\"", 2) end
  if type(name) == "string" and match(name, "^@") then name = "=" .. sub(name, 2) end
  return stock_load(chunk, name, "t", ...)
end

local loaded = {}
function require(name)
  if name == "socket" then
    error("there is no module 'socket' here, and no need of one: net:host gives hosts, and these the sockets: host:tcp(), host:udp(), host:connect(to, port)", 2)
  end
  if type(name) ~= "string" then error("require expects the name of a module, got " .. type(name), 2) end
  if match(name, "%.lua$") then error("require '" .. name .. "': write it without .lua", 2) end
  local found = loaded[name]
  if found == token then error("require '" .. name .. "': the modules require each other in a circle", 2) end
  if found ~= nil then return found end
  local text, chunk = native.read_module(name)
  local f, e = stock_load(text, "@" .. chunk, "t")
  if not f then error(e, 0) end
  loaded[name] = token
  local value = f(name, chunk)
  if value == nil then value = true end
  loaded[name] = value
  return value
end

-- What is not here says what to use instead. --------------------------------------------------------------------------------------------
local function absent(name, hints)
  _G[name] = setmetatable({}, {
    __metatable = false,
    __index = function(_, key)
      error(("there is no %s.%s here; %s"):format(name, stock_tostring(key), hints[key] or hints[1]), 2)
    end,
    __newindex = function() error("there is no '" .. name .. "' here; " .. hints[1], 2) end,
  })
end
absent("os", {
  "scripts cannot reach the system",
  time = "time is simulated: use now()", clock = "time is simulated: use now()", date = "time is simulated: use now()",
  getenv = "give parameters on the command line: -p name=value", exit = "use stop([reason])",
})
absent("io", {
  "write results with record{} and csv(), read files with read_file(name)",
  open = "write results with record{} and csv(), read files with read_file(name)",
  write = "use print() or csv()", read = "scripts have no input: use experiment{ params = {...} } and -p name=value",
})
absent("debug", { "errors show where they happened; print() shows the rest", traceback = "errors carry their own traceback" })
absent("package", { "require reads modules below the script's folder" })
function dofile() error("there is no dofile here; use require 'module'", 2) end
function loadfile() error("there is no loadfile here; use require 'module'", 2) end
function string.dump() error("there is no string.dump here", 2) end
function math.randomseed()
  print "warning: math.randomseed() does nothing; the seed is that of the experiment: experiment{ seed = ... } or --seed"
end
warn = nil

-- Types -----------------------------------------------------------------------------------------------------------------------------------
local unknown = native.unknown

-- What nobody has asked for so far is not there yet: find(key) puts it into methods or getters, all() everything, for a message.
local function class(plural, methods, getters, find, all)
  return function(self, key)
    local method = methods[key]
    if method ~= nil then return method end
    local getter = getters[key]
    if getter ~= nil then return getter(self) end
    if find then
      find(key)
      method = methods[key]
      if method ~= nil then return method end
      getter = getters[key]
      if getter ~= nil then return getter(self) end
      all()
    end
    return unknown(plural, key, methods, getters, self)
  end
end

stock_setmetatable(_G, {
  __metatable = false,
  __index = function(globals, key)
    if type(key) == "string" then unknown("global", key, globals) end
  end,
})

return {
  token = token,
  block = block,
  class = class,
  close = close_all,
  mark = function(co) processes[co] = true end,
}
