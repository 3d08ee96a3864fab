--- Every field of the config, once: { name, type, default, unit, what it is for, and the member of the C struct that it fills }.
--
-- The check (schema.of), the C side (fields.as_c, at build) and the reference (fields.as_reference) are made of these rows.
-- A type that schema.lua does not know is checked by the module that owns the table. `to`: the member of the struct that the table's `c`
-- names; `count`: the member for the length of a list; `place`: places.lua may look it up; `of`: the only vendors that use it;
-- `otherwise`: the default, in words, where it is not a value. A row without a type is written by the check, not by people.
-- Nothing is required here: the build runs this file alone.
-- SPDX-License-Identifier: MIT

local fields = {}

fields.top = { c = "config", title = "The table that gateway.lua returns",
  { "listen", "address", otherwise = "`HOST`, `PORT`, 127.0.0.1:8080", fields = "listener", says = "Where to listen: \"127.0.0.1:8080\"." },
  { "open", "true or false", default = false, to = "open", says = "Other addresses than loopback need no keys." },
  { "workers", "whole number, or \"auto\"", low = 1, high = 64, default = "auto", unit = "threads", to = "workers",
    says = "auto: one per core." },
  { "providers", "providers", says = "Who answers, by name; at least one." },
  { "models", "models", default = {},
    says = "A name that clients ask for -> list of targets, `\"provider/model\"` or `{ \"provider/model\", … }`." },
  { "policy", "file of a policy",
    says = "Decides what happens to a request; without one `policies/default.lua` beside this file, else the built-in: config order." },
  { "strategy", "name", default = "round_robin", to = "strategy",
    says = "How targets are chosen when a request does not say it: one that the policy exports, refused where it exports none." },
  { "keys", "list of keys", default = {}, says = "Who may use the gateway; none: anyone who can reach a loopback address." },
  { "admin", "table", fields = "admin", default = {}, says = "Opens /admin/* and /providers." },
  { "timeouts", "table", fields = "timeouts", default = {}, says = "Deadlines of every request." },
  { "retry", "table", fields = "retry", default = {}, says = "Attempts per request." },
  { "breaker", "table", fields = "breaker", default = {}, says = "When a failing target is left alone." },
  { "cors", "origins", default = {}, fields = "cors", says = "`{ origins = … }`: pages that may ask, a list, or \"*\"." },
  { "hosts", "list of host names", default = {}, to = "hosts", count = "host_count",
    says = "Names that a loopback listener without keys answers to." },
  { "proxies", "list of networks", default = {}, says = "Whose X-Forwarded-For is believed." },
  { "body_limit", "size", low = 1024, high = 1 << 30, default = "32MB", unit = "bytes", to = "body_limit",
    says = "The longest body of a request." },
  { "memory", "size", low = 1 << 20, high = 1 << 50, otherwise = "80 % of the machine's", unit = "bytes", to = "memory_limit",
    says = "What the process may hold." },
  { "drain", "duration or 0s", default = "600s", to = "drain_us", says = "How long requests may take to finish at a stop." },
  { "drain_delay", "duration or 0s", default = "0s", to = "drain_delay_us",
    says = "How long /health/ready says 503 before the port closes." },
  { "log", "table", fields = "log", default = {}, says = "What is logged, and how." },
  { "settings", "plain data", default = {}, says = "What policies read." },
  { "leaderboard", "file, URL or { url, every }", says = "Points of models, for the strategy `score`." },
  { "prices", "file", otherwise = "the built-in catalog", says = "LiteLLM's table of prices, in place of the catalog." },
  { "listen_place", to = "listen_place" }, { "remarks", to = "remarks", count = "remark_count" },
}

fields.listener = { c = "config", { "host",
  to = "listen_host" }, { "port", to = "listen_port" }, { "is_loopback", to = "listen_is_loopback" } }

