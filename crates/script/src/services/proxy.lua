-- Proxies: the request as it came goes on, the answer comes back.
local native, need = ...
local http = need "http"
local proxy = {}
local now = now

local HOP_BY_HOP = {
  connection = true, ["keep-alive"] = true, ["proxy-connection"] = true, ["transfer-encoding"] = true, te = true, trailer = true,
  upgrade = true, ["content-length"] = true,
}
local proxies = setmetatable({}, { __mode = "k" })

local function end_to_end(headers)
  local h = {}
  for name, value in pairs(headers) do
    if not HOP_BY_HOP[name] then h[name] = value end
  end
  return h
end
proxy.end_to_end = end_to_end

function proxy.http_proxy(host, req, to, port, opts)
  local headers = end_to_end(req.headers or {})
  headers["via"] = (headers["via"] and headers["via"] .. ", " or "") .. "1.1 " .. host.name
  if req.client then
    local before = headers["x-forwarded-for"]
    headers["x-forwarded-for"] = (before and before .. ", " or "") .. req.client.ip
  end
  if opts.headers then for k, v in pairs(opts.headers) do headers[k] = v end end
  local target = { scheme = "http", host = to, port = http.port(to, port, 80), path = opts.path or req.target or req.path, connect_timeout = opts.connect_timeout }
  local out = {
    method = req.method, path = target.path, headers = headers,
    payload = req.body or req.size or 0, length = req.size or (req.body and #req.body) or 0, stream = opts.buffering == false,
  }
  local begun = now()
  local deadline = opts.timeout and begun + opts.timeout
  local res, why
  if opts.keepalive then
    local client = proxies[host]
    if not client then
      client = http.http_client(host, { keepalive = true, connections = 2 ^ 31 // 1, keep = 2 ^ 24 // 1 })
      proxies[host] = client
    end
    client.requests = client.requests + 1
    res, why = http.exchange(client, target, out, deadline, begun)
  else
    res, why = http.once(host, target, out, { keep = 2 ^ 24 // 1, stream = out.stream }, deadline, begun)
  end
  if not res then
    local status = why == "timeout" and 504 or 502
    return { status = status, body = why .. "\n", headers = { ["Content-Type"] = "text/plain" }, error = why }
  end
  res.headers = end_to_end(res.headers)
  return res
end

return proxy
