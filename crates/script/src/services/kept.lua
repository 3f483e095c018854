-- What a cache of the web keeps, and for how long (RFC 9111): for browsers and for caching proxies.
local native = ...
local store = {}
local now, floor = now, math.floor

-- The directives of Cache-Control: { ["max-age"] = "60", ["no-store"] = true }.
function store.directives(text)
  local all = {}
  for part in (text or ""):lower():gmatch "[^,]+" do
    local name, value = part:match "^%s*([^=%s]+)%s*=?%s*\"?([^\"]*)\"?%s*$"
    if name then all[name] = value ~= "" and value or true end
  end
  return all
end

-- How long an answer is fresh: by s-maxage (for caches that many share), max-age, Expires; nil where it does not say.
local function lifetime(headers, cc, shared)
  local age = shared and tonumber(cc["s-maxage"]) or tonumber(cc["max-age"])
  if age then return age end
  local expires = headers.expires and native.parse_date(headers.expires)
  if expires then return expires - (headers.date and native.parse_date(headers.date) or now()) end
  if headers.expires then return 0 end
end

local Store = {}
local meta = { __index = Store, __metatable = false }

-- Keeps up to `most` bytes of bodies; what was not used for the longest time goes first. The entries stand in a ring in the order
-- of their use, with the store itself between the newest and the oldest.
function store.new(most, shared, usual)
  local self = setmetatable({ most = most, shared = shared, usual = usual, entries = {}, kinds = {}, size = 0, count = 0, evicted = 0 }, meta)
  self.newer, self.older = self, self
  return self
end

local function unlink(entry)
  entry.newer.older, entry.older.newer = entry.older, entry.newer
end

-- What was used last stands next to the store, on the side of the older ones.
local function link(self, entry)
  entry.newer, entry.older = self, self.older
  self.older.newer, self.older = entry, entry
end

-- The request's fields that an answer depends on, in small letters; nil where it depends on none, false where on anything.
local function varies_by(text)
  if not text then return nil end
  local names = {}
  for name in text:lower():gmatch "[^,%s]+" do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do if name == "*" then return false end end
  return names[1] and names or nil
end

-- An answer to one request is one for another with the same fields, as far as it says that it depends on them (RFC 9111, section
-- 4.1).
local function variant(key, names, headers)
  if not names then return key end
  local parts = { key }
  for i, name in ipairs(names) do
    local value = headers and headers[name]
    parts[i + 1] = name .. (value and ":" .. tostring(value):gsub("%s+", " ") or "")
  end
  return table.concat(parts, "\n")
end

-- Under what an answer to this request is kept, as far as is known before it is there.
function Store.key_of(self, key, headers)
  local kind = self.kinds[key]
  return variant(key, kind and kind.names, headers)
end

function Store.get(self, key, headers)
  local entry = self.entries[self:key_of(key, headers)]
  if entry then
    unlink(entry)
    link(self, entry)
  end
  return entry
end

local function remove_one(self, entry)
  if not entry then return end
  unlink(entry)
  self.entries[entry.key], self.size, self.count = nil, self.size - entry.size, self.count - 1
  local kind = self.kinds[entry.page]
  if kind then
    kind.entries[entry.key] = nil
    if not next(kind.entries) then self.kinds[entry.page] = nil end
  end
end

-- All answers for a page.
function Store.remove(self, key)
  local kind = self.kinds[key]
  if not kind then return end
  for _, entry in sorted(kind.entries) do remove_one(self, entry) end
end

local function make_room(self, size)
  while self.size + size > self.most and self.count > 0 do
    remove_one(self, self.newer)
    self.evicted = self.evicted + 1
  end
end

-- What is said to one user is not for others, unless the answer says so (RFC 9111, section 3.5).
local function is_for_all(headers, cc)
  return not headers.authorization or cc.public or cc["s-maxage"] or cc["must-revalidate"]
end

-- Takes an answer to a request with these fields, if it may be kept.
function Store.put(self, page, res, headers)
  local cc, names = store.directives(res.headers["cache-control"]), varies_by(res.headers.vary)
  if self.shared and not is_for_all(headers, cc) then return end
  local key = variant(page, names, headers)
  local before = self.entries[self:key_of(page, headers)]
  if cc["no-store"] or (self.shared and cc.private) or names == false then return remove_one(self, before) end
  if res.status ~= 200 and res.status ~= 301 and res.status ~= 404 and res.status ~= 410 then return end
  local fresh = lifetime(res.headers, cc, self.shared) or self.usual or 0
  if cc["no-cache"] then fresh = 0 end
  local validator = res.headers.etag or res.headers["last-modified"]
  if (fresh <= 0 and not validator) or res.size > self.most then return remove_one(self, before) end
  local kind = self.kinds[page]
  -- What was kept by other fields cannot be found by these.
  if kind and table.concat(kind.names or {}, ",") ~= table.concat(names or {}, ",") then self:remove(page) end
  remove_one(self, self.entries[key])
  make_room(self, res.size)
  local entry = {
    key = key, page = page, status = res.status, headers = res.headers, body = res.body, size = res.size, at = now(), fresh_until = now() + fresh - (tonumber(res.headers.age) or 0),
    etag = res.headers.etag, modified = res.headers["last-modified"],
  }
  link(self, entry)
  self.entries[key], self.size, self.count = entry, self.size + res.size, self.count + 1
  kind = self.kinds[page] or { names = names, entries = {} }
  self.kinds[page], kind.entries[key] = kind, entry
  return entry
end

function store.is_fresh(entry) return now() < entry.fresh_until end

-- The fields of a request that asks whether an entry still holds.
function store.conditions(entry, headers)
  local h = {}
  for k, v in pairs(headers or {}) do h[k] = v end
  if entry.etag then h["If-None-Match"] = entry.etag end
  if entry.modified then h["If-Modified-Since"] = entry.modified end
  return h
end

-- A 304 says that it does: its new time.
function Store.refresh(self, entry, res)
  local cc = store.directives(res.headers["cache-control"] or entry.headers["cache-control"])
  local fresh = lifetime(res.headers, cc, self.shared) or self.usual or 0
  if cc["no-cache"] then fresh = 0 end
  entry.at, entry.fresh_until = now(), now() + fresh
end

function store.age(entry) return floor(now() - entry.at) end

return store
