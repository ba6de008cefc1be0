#include "base/glob.h"

#include <cstddef>
#include <cstdint>

namespace qstore {
namespace {

// The position after the UTF-8 character at `position`.
size_t NextCharacter(std::string_view text, size_t position) {
  do {
    ++position;
  } while (position < text.size() &&
           (static_cast<uint8_t>(text[position]) & 0xC0) == 0x80);
  return position;
}

}  // namespace

// Only the last star can need to take more: whatever fits after an earlier star
// also fits with the text that the later star reached.
bool GlobMatch(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t after_star = std::string_view::npos;
  size_t star_end = 0;  // the last star takes the text up to here
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      after_star = ++p;
      star_end = t;
    } else if (p < pattern.size() && pattern[p] == '?') {
      ++p;
      t = NextCharacter(text, t);
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (after_star != std::string_view::npos) {
      p = after_star;
      t = ++star_end;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace qstore
