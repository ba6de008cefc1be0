// When to try again, and how long to wait before.
#pragma once

#include <chrono>
#include <functional>
#include <limits>
#include <random>
#include <string>

#include "absl/status/status.h"
#include "client/cancellation.h"
#include "client/connection.h"
#include "client/events.h"

namespace qstore::client {

struct RetryOptions {
  double connect_timeout_seconds = 10;
  // How long to go on trying without getting further; 0: not at all.
  double retry_seconds = 0;
  // The same while the server has not been reached, if that is less.
  double first_contact_seconds = std::numeric_limits<double>::infinity();
};

// Of one call of the library. One thread at a time.
class Retrier {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;
  // Returns early when the call is cancelled.
  using Sleep = std::function<void(std::chrono::milliseconds)>;

  // Tells `events` before it waits. Both must outlive this.
  Retrier(const RetryOptions& options, Events* events,
          Cancellation* cancellation);
  // For tests.
  Retrier(const RetryOptions& options, Events* events,
          Cancellation* cancellation, Clock clock, Sleep sleep);

  // Runs `attempt` until it succeeds, fails for good (IsTransient) or the time
  // is over; returns its last status.
  absl::Status Run(const std::function<absl::Status()>& attempt);
  // The same for an attempt that must not take place twice: tries again only
  // while the server was not reached or answered that it did nothing.
  absl::Status RunOnce(const std::function<absl::Status()>& connect,
                       const std::function<absl::Status()>& attempt);

  // The work got further: the time begins anew, and waits are short again.
  void Progressed();
  absl::Status Connect(Connection* connection);
  // How often something was tried that had failed before, and the first time.
  int attempts() const { return attempts_; }

 private:
  // Whether to try again after `error`; waits before it returns true.
  bool WaitAfter(const absl::Status& error);
  std::chrono::milliseconds NextWait(const absl::Status& error);

  const RetryOptions options_;
  Events* const events_;
  Cancellation* const cancellation_;
  const Clock clock_;
  const Sleep sleep_;
  std::mt19937 random_;
  int attempts_ = 1;
  bool reached_ = false;  // the server, once
  int waits_ = 0;         // since the last progress
  // Of the first failure since the last progress.
  std::chrono::steady_clock::time_point failing_since_;
};

}  // namespace qstore::client
