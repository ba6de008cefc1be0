#include "base/text/utf8.h"

#include <bit>

namespace qstore {
namespace {

constexpr uint32_t kMaxCodePoint = 0x10FFFF;

constexpr bool IsSurrogate(uint32_t code_point) {
  return code_point >= 0xD800 && code_point <= 0xDFFF;
}

}  // namespace

std::optional<uint32_t> TakeCodePoint(std::string_view* text) {
  // The smallest code point that needs 2, 3 and 4 bytes.
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const auto lead = static_cast<uint8_t>(text->front());
  if (lead < 0x80) {
    text->remove_prefix(1);
    return lead;
  }
  // The number of leading ones is the length; one alone is a continuation byte.
  const int length = std::countl_one(lead);
  if (length < 2 || length > 4 || text->size() < static_cast<size_t>(length)) {
    return std::nullopt;
  }
  uint32_t code_point = lead & (0x7Fu >> length);
  for (int i = 1; i < length; ++i) {
    const auto byte = static_cast<uint8_t>((*text)[i]);
    if ((byte & 0xC0) != 0x80) return std::nullopt;
    code_point = code_point << 6 | (byte & 0x3Fu);
  }
  if (code_point < kSmallest[length] || code_point > kMaxCodePoint ||
      IsSurrogate(code_point)) {
    return std::nullopt;
  }
  text->remove_prefix(length);
  return code_point;
}

bool IsValidUtf8(std::string_view text) {
  while (!text.empty()) {
    if (!TakeCodePoint(&text)) return false;
  }
  return true;
}

}  // namespace qstore
