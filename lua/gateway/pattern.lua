--- Names with a `*` in them: "gpt-4o*", "*-mini", "mock/*". The same as a key's `models`, and in C: tiers.lua asks for every request.
-- SPDX-License-Identifier: MIT

local runtime = require "gateway.runtime"

--- any(list, text): whether any pattern of the list describes the text; `*` matches any run of characters, everything else itself.
return { any = runtime.text.matches_any }
