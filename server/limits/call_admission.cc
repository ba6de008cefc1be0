#include "server/limits/call_admission.h"

#include <iterator>
#include <limits>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/error_reason.h"
#include "server/calls/status_mapping.h"

namespace qstore::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array<const char*, kCallKindCount> kPluralNames = {
    "calls", "uploads", "downloads", "verifications"};

constexpr absl::Duration kRetryDelay = absl::Seconds(2);
// How soon a waiting call notices that it was cancelled.
constexpr auto kCancelPollInterval = std::chrono::milliseconds(50);

absl::Status Busy(size_t kind, size_t running, const std::string& why) {
  return WithRetryHint(
      WithReason(absl::ResourceExhaustedError(absl::StrCat(
                     running, " ", kPluralNames[kind],
                     " are running, as many as the server allows at "
                     "once, and ",
                     why, "; retry in ", absl::FormatDuration(kRetryDelay))),
                 kReasonTooManyCalls),
      kRetryDelay);
}

// What a thread in Enter waits for.
struct Turn {
  std::mutex mutex;
  std::condition_variable came;
  std::optional<absl::StatusOr<CallAdmission::Permit>> answer;
};

}  // namespace

CallAdmission::Permit& CallAdmission::Permit::operator=(
    Permit&& other) noexcept {
  if (this != &other) {
    Release();
    admission_ = std::exchange(other.admission_, nullptr);
    kind_ = other.kind_;
  }
  return *this;
}

void CallAdmission::Permit::Release() {
  if (CallAdmission* admission = std::exchange(admission_, nullptr)) {
    admission->Leave(kind_);
  }
}

CallAdmission::CallAdmission(const Limits& limits)
    : limits_{std::numeric_limits<size_t>::max(), limits.uploads,
              limits.downloads, limits.verifies},
      max_queued_(limits.queued),
      queue_timeout_(limits.queue_timeout),
      expiry_thread_([this] { ExpireWaiters(); }) {}

CallAdmission::~CallAdmission() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    queue_changed_.notify_all();
  }
  expiry_thread_.join();
}

absl::StatusOr<CallAdmission::Permit> CallAdmission::Enter(
    CallKind kind, const std::function<bool()>& cancelled) {
  // Shared, since an answer may be on its way while this thread gives up.
  const auto turn = std::make_shared<Turn>();
  const uint64_t ticket =
      EnterLater(kind, [turn](absl::StatusOr<Permit> answer) {
        const std::lock_guard lock(turn->mutex);
        turn->answer = std::move(answer);
        turn->came.notify_all();
      });
  std::unique_lock lock(turn->mutex);
  while (!turn->came.wait_for(lock, kCancelPollInterval,
                              [&] { return turn->answer.has_value(); })) {
    lock.unlock();
    if (cancelled && cancelled() && Forget(kind, ticket)) {
      return WithReason(
          absl::CancelledError(
              "the client cancelled or went away while the call was waiting"),
          kReasonCancelled);
    }
    lock.lock();
  }
  return *std::move(turn->answer);
}

uint64_t CallAdmission::EnterLater(CallKind kind, Done done) {
  const auto index = static_cast<size_t>(kind);
  absl::StatusOr<Permit> answer;
  {
    const std::lock_guard lock(mutex_);
    if (draining_) {
      answer = Draining();
    } else if (running_[index] < limits_[index]) {
      ++running_[index];
      ++running_total_;
      answer = Permit(this, kind);
    } else if (queues_[index].size() < max_queued_) {
      queues_[index].push_back(
          {next_ticket_, Clock::now() + queue_timeout_, std::move(done)});
      queue_changed_.notify_all();
      return next_ticket_++;
    } else {
      answer = Busy(index, running_[index],
                    absl::StrCat(queues_[index].size(), " wait already"));
    }
  }
  done(std::move(answer));
  return 0;
}

bool CallAdmission::Forget(CallKind kind, uint64_t ticket) {
  const std::lock_guard lock(mutex_);
  return std::erase_if(queues_[static_cast<size_t>(kind)],
                       [ticket](const Waiter& waiter) {
                         return waiter.ticket == ticket;
                       }) > 0;
}

void CallAdmission::StopAdmitting() {
  Queue sent_away;
  {
    const std::lock_guard lock(mutex_);
    draining_ = true;
    for (Queue& queue : queues_) sent_away.splice(sent_away.end(), queue);
  }
  for (const Waiter& waiter : sent_away) waiter.done(Draining());
}

size_t CallAdmission::running_calls() const {
  const std::lock_guard lock(mutex_);
  return running_total_;
}

size_t CallAdmission::waiting_calls() const {
  const std::lock_guard lock(mutex_);
  size_t count = 0;
  for (const Queue& queue : queues_) count += queue.size();
  return count;
}

bool CallAdmission::WaitUntilIdle(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return idle_.wait_until(lock, deadline, [&] { return running_total_ == 0; });
}

void CallAdmission::Leave(CallKind kind) {
  Queue next;
  {
    const std::lock_guard lock(mutex_);
    Queue& queue = queues_[static_cast<size_t>(kind)];
    if (queue.empty()) {
      --running_[static_cast<size_t>(kind)];
      --running_total_;
      // Notified under the lock: whoever waits may destroy this afterwards.
      if (running_total_ == 0) idle_.notify_all();
      return;
    }
    // The place passes on, so this is in use until the next call leaves.
    next.splice(next.end(), queue, queue.begin());
  }
  next.front().done(Permit(this, kind));
}

// The thread that tells calls which have waited too long.
void CallAdmission::ExpireWaiters() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto now = Clock::now();
    auto next_expiry = Clock::time_point::max();
    std::vector<std::pair<Done, absl::Status>> expired;
    for (size_t i = 0; i < queues_.size(); ++i) {
      Queue& queue = queues_[i];
      while (!queue.empty() && queue.front().expiry <= now) {
        const auto waited = absl::FromChrono(queue_timeout_);
        expired.emplace_back(std::move(queue.front().done),
                             Busy(i, running_[i],
                                  absl::StrCat("none ended within ",
                                               absl::FormatDuration(waited))));
        queue.pop_front();
      }
      if (!queue.empty()) {
        next_expiry = std::min(next_expiry, queue.front().expiry);
      }
    }
    if (!expired.empty()) {
      lock.unlock();
      for (const auto& [done, status] : expired) done(status);
      lock.lock();
    } else if (next_expiry == Clock::time_point::max()) {
      queue_changed_.wait(lock);
    } else {
      queue_changed_.wait_until(lock, next_expiry);
    }
  }
}

absl::Status CallAdmission::Draining() const {
  return WithRetryHint(
      WithReason(absl::UnavailableError("the server is shutting down; retry"),
                 kReasonDraining),
      kRetryDelay);
}

}  // namespace qstore::server
