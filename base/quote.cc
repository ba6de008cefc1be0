#include "base/quote.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/utf8.h"

namespace qstore {
namespace {

constexpr size_t kMaxQuotedBytes = 120;

bool IsContinuationByte(char c) {
  return (static_cast<uint8_t>(c) & 0xC0) == 0x80;
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
  const std::string escaped = IsValidUtf8(shown)
                                  ? absl::Utf8SafeCHexEscape(AbslView(shown))
                                  : absl::CHexEscape(AbslView(shown));
  return absl::StrCat("\"", escaped,
                      shown.size() < text.size() ? "...\"" : "\"");
}

}  // namespace qstore