fields.cors = { c = "config", title = "cors",
  { "origins", "origin, list of origins, or \"*\"", default = {}, to = "cors_origins", count = "cors_count",
    says = "Pages that a browser may ask from: \"https://app.example.com\"; \"*\": all." },
  { "any", to = "cors_any" },
}

fields.leaderboard = { c = "board", title = "leaderboard, as a table",
  { "url", "URL", to = "url", says = "Where it is fetched. Must be given; http:// only on this machine." },
  { "every", "duration between", least = "1s", most = "7d", default = "1h", to = "every_us", says = "How often it is fetched." },
  { "origin", to = "origin" },
}

fields.admin = { title = "admin", { "key", "key of 8 to 512 characters", says = "Never one of `keys`." } }

fields.timeouts = { c = "config", title = "timeouts",
  { "connect", "duration", default = "2s", to = "walk.connect_us", says = "Until the TCP connection is established." },
  { "tls", "duration", default = "5s", to = "walk.tls_us", says = "Until TLS is established." },
  { "headers", "duration", default = "300s", to = "walk.headers_us", says = "Until the head of an answer." },
  { "first_token", "duration or 0s", default = "60s", to = "walk.first_token_us", says = "Until the first content of a stream; 0s: none." },
  { "idle", "duration or 0s", default = "60s", to = "walk.idle_us", says = "Between the bytes of an answer; 0s: none." },
  { "total", "duration", default = "600s", to = "walk.total_us", says = "The whole request, with all its attempts." },
}

fields.retry = { c = "config", title = "retry",
  { "attempts", "whole number", low = 1, high = 8, default = 3, to = "walk.attempts", says = "At most so many in all." },
  { "uncertain", "true or false", default = true, to = "walk.replay_uncertain",
    says = "An attempt that may have been answered may be made once more." },
}

fields.breaker = { c = "config", title = "breaker",
  { "failures", "whole number", low = 1, high = 1000, default = 5, to = "health.failures",
    says = "In a row, until the target is left alone; half of ten or more within 30 s does the same." },
  { "open", "duration", default = "5s", to = "health.open_us",
    says = "For how long at first; twice as long each time it fails again, up to 300 s." },
}

fields.log = { c = "config", title = "log",
  { "level", "one of", words = { "debug", "info", "warn", "error" }, default = "info", to = "log_level",
    says = "The least that is logged." },
  { "format", "one of", words = { "json", "text" }, otherwise = "text on a terminal, else json", to = "log_format",
    says = "Form of the lines." },
  { "bodies", "true or false", default = false, to = "log_bodies",
    says = "Accepted, but has no effect yet: bodies are never logged." },
}

