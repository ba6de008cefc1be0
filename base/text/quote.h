// Quoting names from outside in messages.
#pragma once

#include <string>
#include <string_view>

namespace qstore {

// `text` in double quotes, safe to print (base/text/printable.h) and to put
// into a protobuf string; quotes and backslashes are escaped too, and what is
// longer than 120 bytes is cut and ends in "...".
std::string Quoted(std::string_view text);

}  // namespace qstore
