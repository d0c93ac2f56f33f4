-- A body of SIZE bytes.
wrk.method = "POST"
wrk.body = string.rep("x", SIZE)
