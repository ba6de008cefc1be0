// What qstore_session is.
#pragma once

#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/c/qstore.h"
#include "client/session.h"
#include "model/names.h"

// NOLINTNEXTLINE(readability-identifier-naming): C's name.
struct qstore_session {
  explicit qstore_session(qstore::client::SessionOptions options)
      : session(std::move(options)) {}
  qstore::client::Session session;
};

namespace qstore::client::c {

// INVALID_ARGUMENT where it is NULL or no reference.
absl::StatusOr<ModelReference> ReadReference(const char* reference);

// Of options whose first member is struct_size: whether they are those of a
// header that this library knows.
absl::Status CheckStructSize(const char* name, size_t given, size_t expected);

}  // namespace qstore::client::c
