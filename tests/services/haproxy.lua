-- SPDX-License-Identifier: BSD-2-Clause
local kept = {}

local function pid()
	local file = io.open("/proc/self/stat")
	local line = file:read("*l")
	file:close()
	return line:match("^%d+")
end

local words = {
	add = function(applet)
		local file = io.open(applet:get_var("txn.records"), "a")
		file:write(applet.qs, "\n")
		file:close()
		return applet.qs
	end,
	leak = function(applet)
		kept[#kept + 1] = string.rep(tostring(#kept % 10), tonumber(applet.qs) * 1024)
		return pid()
	end,
	grow = function()
		while true do
			for _ = 1, 1000 do
				kept[#kept + 1] = "record " .. #kept
			end
			core.yield()
		end
	end,
}

core.register_service("service", "http", function(applet)
	local word = words[applet.path:sub(2)]
	local answer = word and word(applet) or "0"
	applet:set_status(200)
	applet:add_header("content-length", #answer)
	applet:start_response()
	applet:send(answer)
end)
