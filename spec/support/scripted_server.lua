--- The server of support/scripted.lua: `lua5.4 scripted_server.lua FOLDER`. Answers each request with the bytes of FOLDER/answer, as they stand there,
-- and closes; what was asked goes to FOLDER/request, and a byte for each to FOLDER/count. One at a time. Says its port on stdout.
-- SPDX-License-Identifier: MIT
local socket = require "socket"

local folder = arg[1]
local server = assert(socket.bind("127.0.0.1", 0, 64))
print((select(2, server:getsockname())))
io.stdout:flush()

local function take(connection)
  local head, length = {}, 0
  for line in function() return connection:receive "*l" end do
    if line == "" then
      return table.concat(head, "\n") .. "\n\n" .. (length > 0 and connection:receive(length) or "")
    end
    head[#head + 1] = line
    length = tonumber(line:lower():match "^content%-length:%s*(%d+)") or length
  end
end

while true do
  local connection = assert(server:accept())
  connection:settimeout(10)
  local request = take(connection)
  if request then
    local file = assert(io.open(folder .. "/request.new", "wb"))
    file:write(request)
    file:close()
    assert(os.rename(folder .. "/request.new", folder .. "/request"))
    file = assert(io.open(folder .. "/count", "ab"))
    file:write "."
    file:close()
    file = assert(io.open(folder .. "/answer", "rb"))
    connection:send(file:read "a")
    file:close()
  end
  connection:close()
end
