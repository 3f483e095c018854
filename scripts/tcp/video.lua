-- Row 25. Why a film can begin before it has arrived: TCP delivers a stream of segments, not a file.
--   tidewire sweep scripts/tcp/video.lua
-- Look at first_frame_s: with a stream, playing begins as soon as two seconds of film are there; as one message, after the whole
-- download. At a line rate below that of the film it stalls: how often, and for how long?
local p = experiment {
  name   = "video",
  params = { line = { "6Mbps", "10Mbps", "20Mbps" }, mode = { "stream", "message" } },
  order  = { "mode", "line" },
  expect = { { "max(first_frame_s) < 4", where = { mode = "stream" } },
             { "min(first_frame_s) > 40", where = { mode = "message" } } },
  plot   = { x = "line", y = { "first_frame_s", "stalled_s" }, color = "mode" },
}
local FILM, RATE = bytes "100MB", bits_per_s "8Mbps"     -- 100 s of film
local FIRST = RATE / 8 * 2                               -- two seconds of it

local viewer, server = net:host "viewer", net:host "server"
net:link(server, viewer, { rate = p.line, delay = "20ms" })
server:serve(80, function(conn) conn:send_bytes(FILM) end)

local conn = assert(viewer:connect(server, 80))
local arrived, playing_since, played, stalls, stalled = 0, nil, 0, 0, 0
local first_frame
while arrived < FILM do
  arrived = arrived + assert(conn:discard(math.min(FIRST // 4, FILM - arrived)))
  local ready = p.mode == "stream" and arrived or arrived == FILM and FILM or 0
  if playing_since then                                  -- how far is the player now?
    local position = played + (now() - playing_since) * RATE / 8
    if position > ready then                             -- nothing left to show: it stalls until FIRST is there again
      stalls, stalled = stalls + 1, stalled + (position - ready) * 8 / RATE
      played, playing_since = ready, nil
    end
  elseif ready - played >= FIRST or ready == FILM then
    playing_since = now()
    first_frame = first_frame or now()
  end
end
record { first_frame_s = first_frame, download_s = now(), stalls_count = stalls, stalled_s = stalled }
check(p.mode == "message" or first_frame < now() / 10, "the film begins long before it has arrived")
check(p.mode == "stream" or first_frame == now(), "a message is there when all of it is there")
