#include "base/text/quote.h"

#include "absl/strings/str_cat.h"
#include "base/text/printable.h"

namespace qstore {
namespace {

constexpr size_t kMaxQuotedBytes = 120;

bool IsContinuationByte(char c) {
  return (static_cast<uint8_t>(c) & 0xC0) == 0x80;
}

// So that it is seen where the quotes end.
std::string EscapeQuotes(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace

std::string Quoted(std::string_view text) {
  std::string_view shown = text;
  if (text.size() > kMaxQuotedBytes) {
    size_t end = kMaxQuotedBytes;
    // At most three steps back reach the start of a code point.
    for (int i = 0; i < 3 && IsContinuationByte(text[end]); ++i) --end;
    shown = text.substr(0, end);
  }
  return absl::StrCat("\"", Printable(EscapeQuotes(shown)),
                      shown.size() < text.size() ? "...\"" : "\"");
}

}  // namespace qstore
