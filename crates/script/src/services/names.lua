-- Names that no host has.
local names = {}
function names.lookup() return nil, "no such host" end
return names
