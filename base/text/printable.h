// Text from outside, made safe to show: in a terminal, in a line of a log, in
// JSON. Whatever this program prints or logs passes one of these functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace qstore {

// A control character (C0, DEL, C1) or one that changes how its neighbours look
// (bidirectional marks, zero-width and other format characters, separators of
// lines): a terminal or an editor would obey it instead of showing it.
bool IsUnprintable(uint32_t code_point);

// `text` with every such character as an escape ("\n", "\x1b", "\u202e"), and
// bytes that are not UTF-8 too ("\xff"): one line of valid UTF-8. What has been
// escaped already stays as it is.
std::string Printable(std::string_view text);

// The same, but newlines stay.
std::string PrintableLines(std::string_view text);

// The same for a JSON document: as escapes of JSON, so that it says what it
// said. `json` is valid UTF-8; whitespace between its tokens stays.
std::string PrintableJson(std::string_view json);

}  // namespace qstore
