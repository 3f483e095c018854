-- What scripts give to services: bodies, and servers with their ports.
local native = ...
local given = {}
local match, format, type = string.match, string.format, type

-- Bodies: a text, or a number of bytes, as a number or as "14KiB". ---------------------------------------------------------------
-- Why a text that looks like a size is none: "40KB", "40K", "-5kB"; nil for all others.
function given.misspelt(value)
  if type(value) ~= "string" or #value >= 16 then return nil end
  local sign, number, unit = match(value, "^%s*(-?)(%d+%.?%d*)%s*(%a+)%s*$")
  if not unit then return nil end
  local letter, i = match(unit, "^([kmgtKMGT]?)([iI]?)[bB]$")
  if not letter then letter, i = match(unit, "^([kKMGT])([iI]?)$") end
  if not letter and not match(unit:lower(), "^bytes?$") then return nil end
  if sign == "" and native.size(value) then return nil end
  letter = (letter or ""):upper()
  local right = number .. (i ~= "" and i and letter .. "iB" or (letter == "K" and "k" or letter) .. "B")
  return format("'%s' is no size; did you mean '%s'?", value, right)
end

-- What a script writes as a body is no misspelt size; { body = "40KB" } is the text.
function given.refuse_misspelt(value)
  local wrong = given.misspelt(value)
  if wrong then native.mistake(wrong, value, format('{ body = "%s" } is the text itself', value)) end
end

-- What the script gives as a body, or as { body = "the text itself" }.
function given.given_body(value)
  if type(value) == "table" and type(value.body) == "string" then return value.body, #value.body end
  given.refuse_misspelt(value)
  return given.body(value)
end

function given.body(value)
  local t = type(value)
  if t == "nil" then return 0, 0 end
  if t == "string" then
    if #value < 16 and match(value, "^%d+%.?%d*%s?[kKMG]?i?B$") then
      local n = native.size(value)
      if n then return n, n end
    end
    return value, #value
  end
  if t == "number" and value >= 0 then
    value = math.floor(value)
    return value, value
  end
  native.mistake(format("a body is a text or a size, got a %s", t))
end

-- The port of a server: as it was told, else that of its address(host, port), else the usual one.
function given.port(to, told, usual) return told or native.port_in(to) or usual end

-- A URL where a server is meant would be taken for a name.
function given.refuse_url(to, option)
  local own = type(to) == "string" and match(to, "^%a[%w+.-]*://([^/]*)")
  if own then native.mistake(format("%s is a host, a name or an address; '%s' is a URL", option, to), to, format('write %s = "%s"', option, own)) end
end

return given
