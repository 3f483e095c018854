-- The same letters are other bytes in each character set, and whoever takes the wrong one sees other letters.
--   tidewire run scripts/presentation/charsets.lua
-- Look at: a greeting of two letters is 4 bytes in EUC-KR and 6 in UTF-8; what a reader with the wrong set sees; a page whose header
-- says which set it is in, and one whose header does not.
local GREETING = "안녕"
for _, set in ipairs { "UTF-8", "EUC-KR", "UTF-16BE" } do
  local data = codec.charset(GREETING, set)
  print(("%-8s  %d bytes:  %s"):format(set, #data, data:gsub(".", function(c) return ("%02x "):format(c:byte()) end)))
end
check(#codec.charset(GREETING, "euc-kr") == 4 and #codec.charset(GREETING, "utf-8") == 6, "4 bytes and 6")

-- The wrong way round.
local wrong, complete = codec.text(codec.charset(GREETING, "euc-kr"), "utf-8")
print("EUC-KR read as UTF-8: ", wrong, complete and "letters" or "not letters")
local other = codec.text(GREETING, "euc-kr")
print("UTF-8 read as EUC-KR: ", other)
check(wrong ~= GREETING and not complete and other ~= GREETING, "visibly wrong")
check(codec.text(codec.charset(GREETING, "euc-kr"), "euc-kr") == GREETING, "the right one gives the text back")
print("not in EUC-KR:        ", codec.charset("😀", "euc-kr"))
check(codec.charset("😀", "euc-kr") == nil, "no set has everything, except those of Unicode")

-- On a page.
local reader, www = net:host "reader", net:host "www"
net:link(reader, www, { rate = "10Mbps", delay = "5ms" })
local body = codec.charset("<p>" .. GREETING .. "</p>", "euc-kr")
www:http_server {
  ["/said"] = function() return 200, body, { ["Content-Type"] = "text/html; charset=euc-kr" } end,
  ["/silent"] = function() return 200, body, { ["Content-Type"] = "text/html" } end,
}
local function shown(path)
  local res = assert(reader:http_get("http://www" .. path))
  return (codec.text(res.body, res.headers["content-type"]:match "charset=(%S+)" or "utf-8"))
end
print("a page that says its set:", shown "/said")
print("one that does not:       ", shown "/silent")
check(shown "/said" == "<p>안녕</p>" and shown "/silent" ~= "<p>안녕</p>", "a header is enough")
record { euc_kr_bytes = #codec.charset(GREETING, "euc-kr"), utf8_bytes = #GREETING }
