#include "server/limits/stall_watch.h"

#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace qstore::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kNotWaiting = std::numeric_limits<int64_t>::max();

}  // namespace

struct StallWatch::Call::State {
  std::atomic<int64_t> waiting_since{kNotWaiting};  // ticks of Clock
  std::atomic<bool> stalled{false};
  // Held while `cancel` runs, so that the call outlives it. Recursive: what is
  // cancelled may end, and destroy its Call, on the same thread.
  std::recursive_mutex mutex;
  std::function<void()> cancel;  // guarded by mutex; empty once over
};

StallWatch::StallWatch(std::chrono::milliseconds timeout) : timeout_(timeout) {
  if (timeout_.count() > 0) thread_ = std::thread([this] { Watch(); });
}

StallWatch::~StallWatch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    stop_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void StallWatch::Watch() {
  std::unique_lock lock(mutex_);
  while (!stop_.wait_for(lock, timeout_ / 4, [&] { return stopping_; })) {
    const auto since = (Clock::now() - timeout_).time_since_epoch().count();
    std::vector<std::shared_ptr<Call::State>> stalled;
    for (const auto& call : calls_) {
      if (call->waiting_since <= since) stalled.push_back(call);
    }
    lock.unlock();
    for (const auto& call : stalled) {
      const std::lock_guard call_lock(call->mutex);
      if (!call->cancel) continue;
      call->stalled = true;
      // Taken out first: what it does may assign to it.
      std::exchange(call->cancel, {})();
    }
    lock.lock();
  }
}

StallWatch::Call::Call(StallWatch* watch, std::function<void()> cancel)
    : watch_(watch), state_(std::make_shared<State>()) {
  state_->cancel = std::move(cancel);
  const std::lock_guard lock(watch_->mutex_);
  watch_->calls_.push_back(state_);
}

StallWatch::Call::~Call() {
  {
    const std::lock_guard lock(watch_->mutex_);
    watch_->calls_.remove(state_);
  }
  const std::lock_guard call_lock(state_->mutex);
  state_->cancel = {};
}

void StallWatch::Call::BeginWait() {
  state_->waiting_since = Clock::now().time_since_epoch().count();
}

void StallWatch::Call::EndWait() { state_->waiting_since = kNotWaiting; }

bool StallWatch::Call::stalled() const { return state_->stalled; }

}  // namespace qstore::server
