--- Collects garbage all the time, so that a binding that keeps a value without an anchor is found: a helper of busted (spec/sanitized).
-- SPDX-License-Identifier: MIT
collectgarbage("incremental", 1, 1000, 16)
