#include "server/calls/request_id.h"

#include <algorithm>
#include <cstdint>

#include "absl/random/random.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace qstore::server {

bool IsRequestId(std::string_view text) {
  return !text.empty() && text.size() <= kMaxRequestIdBytes &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  c == '.' || c == '_' || c == '-';
         });
}

std::string RequestIdOf(const grpc::ServerContextBase& context) {
  const auto given = context.client_metadata().equal_range(kRequestIdKey);
  // With two of them nobody knows which one is meant.
  if (given.first != given.second && std::next(given.first) == given.second) {
    const grpc::string_ref text = given.first->second;
    if (IsRequestId({text.data(), text.size()})) {
      return {text.data(), text.size()};
    }
  }
  thread_local absl::BitGen random;
  return absl::StrCat(
      absl::Hex(absl::Uniform<uint64_t>(random), absl::kZeroPad16));
}

}  // namespace qstore::server
