// Status macros, and context that is prepended on the way up.
//
// Inside the project every fallible function returns absl::Status or
// absl::StatusOr. Each caller that knows more than its callee (which tensor,
// which chunk) prepends what it knows; only the outermost caller logs.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace qstore {

// "tensor w: chunk 3: <message>", same code. OK stays OK.
absl::Status Annotate(const absl::Status& status, std::string_view context);

// Another message; the same code and payloads. OK stays OK.
absl::Status WithMessage(const absl::Status& status,
                         const std::string& message);

// absl 20220623 has its own string_view, which std::string_view does not
// convert to; these take what the rest of the project uses.
inline absl::Status MakeStatus(absl::StatusCode code, const std::string& text) {
  return {code, text};
}
inline absl::string_view AbslView(std::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace qstore

#define QSTORE_RETURN_IF_ERROR(expression)                              \
  do {                                                                  \
    if (absl::Status qstore_status = (expression); !qstore_status.ok()) \
        [[unlikely]]                                                    \
      return qstore_status;                                             \
  } while (false)

#define QSTORE_STATUS_CONCAT_INNER(a, b) a##b
#define QSTORE_STATUS_CONCAT(a, b) QSTORE_STATUS_CONCAT_INNER(a, b)
#define QSTORE_ASSIGN_OR_RETURN_IMPL(result, left, expression) \
  auto result = (expression);                                  \
  if (!result.ok()) [[unlikely]]                               \
    return std::move(result).status();                         \
  left = *std::move(result)

// QSTORE_ASSIGN_OR_RETURN(auto value, Function());
#define QSTORE_ASSIGN_OR_RETURN(left, expression)                              \
  QSTORE_ASSIGN_OR_RETURN_IMPL(QSTORE_STATUS_CONCAT(qstore_result_, __LINE__), \
                               left, expression)