fields.provider = { c = "provider", title = "providers.NAME",
  { "kind", "text", otherwise = "NAME", says = "The vendor it is like, or the file of an adapter." },
  { "key", "key or list of keys", otherwise = "the vendor's usual variables", says = "Several are used in turn." },
  { "base_url", "text", otherwise = "the vendor's address", says = "Where it is." },
  { "enabled", "true, false or \"alone\"", default = true, says = "alone: on while no other provider is." },
  { "headers", "headers", default = {}, says = "Sent with every request: `{ [\"X-Team\"] = \"ml\" }`." },
  { "proxy", "URL", to = "proxy", says = "The HTTP proxy in front of it." },
  { "api_version", "text", of = { "azure", "anthropic" }, place = true, to = "api_version",
    says = "Azure: \"v1\", \"preview\" or a date; Anthropic: `anthropic-version`, a date." },
  { "default_max_tokens", "whole number", low = 1, high = 1e7, unit = "tokens", to = "default_max_tokens",
    says = "Where a vendor needs max_tokens and the request has none." },
  { "empty_text_placeholder", "text", to = "empty_text_placeholder", says = "Sent in place of an empty text." },
  { "drop_params", "true or false", default = true, to = "drop_params",
    says = "false: a parameter it cannot be sent refuses the request." },
  { "reasoning_budgets", "table", fields = "budgets", default = {}, to = "reasoning_budgets", says = "Tokens for each reasoning_effort." },
  { "models", "facts of models", default = {}, says = "What is known of its models, by id: fields as in a target." },
  { "timeout", "duration", otherwise = "timeouts.total", says = "The longest attempt at its targets." },
  { "first_token", "duration", otherwise = "timeouts.first_token", says = "Until the first content of a stream of its targets." },
  { "limits", "limits", says = "Rate limits of all its targets together." },
  { "check", "health check", says = "Asked again and again whether it lives." },
  { "region", "text", of = { "bedrock" }, place = true, to = "region", says = "Bedrock." },
  { "project", "text", of = { "vertex_ai" }, place = true, to = "project", says = "Vertex AI." },
  { "location", "text", of = { "vertex_ai" }, place = true, to = "location", says = "Vertex AI." },
  { "credentials", "text", of = { "vertex_ai" }, says = "Vertex AI: a file, or \"metadata\"." },
  { "access_key_id", "key", of = { "bedrock" }, place = true, to = "access_key_id", says = "Bedrock without an API key." },
  { "secret_access_key", "key", of = { "bedrock" }, place = true, to = "secret_access_key", says = "Bedrock without an API key." },
  { "session_token", "key", of = { "bedrock" }, place = true, to = "session_token", says = "Bedrock with temporary credentials." },
  { "include_thoughts", "true or false", default = false, to = "include_thoughts",
    says = "Ask for the text of reasoning where it must be asked for." },
  { "default_input_type", "one of", words = { "search_document", "search_query", "classification", "clustering" },
    of = { "cohere", "bedrock", "gemini", "vertex_ai" },
    to = "default_input_type",
    otherwise = "search_document", says = "Of embeddings that do not say it (Cohere, Bedrock, Google)." },
  { "name",
    to = "name" }, { "origin", place = true, to = "origin" }, { "path", place = true, to = "path" }, { "dated_api", place = true,
    to = "dated_api" },
  { "is_vendors", to = "is_vendors" }, { "keys", to = "keys", count = "key_count" },
}

fields.budgets = { title = "providers.NAME.reasoning_budgets" }
for i, effort in ipairs { "minimal", "low", "medium", "high", "xhigh" } do
  fields.budgets[i] = { effort, "whole number", low = 1, high = 1e7, unit = "tokens", otherwise = "the vendor's",
    says = "For this effort." }
end

fields.check = { c = "check", title = "providers.NAME.check",
  { "path", "path", otherwise = "/models", to = "path", says = "What is asked for, under the base URL." },
  { "every", "duration between", least = "1s", most = "1h", default = "10s", to = "every_us", says = "How often." },
  { "timeout", "duration between", least = "10ms", most = "60s", otherwise = "2s, at most `every`", to = "timeout_us", says = "For each." },
  { "expect", "status or list of statuses", otherwise = "200 to 299", to = "statuses",
    says = "Which statuses are good: 1 to 16, 200 to 599." },
  { "fall", "whole number", low = 1, high = 100, default = 3, to = "fall", says = "Failures in a row, until it is down." },
  { "rise", "whole number", low = 1, high = 100, default = 2, to = "rise", says = "Successes in a row, until it is back." },
}

