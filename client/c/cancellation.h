// What qstore_cancellation is.
#pragma once

#include "client/c/qstore.h"
#include "client/cancellation.h"

// NOLINTNEXTLINE(readability-identifier-naming): C's name.
struct qstore_cancellation {
  qstore::client::Cancellation cancellation;
};
