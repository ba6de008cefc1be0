#include "server/limits/call_admission.h"

#include <iterator>
#include <limits>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/check.h"
#include "base/error_reason.h"
#include "server/calls/status_mapping.h"

namespace qstore::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array<const char*, kCallKindCount> kPluralNames = {
    "calls", "uploads", "downloads", "verifications"};

constexpr absl::Duration kRetryDelay = absl::Seconds(2);

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
  absl::Mutex mutex;
  std::optional<absl::StatusOr<CallAdmission::Permit>> answer
      ABSL_GUARDED_BY(mutex);
  bool cancelled ABSL_GUARDED_BY(mutex) = false;

  bool HasAnswer() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return answer.has_value();
  }
  bool IsOver() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return cancelled || answer.has_value();
  }
};

// False: it was cancelled first.
bool AwaitAnswer(Turn* turn) {
  const absl::MutexLock lock(&turn->mutex);
  turn->mutex.Await(absl::Condition(turn, &Turn::IsOver));
  return turn->HasAnswer();
}

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

CallAdmission::CallAdmission(const Limits& limits, Timer* timer,
                             CancellationWatch* watch)
    : limits_{std::numeric_limits<size_t>::max(), limits.uploads,
              limits.downloads, limits.verifies},
      max_queued_(limits.queued),
      queue_timeout_(limits.queue_timeout),
      watch_(watch),
      expiry_(timer, [this] { ExpireWaiters(); }) {}

CallAdmission::~CallAdmission() {
  expiry_.Stop();
  const absl::MutexLock lock(&mutex_);
  CheckCounts();
  QSTORE_DCHECK(running_total_ == 0);
}

absl::StatusOr<CallAdmission::Permit> CallAdmission::Enter(
    CallKind kind, const std::function<bool()>& cancelled) {
  // Shared, since an answer may be on its way while this thread gives up.
  const auto turn = std::make_shared<Turn>();
  const uint64_t ticket =
      EnterLater(kind, [turn](absl::StatusOr<Permit> answer) {
        const absl::MutexLock lock(&turn->mutex);
        turn->answer = std::move(answer);
      });
  if (ticket != 0 && cancelled) {
    const std::function<void()> wake = [&turn] {
      const absl::MutexLock lock(&turn->mutex);
      turn->cancelled = true;
    };
    const CancellationWatch::Waiter waiter(watch_, cancelled, wake);
    if (!AwaitAnswer(turn.get()) && Forget(kind, ticket)) {
      return WithReason(
          absl::CancelledError(
              "the client cancelled or went away while the call was waiting"),
          kReasonCancelled);
    }
  }
  const absl::MutexLock lock(&turn->mutex);
  turn->mutex.Await(absl::Condition(turn.get(), &Turn::HasAnswer));
  return *std::move(turn->answer);
}

uint64_t CallAdmission::EnterLater(CallKind kind, Done done) {
  const auto index = static_cast<size_t>(kind);
  absl::StatusOr<Permit> answer;
  {
    const absl::MutexLock lock(&mutex_);
    if (draining_) {
      answer = Draining();
    } else if (running_[index] < limits_[index]) {
      ++running_[index];
      ++running_total_;
      CheckCounts();
      answer = Permit(this, kind);
    } else if (queues_[index].size() < max_queued_) {
      const Timer::TimePoint expiry = Clock::now() + queue_timeout_;
      queues_[index].push_back({next_ticket_, expiry, std::move(done)});
      expiry_.SetNoLaterThan(expiry);
      CheckCounts();
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
  const absl::MutexLock lock(&mutex_);
  return std::erase_if(queues_[static_cast<size_t>(kind)],
                       [ticket](const Waiter& waiter) {
                         return waiter.ticket == ticket;
                       }) > 0;
}

void CallAdmission::StopAdmitting() {
  Queue sent_away;
  {
    const absl::MutexLock lock(&mutex_);
    draining_ = true;
    for (Queue& queue : queues_) sent_away.splice(sent_away.end(), queue);
  }
  for (const Waiter& waiter : sent_away) waiter.done(Draining());
}

size_t CallAdmission::running_calls() const {
  const absl::MutexLock lock(&mutex_);
  return running_total_;
}

size_t CallAdmission::waiting_calls() const {
  const absl::MutexLock lock(&mutex_);
  size_t count = 0;
  for (const Queue& queue : queues_) count += queue.size();
  return count;
}

bool CallAdmission::WaitUntilIdle(Clock::time_point deadline) {
  const absl::MutexLock lock(&mutex_);
  const auto is_idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return running_total_ == 0;
  };
  return mutex_.AwaitWithTimeout(absl::Condition(&is_idle),
                                 absl::FromChrono(deadline - Clock::now()));
}

void CallAdmission::Leave(CallKind kind) {
  Queue next;
  {
    const absl::MutexLock lock(&mutex_);
    CheckCounts();
    Queue& queue = queues_[static_cast<size_t>(kind)];
    if (queue.empty()) {
      QSTORE_DCHECK(running_[static_cast<size_t>(kind)] > 0);
      --running_[static_cast<size_t>(kind)];
      // Whoever waits for the last one may destroy this once the lock is free.
      --running_total_;
      return;
    }
    // The place passes on, so this is in use until the next call leaves.
    next.splice(next.end(), queue, queue.begin());
  }
  next.front().done(Permit(this, kind));
}

// Tells calls that have waited too long.
void CallAdmission::ExpireWaiters() {
  std::list<std::pair<Done, absl::Status>> expired;
  {
    const absl::MutexLock lock(&mutex_);
    const Timer::TimePoint now = Clock::now();
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
      if (!queue.empty()) expiry_.SetNoLaterThan(queue.front().expiry);
    }
  }
  for (const auto& [done, status] : expired) done(status);
}

void CallAdmission::CheckCounts() const {
#ifndef NDEBUG
  size_t sum = 0;
  for (size_t i = 0; i < running_.size(); ++i) {
    sum += running_[i];
    QSTORE_DCHECK(running_[i] <= limits_[i]);
    QSTORE_DCHECK(queues_[i].size() <= max_queued_);
    // Nobody waits before a free place, nor while the server drains.
    QSTORE_DCHECK(queues_[i].empty() ||
                  (running_[i] == limits_[i] && !draining_));
  }
  QSTORE_DCHECK(sum == running_total_);
#endif
}

absl::Status CallAdmission::Draining() const {
  return WithRetryHint(
      WithReason(absl::UnavailableError("the server is shutting down; retry"),
                 kReasonDraining),
      kRetryDelay);
}

}  // namespace qstore::server
