#include "server/byte_size.h"

#include <CLI/CLI.hpp>
#include <array>
#include <cctype>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/text/quote.h"

namespace qstore::server {

namespace {

// None when `text` is no number with a unit that is known, or too large.
std::optional<uint64_t> BytesOf(std::string text) {
  // CLI11 takes a unit alone for one of it.
  if (text.empty() || std::isdigit(static_cast<unsigned char>(text[0])) == 0) {
    return std::nullopt;
  }
  uint64_t bytes = 0;
  try {
    // Writes the bytes in place of what it was given.
    const CLI::AsSizeValue to_bytes(/*kb_is_1000=*/true);
    if (!to_bytes(text).empty()) return std::nullopt;
  } catch (const CLI::ValidationError&) {
    return std::nullopt;
  }
  if (!CLI::detail::lexical_cast(text, bytes)) return std::nullopt;
  return bytes;
}

}  // namespace

absl::StatusOr<uint64_t> ParseByteSize(const std::string& text,
                                       const ByteSizeRange& range) {
  const std::optional<uint64_t> parsed = BytesOf(text);
  if (!parsed.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(text),
                     " is not a size: write a whole number and a unit, as in "
                     "64MiB or 2GiB"));
  }
  const uint64_t bytes = *parsed;
  if (bytes == 0 && range.allow_zero) return bytes;
  if (bytes < range.least_bytes || bytes > range.most_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        Quoted(text), " is ", bytes, " bytes, but ",
        ByteSizeText(range.least_bytes), " to ", ByteSizeText(range.most_bytes),
        range.allow_zero ? ", or 0," : "",
        " are allowed: write a unit, as in 64MiB or 2GiB"));
  }
  return bytes;
}

std::string ByteSizeText(uint64_t bytes) {
  constexpr std::array<std::pair<int, const char*>, 4> kUnits = {
      {{40, "TiB"}, {30, "GiB"}, {20, "MiB"}, {10, "KiB"}}};
  for (const auto& [shift, unit] : kUnits) {
    const uint64_t whole = bytes >> shift;
    if (whole > 0 && whole << shift == bytes) return absl::StrCat(whole, unit);
  }
  return absl::StrCat(bytes);
}

}  // namespace qstore::server
