#include "base/text/printable.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/text/utf8.h"

namespace qstore {
namespace {

struct CodePointRange {
  uint32_t first;
  uint32_t last;
};

// Categories Cc, Cf, Zl and Zp of Unicode 15, in ascending order; the tags at
// the end with what is reserved among them.
constexpr CodePointRange kUnprintable[] = {
    {0x0000, 0x001F},   {0x007F, 0x009F},   {0x00AD, 0x00AD},
    {0x0600, 0x0605},   {0x061C, 0x061C},   {0x06DD, 0x06DD},
    {0x070F, 0x070F},   {0x0890, 0x0891},   {0x08E2, 0x08E2},
    {0x180E, 0x180E},   {0x200B, 0x200F},   {0x2028, 0x202E},
    {0x2060, 0x206F},   {0xFEFF, 0xFEFF},   {0xFFF9, 0xFFFB},
    {0x110BD, 0x110BD}, {0x110CD, 0x110CD}, {0x13430, 0x1343F},
    {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF},
};

std::string Escape(uint32_t code_point) {
  switch (code_point) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      break;
  }
  if (code_point < 0x80) return absl::StrFormat("\\x%02x", code_point);
  if (code_point < 0x10000) return absl::StrFormat("\\u%04x", code_point);
  return absl::StrFormat("\\U%08x", code_point);
}

// JSON has escapes for UTF-16 alone.
std::string EscapeForJson(uint32_t code_point) {
  if (code_point < 0x10000) return absl::StrFormat("\\u%04x", code_point);
  const uint32_t offset = code_point - 0x10000;
  return absl::StrFormat("\\u%04x\\u%04x", 0xD800 + (offset >> 10),
                         0xDC00 + (offset & 0x3FF));
}

// Copies `text` but for what `keeps` does not let stay, which `escape` writes.
template <typename Keeps, typename EscapeFunction>
std::string Escaped(std::string_view text, const Keeps& keeps,
                    const EscapeFunction& escape) {
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    std::string_view rest = text;
    const std::optional<uint32_t> code_point = TakeCodePoint(&rest);
    if (!code_point.has_value()) {
      absl::StrAppend(
          &shown,
          absl::StrFormat("\\x%02x", static_cast<uint8_t>(text.front())));
      text.remove_prefix(1);
      continue;
    }
    if (keeps(*code_point)) {
      shown += text.substr(0, text.size() - rest.size());
    } else {
      shown += escape(*code_point);
    }
    text = rest;
  }
  return shown;
}

}  // namespace

bool IsUnprintable(uint32_t code_point) {
  const auto* const range = std::lower_bound(
      std::begin(kUnprintable), std::end(kUnprintable), code_point,
      [](const CodePointRange& a, uint32_t b) { return a.last < b; });
  return range != std::end(kUnprintable) && code_point >= range->first;
}

std::string Printable(std::string_view text) {
  return Escaped(
      text, [](uint32_t code_point) { return !IsUnprintable(code_point); },
      Escape);
}

std::string PrintableLines(std::string_view text) {
  return Escaped(
      text,
      [](uint32_t code_point) {
        return code_point == '\n' || !IsUnprintable(code_point);
      },
      Escape);
}

std::string PrintableJson(std::string_view json) {
  // In a valid document there is no C0 character within a string.
  return Escaped(
      json,
      [](uint32_t code_point) {
        return code_point < ' ' || !IsUnprintable(code_point);
      },
      EscapeForJson);
}

}  // namespace qstore
