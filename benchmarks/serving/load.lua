-- Posts the lines of a file in turn, or a file as a whole, and prints what was seen as one line of
-- JSON.
local bodies, at = {}, 0
if os.getenv("WHOLE") then
  bodies[1] = assert(io.open(os.getenv("BODIES"), "rb")):read("*a")
else
  for line in io.lines(os.getenv("BODIES")) do bodies[#bodies + 1] = line end
end
wrk.method = "POST"
wrk.headers["content-type"] = os.getenv("CONTENT_TYPE")

function request()
  at = at % #bodies + 1
  return wrk.format(nil, nil, nil, bodies[at])
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "failed": %d, "p50_ms": %.3f, "p99_ms": %.3f}\n',
    summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
