-- Caching proxies: they stand near those who ask, and ask the origin for what they do not have.
local native, need = ...
local http, store, web, proxy = need "http", need "kept", need "server", need "proxy"
local edge = {}
local now, format, type = now, string.format, type

local Cache = {}
local cache_meta = http.class("http cache", "HTTP caches have", Cache, "fetching store stale_if_error origin")

local function headers_for_client(entry, how)
  local h = proxy.end_to_end(entry.headers)
  h["date"] = nil
  h["age"] = tostring(store.age(entry))
  h["x-cache"] = how
  return h
end

local function from_origin(self, req, headers)
  self.origin_requests = self.origin_requests + 1
  local h = proxy.end_to_end(headers or req.headers)
  h["via"] = (h["via"] and h["via"] .. ", " or "") .. "1.1 " .. self.host.name
  h["x-forwarded-for"] = req.client.ip
  h["range"] = nil
  -- The name in the URL stays that of the page: it is what the origin's pages are told apart by.
  local place = self.origin and { self.origin, self.origin_port, req.target } or req.target
  local res, why = self.client:request(place, { method = req.method, headers = h, body = req.body or (req.size > 0 and req.size or nil), timeout = self.timeout })
  if res then self.bytes_from_origin = self.bytes_from_origin + res.size end
  return res, why
end

local function answer_of(entry, how, req)
  local status, body = entry.status, entry.body or entry.size
  local h = headers_for_client(entry, how)
  local none_match = req.headers["if-none-match"]
  if entry.etag and none_match and none_match:find(entry.etag, 1, true) then return 304, nil, h end
  if req.headers.range and req.method == "GET" and status == 200 then
    local from, to = web.range_of(req.headers.range, entry.size)
    if from == nil then return 416, nil, { ["Content-Range"] = "bytes */" .. entry.size } end
    if from then
      h["content-range"] = format("bytes %d-%d/%d", from, to, entry.size)
      return 206, type(body) == "string" and body:sub(from + 1, to + 1) or to - from + 1, h
    end
  end
  return status, body, h
end

local function failed(self, why)
  need("lines").fault(self, why)
  return why == "timeout" and 504 or 502, why .. "\n", { ["X-Cache"] = "ERROR" }
end

-- One asks, the others wait for the answer: a thousand who miss at once are one question to the origin.
local function fetch(self, page, req, entry)
  -- What a user asks for himself is not for others, and the other way round.
  local alone, joined, key = req.headers.authorization ~= nil, nil, nil
  repeat
    key = self.store:key_of(page, req.headers)
    local waiting = not alone and key ~= joined and self.fetching[key]
    if waiting then
      if not joined then self.joined = self.joined + 1 end
      joined = key
      waiting:wait()
      local found = self.store:get(page, req.headers)
      if found and store.is_fresh(found) then return found, "HIT" end
    end
  until not waiting
  local done = signal()
  if not alone then self.fetching[key] = done end
  local res, why = from_origin(self, req, entry and store.conditions(entry, req.headers) or nil)
  local found, how
  if res and res.status == 304 and entry then
    self.store:refresh(entry, res)
    found, how = entry, "REVALIDATED"
  elseif res then
    found = self.store:put(page, res, req.headers) or res
    how = "MISS"
  end
  if self.fetching[key] == done then self.fetching[key] = nil end
  done:fire(true)
  return found, how, why
end

local function handle(self, req)
  self.requests = self.requests + 1
  -- Without an origin it is asked for whole URLs, as a proxy that clients know of.
  if not self.origin and not (req.target:match "^http://[^/]" and native.url(req.target)) then
    need("lines").fault(self, "no such page")
    return 400, "this is a proxy\n"
  end
  if req.method ~= "GET" and req.method ~= "HEAD" then
    self.passed = self.passed + 1
    local res, why = from_origin(self, req)
    if not res then return failed(self, why) end
    -- What was changed is not to be answered from memory (RFC 9111, section 4.4).
    if res.status < 400 then self.store:remove(req.target) end
    return res.status, res.body or res.size, proxy.end_to_end(res.headers)
  end
  local key, cc = req.target, store.directives(req.headers["cache-control"])
  local entry = self.store:get(key, req.headers)
  if entry and store.is_fresh(entry) and not cc["no-cache"] then
    self.hits, self.bytes_saved = self.hits + 1, self.bytes_saved + entry.size
    return answer_of(entry, "HIT", req)
  end
  if cc["only-if-cached"] then
    -- RFC 9111, section 5.2.1.7.
    self.misses = self.misses + 1
    return 504, "not kept\n", { ["X-Cache"] = "MISS" }
  end
  if req.method == "HEAD" then
    -- The answer has no body that a later GET could be given.
    self.passed = self.passed + 1
    local res, why = from_origin(self, req)
    if not res then return failed(self, why) end
    return res.status, nil, proxy.end_to_end(res.headers)
  end
  local found, how, why = fetch(self, key, req, entry)
  if not found then
    -- What is there and old is better than nothing (RFC 5861).
    if entry and self.stale_if_error then
      self.stale = self.stale + 1
      return answer_of(entry, "STALE", req)
    end
    self.misses = self.misses + 1
    return failed(self, why)
  end
  if how == "HIT" then
    self.hits, self.bytes_saved = self.hits + 1, self.bytes_saved + found.size
  elseif how == "REVALIDATED" then
    self.revalidated, self.bytes_saved = self.revalidated + 1, self.bytes_saved + found.size
  else
    self.misses = self.misses + 1
  end
  if not found.at then found = { status = found.status, headers = found.headers, body = found.body, size = found.size, at = now() } end
  return answer_of(found, how, req)
end

function Cache.hit_ratio(self)
  local asked = self.hits + self.misses + self.revalidated
  return asked > 0 and self.hits / asked or 0
end

function Cache.purge(self, path)
  if path then self.store:remove(path) else self.store = store.new(self.store.most, true, self.store.usual) end
end

function Cache.stop(self) self.server:stop() end

function edge.http_cache(host, o)
  http.refuse_url(o.origin, "origin")
  local self = setmetatable({
    host = host, name = host.name, origin = o.origin, origin_port = http.port(o.origin, o.origin_port, 80), timeout = o.timeout or 30, stale_if_error = o.stale_if_error,
    store = store.new(o.size or 1000000000, true, o.ttl), fetching = {}, faults = {}, requests = 0, hits = 0, misses = 0, revalidated = 0, passed = 0,
    joined = 0, stale = 0, origin_requests = 0, bytes_from_origin = 0, bytes_saved = 0,
  }, cache_meta)
  self.client = http.http_client(host, { keepalive = true, connections = o.connections or 1000, keep = 1 << 24, tcp = o.tcp })
  local server, why = web.http_server(host, {
    port = o.port, tls = o.tls, http = o.http, keepalive = o.keepalive, backlog = o.backlog, tcp = o.tcp,
    routes = { ["/*"] = function(req)
      local status, body, headers = handle(self, req)
      return { status = status, body = body, headers = headers }
    end },
  })
  if not server then return nil, why end
  server.faults = self.faults
  self.server = server
  return self
end

return edge
