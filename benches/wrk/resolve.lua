-- The name is not asked for: it is at ADDRESS and PORT.
function wrk.resolve()
   wrk.addrs = wrk.lookup("ADDRESS", "PORT")
end
