-- Cookies as a client keeps them (RFC 6265).
local native, need = ...
local cookies = {}
local now, lower = now, string.lower

local function host_of(target)
  local host = target.host
  if native.is_node(host) then return host.name end
  return lower(type(host) == "string" and host or host.ip)
end

-- The folder of the page that set a cookie without a path (section 5.1.4).
local function default_path(path)
  path = path:match "^[^?]*"
  return path:match "^(/.*)/[^/]*$" or "/"
end

local function path_fits(path, own)
  path = path:match "^[^?]*"
  return path == own or (path:sub(1, #own) == own and (own:sub(-1) == "/" or path:sub(#own + 1, #own + 1) == "/"))
end

local function domain_fits(host, cookie)
  if cookie.host_only then return host == cookie.domain end
  return host == cookie.domain or host:sub(-#cookie.domain - 1) == "." .. cookie.domain
end

-- Takes note of what an answer sets.
function cookies.store(jar, target, list)
  local host = host_of(target)
  for _, line in ipairs(list) do
    local name, value, rest = line:match "^%s*([^=;%s]+)%s*=%s*([^;]*)(.*)$"
    if name then
      local cookie = { name = name, value = value:match "^(.-)%s*$", domain = host, host_only = true, path = default_path(target.path) }
      for word, own in rest:gmatch ";%s*([^=;]+)=?([^;]*)" do
        local attribute = lower(word:match "^(.-)%s*$")
        if attribute == "path" and own:sub(1, 1) == "/" then cookie.path = own
        elseif attribute == "max-age" and tonumber(own) then cookie.expires, cookie.by_age = now() + tonumber(own), true
        elseif attribute == "expires" and not cookie.by_age then cookie.expires = native.parse_date(own)
        elseif attribute == "secure" then cookie.secure = true
        elseif attribute == "httponly" then cookie.http_only = true
        elseif attribute == "domain" and own ~= "" then cookie.domain, cookie.host_only = lower(own:match "^%.?(.*)$"), false end
      end
      -- Nobody sets a cookie for somebody else.
      if domain_fits(host, cookie) then
        for i, known in ipairs(jar) do
          if known.name == name and known.path == cookie.path and known.domain == cookie.domain then table.remove(jar, i) break end
        end
        if not cookie.expires or cookie.expires > now() then jar[#jar + 1] = cookie end
      end
    end
  end
end

-- The header for a request, if there are cookies for it; those of longer paths come first.
function cookies.header(jar, target, path)
  local host, fits = host_of(target), {}
  for i = #jar, 1, -1 do
    if jar[i].expires and jar[i].expires <= now() then table.remove(jar, i) end
  end
  for _, cookie in ipairs(jar) do
    if domain_fits(host, cookie) and path_fits(path, cookie.path) and (not cookie.secure or target.scheme == "https") then
      fits[#fits + 1] = cookie
    end
  end
  if #fits == 0 then return nil end
  table.sort(fits, function(a, b) return #a.path > #b.path end)
  local parts = {}
  for i, cookie in ipairs(fits) do parts[i] = cookie.name .. "=" .. cookie.value end
  return table.concat(parts, "; ")
end

-- The browser is closed: what has no time of its own is gone.
function cookies.restart(jar)
  for i = #jar, 1, -1 do
    if not jar[i].expires then table.remove(jar, i) end
  end
end

-- The cookies of a request, for a server: { name = value }.
function cookies.parse(text)
  local all = {}
  for name, value in (text or ""):gmatch "([^=;%s]+)=([^;]*)" do all[name] = value end
  return all
end

return cookies
