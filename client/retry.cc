#include "client/retry.h"

#include <algorithm>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "client/rpc_status.h"

namespace qstore::client {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstWait{500};
constexpr milliseconds kLongestWait{15'000};
// Longer hints of a server are cut: it may be back earlier.
constexpr milliseconds kLongestHint{60'000};

void SleepUnlessCancelled(Cancellation* cancellation, milliseconds wait) {
  absl::Notification cancelled;
  const Cancellation::Scope scope(cancellation,
                                  [&cancelled] { cancelled.Notify(); });
  cancelled.WaitForNotificationWithTimeout(absl::FromChrono(wait));
}

double Seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

Retrier::Retrier(const RetryOptions& options, Events* events,
                 Cancellation* cancellation)
    : Retrier(options, events, cancellation, std::chrono::steady_clock::now,
              [cancellation](milliseconds wait) {
                SleepUnlessCancelled(cancellation, wait);
              }) {}

Retrier::Retrier(const RetryOptions& options, Events* events,
                 Cancellation* cancellation, Clock clock, Sleep sleep)
    : options_(options),
      events_(events),
      cancellation_(cancellation),
      clock_(std::move(clock)),
      sleep_(std::move(sleep)),
      random_(std::random_device()()) {}

absl::Status Retrier::Run(const std::function<absl::Status()>& attempt) {
  while (true) {
    absl::Status status = attempt();
    if (status.ok() || !IsTransient(status) || !WaitAfter(status)) {
      return status;
    }
  }
}

absl::Status Retrier::RunOnce(const std::function<absl::Status()>& connect,
                              const std::function<absl::Status()>& attempt) {
  while (true) {
    absl::Status status = connect();
    bool nothing_done = IsTransient(status);
    if (status.ok()) {
      status = attempt();
      // A refusal with this hint is an answer, given before anything is done.
      nothing_done = RetryDelay(status).has_value();
    }
    if (status.ok() || !nothing_done || !WaitAfter(status)) return status;
  }
}

void Retrier::Progressed() { waits_ = 0; }

absl::Status Retrier::Connect(Connection* connection) {
  absl::Status status = connection->Connect(options_.connect_timeout_seconds);
  reached_ = reached_ || status.ok();
  return status;
}

bool Retrier::WaitAfter(const absl::Status& error) {
  const double retry_seconds =
      reached_
          ? options_.retry_seconds
          : std::min(options_.retry_seconds, options_.first_contact_seconds);
  if (retry_seconds <= 0 || cancellation_->cancelled()) return false;
  const auto now = clock_();
  if (waits_ == 0) failing_since_ = now;
  const double left_seconds = retry_seconds - Seconds(now - failing_since_);
  const milliseconds wait = NextWait(error);
  if (Seconds(wait) >= left_seconds) return false;
  events_->Retry({.error = error,
                  .wait_seconds = Seconds(wait),
                  .left_seconds = left_seconds});
  sleep_(wait);
  ++attempts_;
  return !cancellation_->cancelled();
}

milliseconds Retrier::NextWait(const absl::Status& error) {
  milliseconds longest = kFirstWait;
  for (int i = 0; i < waits_ && longest < kLongestWait; ++i) longest *= 2;
  longest = std::min(longest, kLongestWait);
  ++waits_;
  // Between a half and the whole, so that clients that were cut off together do
  // not come back together.
  std::uniform_int_distribution<int64_t> jitter(longest.count() / 2,
                                                longest.count());
  milliseconds wait(jitter(random_));
  if (const auto hint = RetryDelay(error); hint.has_value()) {
    wait = std::max(
        wait,
        std::min(kLongestHint, milliseconds(absl::ToInt64Milliseconds(*hint))));
  }
  return wait;
}

}  // namespace qstore::client
