--- Addresses and networks as text: in a config, in a Host, in what proxies say.
local runtime = require "gateway.runtime"
local address, is_network = runtime.address, runtime.text.is_network

describe("an address", function()
  it("is read in its forms and written in one", function()
    for text, written in pairs { ["127.0.0.1"] = "127.0.0.1", ["::1"] = "::1", ["::FFFF:10.0.0.1"] = "10.0.0.1", ["2001:DB8:0::1"] = "2001:db8::1",
      ["255.255.255.255"] = "255.255.255.255", ["::"] = "::", ["0:0:0:0:0:ffff:7f00:1"] = "127.0.0.1" } do
      assert.equal(written, address.parse(text), text)
    end
    for _, text in ipairs { "", "127.1", "2130706433", "0x7f.0.0.1", "127.0.0.01", "127.0.0.1 ", " ::1", "127.0.0.1\0", "[::1]", "::1%eth0", "localhost",
      "1.2.3.4:80", "1.2.3.256", ("1"):rep(100), ":::", "1.2.3" } do
      assert.is_nil(address.parse(text), text)
    end
  end)

  it("is read as proxies write it: with a port, in brackets, with blanks around", function()
    for text, written in pairs { ["1.2.3.4"] = "1.2.3.4", ["1.2.3.4:80"] = "1.2.3.4", [" 1.2.3.4:65535 "] = "1.2.3.4", ["::1"] = "::1", ["[::1]"] = "::1",
      ["[2001:db8::1]:443"] = "2001:db8::1", ["2001:db8::1"] = "2001:db8::1", ["::ffff:1.2.3.4"] = "1.2.3.4" } do
      assert.equal(written, address.parse_hop(text), text)
    end
    for _, text in ipairs { "", " ", "unknown", "_hidden", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:65536", "1.2.3.4:123456", "[::1", "[::1]x",
      "[::1]:", "[::1]:x", "[1.2.3.4]", "[]", "[", "]", ":", "::1]:80", '"[::1]"', "1.2.3.4, 5.6.7.8", "1.2.3.4:80:90" } do
      assert.is_nil(address.parse_hop(text), text)
    end
  end)
end)

describe("a network", function()
  it("has the addresses that begin as it does", function()
    for _, case in ipairs {
      { "10.0.0.0/8", { "10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3" }, { "11.0.0.0", "9.255.255.255", "::10.0.0.1", "not one" } },
      { "10.1.2.3/8", { "10.9.9.9" }, { "11.1.2.3" } }, -- what stands behind the bits does not count
      { "192.168.1.128/25", { "192.168.1.128", "192.168.1.255" }, { "192.168.1.127", "192.168.2.128" } },
      { "127.0.0.1", { "127.0.0.1" }, { "127.0.0.2", "::1" } },
      { "0.0.0.0/0", { "1.2.3.4", "255.1.1.1" }, { "::1", "2001:db8::1" } },
      { "::/0", { "::1", "1.2.3.4" }, {} },
      { "fd00::/8", { "fd00::1", "fdff::" }, { "fe00::", "10.0.0.1" } },
      { "2001:db8::/33", { "2001:db8:7fff::" }, { "2001:db8:8000::" } },
      { "::1/128", { "::1" }, { "::2", "::" } },
    } do
      for _, text in ipairs(case[2]) do
        assert.is_true(address.has(case[1], text), case[1] .. " " .. text)
      end
      for _, text in ipairs(case[3]) do
        assert.is_false(address.has(case[1], text), case[1] .. " " .. text)
      end
    end
  end)

  it("is refused where it is none", function()
    for _, text in ipairs { "", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/ 8", "10.0.0.0/8/8", "::/129", "::/1000", "10/8",
      "localhost", "*", "10.0.0.0/8x", "10.0.0.0/255.0.0.0", "/8" } do
      assert.is_false(is_network(text), text)
    end
    assert.is_true(is_network "10.0.0.0/32")
    assert.is_true(is_network "10.0.0.0/0")
  end)
end)
