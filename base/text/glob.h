// Patterns on tensor names.
#pragma once

#include <string_view>

namespace qstore {

// Whether the whole of `text` fits `pattern`: `*` stands for any run of
// characters (also none, also '/' and '.'), `?` for exactly one, everything
// else for itself. Case matters. Both are UTF-8; other bytes are matched
// somehow, but safely. Takes O(pattern.size() + text.size()) steps, whatever
// the pattern; a `?` between two stars costs one for each 64 bytes of its
// neighbours up to the stars, at each byte of `text`.
bool GlobMatch(std::string_view pattern, std::string_view text);

}  // namespace qstore
