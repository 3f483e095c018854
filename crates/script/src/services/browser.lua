-- A browser: a page, what it is made of, several connections, a cache, and a picture of what took how long.
local native, need = ...
local http, store = need "http", need "kept"
local browser = {}
local now, format, type = now, string.format, type

-- A page of this size that names these objects, as text.
local TAGS = { css = '<link rel="stylesheet" href="%s">', js = '<script src="%s"></script>', html = '<iframe src="%s"></iframe>' }
function browser.html(objects, o)
  local head, body = {}, {}
  for _, path in ipairs(objects) do
    if type(path) ~= "string" then native.mistake("html takes the paths of objects", "html", 'html { "/style.css", "/logo.png" }') end
    local kind = path:match "%.(%w+)$" or ""
    local list = (kind == "css" or kind == "js") and head or body
    list[#list + 1] = format(TAGS[kind] or '<img src="%s">', path)
  end
  local text = "<!doctype html><html><head><title>" .. (o.title or "page") .. "</title>" .. table.concat(head) .. "</head><body>" .. table.concat(body)
  local missing = (o.size or 0) - #text - 14
  if missing > 0 then text = text .. "<p>" .. ("Lorem ipsum. "):rep(missing // 13 + 1):sub(1, math.max(missing - 3, 0)) end
  return text .. "</body></html>"
end

-- What a text names: { url, kind }, each once, in the order of the text.
local function objects_of(text, kind)
  local list, seen, found = {}, {}, {}
  local function add(at, url, what)
    found[#found + 1] = { at = at, url = url, kind = what }
  end
  if kind == "css" then
    for at, url in text:gmatch "()url%([\"']?([^\"')]+)[\"']?%)" do add(at, url, "image") end
    for at, url in text:gmatch "()@import%s+[\"']([^\"']+)[\"']" do add(at, url, "css") end
    for at, url in text:gmatch "()@import%s+url%([\"']?([^\"')]+)[\"']?%)" do add(at, url, "css") end
  else
    for at, tag in text:gmatch "()<link([^>]*)>" do
      local href = tag:match "href%s*=%s*[\"']([^\"']+)[\"']"
      if href and tag:lower():match "stylesheet" then add(at, href, "css") end
    end
    for at, src in text:gmatch "()<script[^>]-src%s*=%s*[\"']([^\"']+)[\"']" do add(at, src, "script") end
    for at, src in text:gmatch "()<img[^>]-src%s*=%s*[\"']([^\"']+)[\"']" do add(at, src, "image") end
    for at, src in text:gmatch "()<iframe[^>]-src%s*=%s*[\"']([^\"']+)[\"']" do add(at, src, "frame") end
  end
  table.sort(found, function(a, b) return a.at < b.at end)
  for _, each in ipairs(found) do
    if not seen[each.url] then list[#list + 1] = each end
    seen[each.url] = true
  end
  return list
end

-- The URL that a page means by a text in it; nil and why where it means none.
local function absolute(base, url)
  local scheme, host, port, path = native.url(base)
  if not scheme then return nil, "bad URL" end
  local target, why = http.reference({ scheme = scheme, host = host, port = port, path = path }, url)
  return target and http.url_of(target), why
end

local function text_of(url)
  if type(url) ~= "table" then return url end
  local host = native.is_node(url[1]) and url[1].name or tostring(url[1])
  return format("http://%s%s%s", host, url[2] and url[2] ~= 80 and ":" .. url[2] or "", url[3] or "/")
end

-- The browser ---------------------------------------------------------------------------------------------------------------------
local Browser = {}
local methods = http.class("browser", "browsers have", Browser, "cache")
local COUNTS = { dns_queries = "queries", dns_hits = "hits" }
local browser_meta = {
  __name = methods.__name, __metatable = false, __tostring = methods.__tostring,
  __index = function(self, key)
    if not COUNTS[key] then return methods.__index(self, key) end
    local names = rawget(self, "client").opts.names
    return names and names[COUNTS[key]] or 0
  end,
}

function browser.browser(host, o)
  local client = http.http_client(host, {
    http = o.http, connections = o.connections, cookies = o.cookies ~= false, tls = o.tls, tcp = o.tcp, keep = o.keep or 1 << 22, redirects = 5,
    keepalive = o.keepalive, proxy = o.proxy, proxy_port = o.proxy_port, timeout = o.timeout,
    names = o.dns_cache ~= false and need("names").program_cache(o.dns_cache or 60) or nil,
  })
  return setmetatable({
    host = host, name = host.name, client = client, opts = o, cache = o.cache ~= false and store.new(o.cache_size or 1 << 28, false) or nil, pages = 0,
    requests = 0, hits = 0, revalidated = 0, bytes = 0, connections = 0, faults = {},
  }, browser_meta)
end

local function new_row(page, url, kind)
  local row = { url = url, kind = kind, begun = now(), from = "network", blocked = 0, dns = 0, connect = 0, tls = 0, wait = 0, receive = 0, size = 0 }
  page.objects[#page.objects + 1] = row
  return row
end

local function failed(self, page, cause)
  page.failed = page.failed + 1
  need("lines").fault(self, cause)
end

-- What a page names and nobody can ask for.
local function unreachable(self, page, url, kind, why)
  local row = new_row(page, url, kind)
  row.ended, row.total, row.error = row.begun, 0, why
  failed(self, page, why)
end

-- What a browser says of itself, for answers that depend on it.
local function own_fields(self, url)
  local target, jar = http.target(url), self.client.jar
  return { cookie = jar and need("cookies").header(jar, target, target.path) }
end

-- One object, from the cache or over the network, as a row of the waterfall.
local function fetch(self, page, url, kind, opts)
  local row = new_row(page, url, kind)
  local fields = self.cache and own_fields(self, url)
  local entry = self.cache and self.cache:get(url, fields)
  local res, why
  if entry and store.is_fresh(entry) and not opts.reload then
    self.hits = self.hits + 1
    row.from, res = "cache", entry
  else
    local headers = entry and store.conditions(entry) or nil
    local times = { blocked = 0, dns = 0, connect = 0, tls = 0 }
    res, why = http.request(self.client, url, { headers = headers, timeout = opts.timeout or self.opts.timeout, times = times }, "GET")
    self.requests = self.requests + 1
    row.blocked, row.dns, row.connect, row.tls = times.blocked, times.dns, times.connect, times.tls
    -- What is left until the answer, or until it was given up, was the server's.
    row.wait = math.max((res and res.ttfb or now() - row.begun) - (times.blocked + times.dns + times.connect + times.tls), 0)
    if res then
      row.reused = res.reused
      row.receive = res.total - res.ttfb
      row.bytes = res.size
      self.bytes, page.bytes = self.bytes + res.size, page.bytes + res.size
      if res.status == 304 and entry then
        self.revalidated = self.revalidated + 1
        self.cache:refresh(entry, res)
        row.from, res = "revalidated", entry
      elseif self.cache and res.status == 200 then
        self.cache:put(url, res, fields)
      end
    end
  end
  row.ended = now()
  row.total = row.ended - row.begun
  row.status, row.size, row.error = res and res.status, res and res.size or 0, why
  if not res or res.status >= 400 then failed(self, page, why or "status " .. res.status) end
  return res, why, row
end

local function kind_of(res, usual)
  local t = res.headers["content-type"] or ""
  if t:match "html" then return "html" end
  if t:match "css" then return "css" end
  return usual
end

-- What is no address of anything on the network.
local INLINE = { data = true, javascript = true, about = true, blob = true }

-- An object, and what it names in turn.
local function load_tree(self, page, url, kind, opts, depth)
  local res, why = fetch(self, page, url, kind, opts)
  if not res then return nil, why end
  local what = kind_of(res, kind)
  if type(res.body) ~= "string" or (what ~= "html" and what ~= "css") or depth > 4 then return res end
  if self.opts.parse then self.host:work(self.opts.parse * #res.body / 1000) end
  local base = kind == "html" and res.redirected_to or url
  local own = what == "html" and res.body:match "<base[^>]-href%s*=%s*[\"']([^\"']+)[\"']"
  if own then base = absolute(base, own) or base end
  local children = {}
  for _, each in ipairs(objects_of(res.body, what)) do
    local at, problem = absolute(base, each.url)
    if not at and not page.seen[each.url] and not INLINE[(each.url:match "^(%a+):" or ""):lower()] then
      page.seen[each.url] = true
      unreachable(self, page, each.url, each.kind, problem)
    elseif at and not page.seen[at] then
      page.seen[at] = true
      children[#children + 1] = native.spawn(self.host, "browser object", load_tree, self, page, at, each.kind == "frame" and "html" or each.kind, opts, depth + 1)
    end
  end
  if kind == "html" and depth == 0 then page.html_at = now() end
  for _, child in ipairs(children) do child:join() end
  return res
end

local Page = {}
local page_meta = http.class("page", "pages have", Page, "html_at error first_paint")

-- What must be there before anything is drawn: the page, its styles and its scripts.
local function first_paint(page)
  local last = page.html_at
  for _, row in ipairs(page.objects) do
    if row.kind == "css" or row.kind == "script" then last = math.max(last or 0, row.ended) end
  end
  return last and last - page.begun
end

function Browser.open(self, url, o)
  o = o or {}
  if type(o) ~= "table" then native.mistake("browser:open(url, opts) takes its options in a table", "open") end
  url = text_of(url)
  local opts = { reload = o.reload, timeout = o.timeout and seconds(o.timeout) }
  local before = self.client.connections
  local page = setmetatable({ url = url, name = url, objects = {}, seen = { [url] = true }, bytes = 0, failed = 0, begun = now() }, page_meta)
  self.pages = self.pages + 1
  local res, why = load_tree(self, page, url, "html", opts, 0)
  self.connections = self.client.connections
  if not res then return nil, why end
  page.status, page.load, page.connections = res.status, now() - page.begun, self.client.connections - before
  page.first_paint = first_paint(page)
  page.requests = 0
  for _, row in ipairs(page.objects) do if row.from ~= "cache" then page.requests = page.requests + 1 end end
  return page
end

local function forget_names(self)
  local names = self.client.opts.names
  if names then names.entries = {} end
end

function Browser.clear_cache(self)
  forget_names(self)
  if self.cache then self.cache = store.new(self.cache.most, false) end
end

-- Closed and opened again: connections, session cookies and names are gone, the cache stays.
function Browser.restart(self)
  forget_names(self)
  self.client:restart()
end

function Browser.close(self) self.client:close() end

-- Pictures of a page --------------------------------------------------------------------------------------------------------------
local PARTS = { "blocked", "dns", "connect", "tls", "wait", "receive" }
local COLOURS = { blocked = "#d0d0d0", dns = "#1f9e89", connect = "#fd8d3c", tls = "#9e4fb5", wait = "#9ecae1", receive = "#2171b5", cache = "#a1d99b" }

-- The parts of a row in the order of time; blocked is waiting for one of the browser's connections.
local function parts_of(row)
  if row.from == "cache" then return { { "cache", row.total } } end
  local list = {}
  for _, name in ipairs(PARTS) do
    if (row[name] or 0) > 0 then list[#list + 1] = { name, row[name] } end
  end
  return list
end

-- A row of waterfall.csv (or another table) for each object.
function Page.record(self, name)
  for i, row in ipairs(self.objects) do
    record(name or "waterfall", {
      page = self.url, object = row.url, kind = row.kind, number = i, status = row.status or 0, from = row.from, begun_s = row.begun - self.begun,
      blocked_ms = row.blocked * 1e3, dns_ms = row.dns * 1e3, connect_ms = row.connect * 1e3, tls_ms = row.tls * 1e3, wait_ms = row.wait * 1e3,
      receive_ms = row.receive * 1e3, total_ms = row.total * 1e3, size_bytes = row.size, error = row.error or "",
    })
  end
end

local function short(url) return url:match "^https?://[^/]+(/.*)$" or url end

-- The waterfall as text: a line for each object, 50 columns for the load time.
function Page.waterfall(self)
  local lines, width, longest = {}, 50, 8
  for _, row in ipairs(self.objects) do longest = math.min(math.max(longest, #short(row.url)), 30) end
  for i, row in ipairs(self.objects) do
    local from = math.floor((row.begun - self.begun) / self.load * width + 0.5)
    local length = math.max(math.floor(row.total / self.load * width + 0.5), 1)
    local mark = row.from == "cache" and "." or row.from == "revalidated" and "-" or "="
    lines[i] = format("%-" .. longest .. "s %7.1f ms |%s%s%s|", short(row.url):sub(1, longest), row.total * 1e3, (" "):rep(from), mark:rep(length),
      (" "):rep(math.max(width - from - length, 0)))
  end
  lines[#lines + 1] = format("%-" .. longest .. "s %7.1f ms  %d requests, %d bytes, %d connections", "load", self.load * 1e3, self.requests, self.bytes, self.connections)
  return table.concat(lines, "\n")
end

local function escaped(text) return (text:gsub("&", "&amp;"):gsub("<", "&lt;"):gsub(">", "&gt;"):gsub('"', "&quot;")) end

-- The same as a picture in SVG.
function Page.svg(self)
  local rows, left, wide, height = #self.objects, 190, 560, 18
  local scale = wide / math.max(self.load, 1e-9)
  local out = { format('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">', left + wide + 70, rows * height + 60) }
  local function add(...) out[#out + 1] = format(...) end
  add('<rect width="100%%" height="100%%" fill="white"/>')
  add('<text x="8" y="16" font-size="13">%s: %.0f ms</text>', escaped(self.url), self.load * 1e3)
  for tick = 0, 4 do
    local x = left + wide * tick / 4
    add('<line x1="%.1f" y1="24" x2="%.1f" y2="%d" stroke="#e0e0e0"/>', x, x, rows * height + 28)
    add('<text x="%.1f" y="%d" text-anchor="middle" fill="#606060">%.0f ms</text>', x, rows * height + 40, self.load * tick / 4 * 1e3)
  end
  for i, row in ipairs(self.objects) do
    local y, x = 10 + i * height, left + (row.begun - self.begun) * scale
    add('<text x="8" y="%d">%s</text>', y + 12, escaped(short(row.url):sub(1, 30)))
    for _, part in ipairs(parts_of(row)) do
      local length = math.max(part[2] * scale, 1)
      add('<rect x="%.1f" y="%d" width="%.1f" height="12" fill="%s"><title>%s %.1f ms</title></rect>', x, y + 2, length, COLOURS[part[1]], part[1], part[2] * 1e3)
      x = x + part[2] * scale
    end
    add('<text x="%.1f" y="%d" fill="#606060">%.0f ms</text>', x + 4, y + 12, row.total * 1e3)
  end
  local x = left
  for _, name in ipairs { "blocked", "dns", "connect", "tls", "wait", "receive", "cache" } do
    add('<rect x="%d" y="%d" width="10" height="10" fill="%s"/><text x="%d" y="%d">%s</text>', x, rows * height + 46, COLOURS[name], x + 13, rows * height + 55, name)
    x = x + 30 + #name * 6
  end
  out[#out + 1] = "</svg>\n"
  return table.concat(out, "\n")
end

-- Saves the picture in the folder of the results.
function Page.draw(self, file)
  file = file or "waterfall.svg"
  if not file:match "^[%w_.-]+%.svg$" then native.mistake("page:draw takes a plain file name that ends in .svg", "draw") end
  native.save(file, self:svg())
end

return browser