fields.target = { c = "target", title = "A target in models, and providers.NAME.models.ID",
  { "weight", "number", low = 0, high = 1e6, otherwise = "1", to = "weight", says = "For `weighted`." },
  { "priority", "whole number", low = -1e6, high = 1e6, otherwise = "1", to = "priority", says = "For `priority`." },
  { "quality", "number", low = -1e6, high = 1e6, otherwise = "0", to = "quality", says = "For `quality` and `score`." },
  { "leaderboard", "number", low = -1e6, high = 1e6, otherwise = "of `leaderboard`", to = "leaderboard", says = "For `score`." },
  { "price", "prices", unit = "USD per million tokens", otherwise = "the catalog's", to = "price",
    says = "{ input, output, cache_read, cache_write }, in this order or by name." },
  { "context", "whole number", low = 1, high = 1e9, unit = "tokens", otherwise = "the catalog's", to = "context",
    says = "The longest prompt and answer." },
  { "max_output", "whole number", low = 1, high = 1e9, unit = "tokens", otherwise = "the catalog's", to = "model.max_output",
    says = "The longest answer." },
  { "max_temperature", "number", low = 0, high = 100, otherwise = "2; Anthropic 1", to = "max_temperature",
    says = "Higher ones are not sent here." },
  { "capabilities", "capabilities", otherwise = "the catalog's, else all", to = "model.capabilities",
    says = "A list of what it can, or { vision = false }." },
  { "timeout", "duration", otherwise = "the provider's", to = "timeout_us", says = "The longest attempt." },
  { "first_token", "duration", otherwise = "the provider's", to = "first_token_us", says = "Until the first content of a stream." },
  { "base_model", "text", to = "model.base_model", says = "The model of the catalog behind this id." },
  { "limits", "limits", says = "Rate limits of this target." },
  { "makes", to = "makes", words = { "anything", "text", "vectors" } },
}

fields.price = { title = "price of a target" }
for i, row in ipairs { { "input", "Prompts. Must be given." }, { "output", "Answers. Must be given." },
  { "cache_read", "Tokens of a prompt that the provider's cache had." }, { "cache_write", "Tokens that went into its cache." } } do
  fields.price[i] = { row[1], "number", low = 0, high = 1e6, unit = "USD per million tokens", otherwise = i > 2 and "unpriced" or nil,
    says = row[2] }
end

-- In the order of the bits of enum capability.
fields.capabilities = { title = "capabilities of a target, as a table" }
for i, row in ipairs { { "tools", "Calls of functions." }, { "vision", "Pictures in a prompt." },
  { "json_schema", "Answers by a JSON schema." }, { "reasoning", "Thinking before the answer." }, { "audio", "Sounds in a prompt." },
  { "document", "Files such as PDF in a prompt." } } do
  fields.capabilities[i] = { row[1], "true or false", otherwise = "as known of the model", says = row[2] }
end

-- gateway.limit of policies has these too, with a name of the limit and `per`.
fields.limits = { title = "limits of a provider or a target: at least one of requests, tokens and concurrent",
  { "requests", "rates", otherwise = "no limit", says = "\"60/min\", or several windows: \"100/min 5/s\"." },
  { "tokens", "rates", otherwise = "no limit", unit = "tokens", says = "\"100k/day\": prompts and answers." },
  { "concurrent", "count", otherwise = "no limit", unit = "requests", says = "So many at a time, at least 1." },
  { "burst", "count", otherwise = "windows, no bucket",
    says = "Makes a bucket of the one rate beside it: as many at once, refilled at that rate." },
}

fields.user = { c = "user", title = "An item of keys",
  { "key", "key of 8 to 512 characters", says = "What the client sends. This, or sha256." },
  { "sha256", "64 hex digits", says = "Its SHA-256 in place of the key." },
  { "user", "name", to = "id", says = "Whose key it is. Must be given." },
  { "tier", "name", default = "default", to = "tier", says = "For policies." },
  { "name", "name", otherwise = "`user`", to = "name", says = "For people." },
  { "models", "list of patterns", otherwise = "all", to = "models", count = "model_count", says = "What it may ask for: \"gpt-*\"." },
  { "expires", "time", otherwise = "never", unit = "UTC", to = "expires_wall_us",
    says = "\"2027-01-01\" or \"2027-01-01T12:00:00Z\". `expires = env \"E\"` with E not set is as if left out: the key never expires." },
  { "metadata", "plain data", says = "For policies." },
}

