#include "server/limits/stall_watch.h"

#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace qstore::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kNotWaiting = std::numeric_limits<int64_t>::max();
// For longer than anybody may.
constexpr int64_t kExpired = std::numeric_limits<int64_t>::min();

}  // namespace

struct StallWatch::Call::State {
  std::atomic<int64_t> waiting_since{kNotWaiting};  // ticks of Clock
  std::atomic<bool> stalled{false};
  absl::Mutex mutex;
  std::function<void()> cancel ABSL_GUARDED_BY(mutex);  // empty once over
  // While `cancel` runs: the call outlives it, unless it is what ends the call.
  bool cancelling ABSL_GUARDED_BY(mutex) = false;
};

StallWatch::StallWatch(std::chrono::milliseconds timeout, Timer* timer)
    : timeout_(timeout),
      timer_(timer),
      alarm_(timer, [this] { CancelStalled(); }) {}

void StallWatch::LookAgainLater() {
  if (timeout_.count() == 0 || calls_.empty()) return;
  alarm_.SetNoLaterThan(Clock::now() + timeout_ / 4);
}

void StallWatch::LookAgainNow() { alarm_.SetNoLaterThan(Clock::now()); }

void StallWatch::CancelStalled() {
  const auto since = timeout_.count() == 0
                         ? kExpired
                         : (Clock::now() - timeout_).time_since_epoch().count();
  std::vector<std::shared_ptr<Call::State>> stalled;
  {
    const absl::MutexLock lock(&mutex_);
    for (const auto& call : calls_) {
      if (call->waiting_since <= since) stalled.push_back(call);
    }
    LookAgainLater();
  }
  for (const auto& call : stalled) {
    std::function<void()> cancel;
    {
      const absl::MutexLock lock(&call->mutex);
      if (!call->cancel) continue;
      cancel = std::exchange(call->cancel, {});
      call->stalled = true;
      call->cancelling = true;
    }
    cancel();
    const absl::MutexLock lock(&call->mutex);
    call->cancelling = false;
  }
}

StallWatch::Call::Call(StallWatch* watch, std::function<void()> cancel)
    : watch_(watch), state_(std::make_shared<State>()) {
  {
    const absl::MutexLock lock(&state_->mutex);
    state_->cancel = std::move(cancel);
  }
  const absl::MutexLock lock(&watch_->mutex_);
  place_ = watch_->calls_.insert(watch_->calls_.end(), state_);
  watch_->LookAgainLater();
}

StallWatch::Call::~Call() {
  {
    const absl::MutexLock lock(&watch_->mutex_);
    watch_->calls_.erase(place_);
  }
  const absl::MutexLock lock(&state_->mutex);
  state_->cancel = nullptr;
  // What is cancelled may end, and destroy this, at once.
  if (watch_->timer_->InCallback()) return;
  const auto is_over = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_->mutex) {
    return !state_->cancelling;
  };
  state_->mutex.Await(absl::Condition(&is_over));
}

void StallWatch::Call::BeginWait() {
  SetWaitingSince(Clock::now().time_since_epoch().count());
}

void StallWatch::Call::EndWait() { SetWaitingSince(kNotWaiting); }

// What has expired stays so.
void StallWatch::Call::SetWaitingSince(int64_t since) {
  int64_t before = state_->waiting_since;
  while (before != kExpired &&
         !state_->waiting_since.compare_exchange_weak(before, since)) {
  }
}

std::chrono::milliseconds StallWatch::Call::waited() const {
  const int64_t since = state_->waiting_since;
  if (since == kNotWaiting || since == kExpired) return {};
  return std::chrono::duration_cast<std::chrono::milliseconds>(
      Clock::now().time_since_epoch() - Clock::duration(since));
}

void StallWatch::Call::Expire() {
  state_->waiting_since = kExpired;
  watch_->LookAgainNow();
}

bool StallWatch::Call::expired() const {
  return state_->waiting_since == kExpired;
}

bool StallWatch::Call::stalled() const { return state_->stalled; }

}  // namespace qstore::server
