#include "cli/phrases.h"

#include <ctime>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text/printable.h"

namespace qstore::cli {
namespace {

constexpr size_t kShortRevisionDigits = 12;

}  // namespace

std::string Count(uint64_t count, const char* noun) {
  return absl::StrCat(count, " ", noun, count == 1 ? "" : "s");
}

std::string ShortRevision(const std::string& revision) {
  return Printable(revision.substr(0, kShortRevisionDigits));
}

std::string JoinNames(const std::vector<std::string>& names) {
  return Printable(absl::StrJoin(names, ", "));
}

std::string FormatTime(int64_t unix_seconds) {
  const auto time = static_cast<std::time_t>(unix_seconds);
  std::tm utc = {};
  if (gmtime_r(&time, &utc) == nullptr) return "an unknown time";
  char text[32] = {};
  std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &utc);
  return text;
}

std::string FormatShape(const std::vector<uint64_t>& shape) {
  return shape.empty() ? "scalar" : absl::StrJoin(shape, "x");
}

}  // namespace qstore::cli
