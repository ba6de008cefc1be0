// What every function of the C interface that can fail is wrapped in.
#pragma once

#include <new>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "client/c/qstore.h"

namespace qstore::client::c {

// Gives `status` to the caller in both of its ways. Does not throw: where there
// is no memory for the description, there is none.
qstore_code Report(const absl::Status& status, qstore_error** error) noexcept;

// QSTORE_INVALID_ARGUMENT, naming the parameter.
absl::Status NullArgument(const char* name);

// Runs `body`, which returns an absl::Status; an exception is a status too.
template <typename Body>
qstore_code Guard(qstore_error** error, const Body& body) noexcept {
  if (error != nullptr) *error = nullptr;
  try {
    return Report(body(), error);
  } catch (const std::bad_alloc&) {
    // Without a message: its string could throw once more.
    return QSTORE_RESOURCE_EXHAUSTED;
  } catch (...) {
    return QSTORE_INTERNAL;
  }
}

// For accessors and the like: `otherwise` in place of an exception.
template <typename T, typename Body>
T GuardValue(T otherwise, const Body& body) noexcept {
  try {
    return body();
  } catch (...) {
    return otherwise;
  }
}

}  // namespace qstore::client::c
