-- W1: one signed body, a delivery id of its own for each request. Arguments: file of the body, signature, a word for this run.
local head, tail, count = nil, nil, 0

function init(args)
    local file = assert(io.open(args[1], "rb"))
    local body = file:read("*a")
    file:close()
    local path = wrk.path
    head = "POST " .. path .. " HTTP/1.1\r\nHost: " .. wrk.host .. "\r\nContent-Type: application/json\r\nX-GitHub-Event: push\r\n"
        .. "X-Hub-Signature-256: " .. args[2] .. "\r\nX-GitHub-Delivery: " .. args[3] .. "-"
    tail = "\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
end

function request()
    count = count + 1
    return head .. count .. tail
end

function done(summary, latency, requests)
    local e = summary.errors
    io.write(string.format('{"requests":%d,"micros":%d,"p50_us":%d,"p99_us":%d,"max_us":%d,"bad":%d,"broken":%d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
        e.status, e.connect + e.read + e.write + e.timeout))
end
