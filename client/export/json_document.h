// Reading JSON documents that came with a model: anyone may have written them.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace qstore::client {

inline constexpr int kMaxJsonDepth = 100;

// `Json` is nlohmann::json (keys sorted) or nlohmann::ordered_json (keys as
// they were). FAILED_PRECONDITION when `text` is not a JSON object or is nested
// deeper than kMaxJsonDepth.
template <typename Json>
absl::StatusOr<Json> ParseJsonObject(const std::string& text) {
  bool too_deep = false;
  const auto check_depth = [&too_deep](int depth, auto /*event*/,
                                       Json& /*value*/) {
    too_deep = too_deep || depth > kMaxJsonDepth;
    return !too_deep;
  };
  Json document = Json::parse(text, check_depth, /*allow_exceptions=*/false);
  if (too_deep || !document.is_object()) {
    return absl::FailedPreconditionError(
        too_deep ? "its JSON is nested too deeply" : "it is not a JSON object");
  }
  return document;
}

}  // namespace qstore::client
