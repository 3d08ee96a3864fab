--- What the process may have is what its cgroup and those above it allow.
local memory = require("gateway.runtime").memory

local MB = 1024 * 1024

describe("the limit of a cgroup", function()
  local root

  --- Files below `root`, by their paths.
  local function tree(files)
    local pipe = assert(io.popen "mktemp -d /tmp/gateway-spec-XXXXXX")
    root = pipe:read "l"
    pipe:close()
    for path, text in pairs(files) do
      os.execute(("mkdir -p '%s'"):format(root .. path:match "^(.*)/"))
      local file = assert(io.open(root .. path, "w"))
      file:write(text)
      file:close()
    end
    return memory.of_cgroup(root)
  end

  after_each(function() os.execute(("rm -rf '%s'"):format(root)) end)

  it("is found in version 2, its own or a parent's", function()
    local files = { ["/proc/self/cgroup"] = "0::/a/b\n", ["/sys/fs/cgroup/a/b/memory.max"] = "max\n", ["/sys/fs/cgroup/a/memory.max"] = 300 * MB .. "\n" }
    assert.equal(300 * MB, tree(files))
    files["/sys/fs/cgroup/a/b/memory.max"] = 100 * MB .. "\n"
    assert.equal(100 * MB, tree(files))
    files["/sys/fs/cgroup/memory.max"] = 50 * MB .. "\n"
    assert.equal(50 * MB, tree(files))
  end)

  it("is found in version 1, beside controllers of other names", function()
    local files = { ["/proc/self/cgroup"] = "11:pids:/x\n4:cpu,memory:/a\n2:memory_like:/b\n0::/\n",
      ["/sys/fs/cgroup/memory/a/memory.limit_in_bytes"] = 200 * MB .. "\n", ["/sys/fs/cgroup/memory/b/memory.limit_in_bytes"] = "5\n",
      ["/sys/fs/cgroup/memory/memory.limit_in_bytes"] = "9223372036854771712\n" }
    assert.equal(200 * MB, tree(files))
  end)

  it("is found in a container whose path is the host's", function()
    assert.equal(64 * MB, tree { ["/proc/self/cgroup"] = "0::/system.slice/docker-1234.scope\n", ["/sys/fs/cgroup/memory.max"] = 64 * MB .. "\n" })
    assert.equal(64 * MB, tree { ["/proc/self/cgroup"] = "4:memory:/docker/1234\n", ["/sys/fs/cgroup/memory/memory.limit_in_bytes"] = 64 * MB .. "\n" })
  end)

  it("is none where nothing says so", function()
    assert.is_nil(tree { ["/proc/self/cgroup"] = "0::/a\n", ["/sys/fs/cgroup/a/memory.max"] = "max\n" })
    assert.is_nil(tree { ["/proc/self/cgroup"] = "junk\n4:memory\n\n" })
    assert.is_nil(tree { ["/proc/self/status"] = "" })
  end)
end)
