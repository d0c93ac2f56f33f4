-- Each request is for another of HOSTS hosts; the stride has no factor in common with that, so that all have their turn,
-- and never two neighbours after one another.
local hosts, stride = HOSTS, 7919
local requests, at = {}, 0

function init()
   for n = 0, hosts - 1 do
      requests[n] = wrk.format("GET", "/", { Host = "h" .. n .. ".example.com" })
   end
end

function request()
   at = (at + stride) % hosts
   return requests[at]
end
