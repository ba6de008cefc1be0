// Quoting names from outside in messages.
#pragma once

#include <string>
#include <string_view>

namespace qstore {

// `text` in double quotes, safe to print and to put into a protobuf string:
// control characters, quotes, backslashes and bytes that are not UTF-8 are
// escaped, and what is longer than 120 bytes is cut and ends in "...".
std::string Quoted(std::string_view text);

}  // namespace qstore
