-- W5: lock and unlock in turn. wrk does not tell which connection asks next, so keys go round: a key's unlock follows its lock
-- `clients` requests later, when the lock has long been answered. Arguments: token, clients.
local token, clients, count, heads = nil, 1, -1, {}      -- wrk asks once before it begins, and throws that away

function init(args)
    token = args[1]
    clients = tonumber(args[2])
    local common = " /api/v1/locks HTTP/1.1\r\nHost: " .. wrk.host .. "\r\nAuthorization: Bearer " .. token
        .. "\r\nContent-Type: application/json\r\nContent-Length: "
    heads = { POST = "POST" .. common, DELETE = "DELETE" .. common }
    word = tostring(os.time())
end

local function message(verb, body)
    return heads[verb] .. #body .. "\r\n\r\n" .. body
end

-- Blocks of 2 × clients requests: first every lock of the block, then every unlock.
function request()
    local turn = math.max(count, 0)
    local block = math.floor(turn / (2 * clients))
    local place = turn % (2 * clients)
    count = count + 1
    local key = string.format("%s-%d-%d", word, block, place % clients)
    if place < clients then
        return message("POST", '{"key":"acme/infra/' .. key .. '","ttl":300,"lockMessage":"apply"}')
    end
    return message("DELETE", '{"key":"acme/infra/' .. key .. '"}')
end

function done(summary, latency, requests)
    local e = summary.errors
    io.write(string.format('{"requests":%d,"micros":%d,"p50_us":%d,"p99_us":%d,"bad":%d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), e.status + e.connect + e.read + e.write + e.timeout))
end