fields.credential = { c = "google_credential",
  { "kind", to = "kind", words = { "service_account", "authorized_user", "metadata" } },
  { "origin", to = "origin" }, { "path", to = "path" }, { "token_uri", to = "token_uri" }, { "client_email", to = "client_email" },
  { "private_key", to = "private_key" }, { "private_key_id", to = "private_key_id" }, { "client_id", to = "client_id" },
  { "client_secret", to = "client_secret" }, { "refresh_token", to = "refresh_token" }, { "quota_project", to = "quota_project" },
}

-- What the check finds out, and no file says.
fields.times = { c = "provider_times", { "timeout", to = "timeout_us" }, { "first_token", to = "first_token_us" } }
fields.status = { c = "provider_status", { "name", to = "name" }, { "why_off", to = "why_off" } }
fields.model = { c = "model",
  { "name", to = "name" }, { "from_catalog", to = "from_catalog" }, { "off", to = "off", count = "off_count" } }

local ORDER = {
  "listener", "cors", "timeouts", "retry", "breaker", "log", "top", "leaderboard", "user", "provider", "times", "status", "check", "target",
  "model", "credential",
}
-- The sections of the reference.
fields.SECTIONS = { "top", "admin", "timeouts", "retry", "breaker", "cors", "log", "leaderboard", "user", "provider", "budgets", "check",
  "target", "price", "capabilities", "limits" }

--- What lua/config.c walks: one array a table, of its rows with a `to`.
function fields.as_c()
  local out = {}
  for _, name in ipairs(ORDER) do
    local rows = fields[name]
    out[#out + 1] = ("static const struct config_field %s_fields[] = {"):format(name)
    for _, row in ipairs(rows) do
      local kind = row.count and "COUNTED" or row.to and row.to:find "_us$" and "SECONDS" or "FIELD"
      if row.to then
        out[#out + 1] = ("    %s(%q, struct %s, %s, %s),"):format(kind, row[1], rows.c, row.to,
          row.count or row.words and ('"%s\\0"'):format(table.concat(row.words, "\\0")) or "NULL")
      elseif row.fields and fields[row.fields].c then
        out[#out + 1] = ("    INNER(%q, %s_fields),"):format(row[1], row.fields)
      end
    end
    out[#out + 1] = "    {0},\n};"
  end
  return table.concat(out, "\n") .. "\n"
end

local function type_of(row)
  if row.words then
    return '"' .. table.concat(row.words, '", "') .. '"'
  elseif row.low then
    return ("%s, %.14g to %.14g"):format(row[2], row.low, row.high)
  end
  return row.least and ("duration, %s to %s"):format(row.least, row.most) or row[2]
end

local function default_of(row)
  return row.otherwise or type(row.default) == "table" and "{}" or row.default ~= nil and "`" .. tostring(row.default) .. "`" or ""
end

--- The reference of the whole config, as Markdown.
function fields.as_reference()
  local out = {
    "Made from `lua/gateway/fields.lua` by `make reference`. " ..
      "A duration is \"500ms\", \"8s\", \"5m\", \"1h\" or \"1d\", a size \"64KB\" or \"32MB\"." }
  for _, name in ipairs(fields.SECTIONS) do
    out[#out + 1] = ("\n### %s\n\n| field | type | unit | default | meaning |\n|---|---|---|---|---|"):format(fields[name].title)
    for _, row in ipairs(fields[name]) do
      if row[2] then
        out[#out + 1] = ("| `%s` | %s | %s | %s | %s |"):format(row[1], type_of(row), row.unit or "", default_of(row), row.says)
      end
    end
  end
  return table.concat(out, "\n") .. "\n"
end

--- The text of examples/README.md with this reference between its marks.
function fields.with_reference(text)
  local before, after = text:match "^(.*<!%-%- reference %-%->\n).*(<!%-%- /reference %-%->.*)$"
  return before .. fields.as_reference() .. after
end

return fields
