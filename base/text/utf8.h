// UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above
// U+10FFFF.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace qstore {

// Takes one code point off the front of `text`, which must not be empty;
// nullopt, with `text` unchanged, when the front is not valid UTF-8.
std::optional<uint32_t> TakeCodePoint(std::string_view* text);

bool IsValidUtf8(std::string_view text);

}  // namespace qstore
