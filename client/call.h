// What every call of a session works with; inside the library.
#pragma once

#include "client/cancellation.h"
#include "client/connection.h"
#include "client/events.h"
#include "client/retry.h"

namespace qstore::client {

// All outlive the call, and none is null.
struct Call {
  Connection* connection;
  Retrier* retrier;
  Events* events;
  Cancellation* cancellation;
};

}  // namespace qstore::client
