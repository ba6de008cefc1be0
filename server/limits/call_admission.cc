#include "server/limits/call_admission.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/check.h"
#include "base/error_reason.h"
#include "server/calls/status_mapping.h"

namespace qstore::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array<const char*, kCallKindCount> kPluralNames = {
    "short calls", "uploads", "downloads", "verifications", "calls"};

constexpr absl::Duration kRetryDelay = absl::Seconds(2);
// Short calls are many, and wait for moments.
constexpr size_t kMaxQueuedShortCalls = 4096;
// A call that waits claims a place of others when this part of its time is
// over.
constexpr int kPatientPart = 3;

constexpr size_t kUnlimited = std::numeric_limits<size_t>::max();

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

}  // namespace

CallAdmission::Permit& CallAdmission::Permit::operator=(
    Permit&& other) noexcept {
  if (this != &other) {
    Release();
    admission_ = std::exchange(other.admission_, nullptr);
    kind_ = other.kind_;
    caller_ = other.caller_;
  }
  return *this;
}

void CallAdmission::Permit::Release() {
  if (CallAdmission* admission = std::exchange(admission_, nullptr)) {
    admission->Leave(kind_, caller_);
  }
}

void CallAdmission::Permit::OutliveCall() {
  if (admission_ == nullptr) return;
  const absl::MutexLock lock(&admission_->mutex_);
  caller_->call = nullptr;
}

CallAdmission::CallAdmission(const Limits& limits, Timer* timer)
    : queue_timeout_(limits.queue_timeout),
      expiry_(timer, [this] { Expire(); }) {
  const absl::MutexLock lock(&mutex_);
  for (Places& places : places_) places.max_queued = limits.queued;
  places(CallKind::kShort).limit = limits.short_calls;
  places(CallKind::kShort).max_queued = kMaxQueuedShortCalls;
  places(CallKind::kUpload).limit = limits.uploads;
  places(CallKind::kDownload).limit = limits.downloads;
  places(CallKind::kVerify).limit = limits.verifies;
  places(CallKind::kWaiting).limit = kUnlimited;
}

CallAdmission::~CallAdmission() {
  expiry_.Stop();
  const absl::MutexLock lock(&mutex_);
  CheckCounts();
  QSTORE_DCHECK(running_total_ == 0);
}

uint64_t CallAdmission::EnterLater(CallKind kind, Caller caller, Done done) {
  absl::StatusOr<Permit> answer;
  Done told;  // the answer; this call, or one that goes for it
  uint64_t ticket = 0;
  {
    const absl::MutexLock lock(&mutex_);
    Places& places = this->places(kind);
    if (draining_) {
      answer = Draining();
      told = std::move(done);
    } else if (places.running.size() < places.limit) {
      answer = Run(kind, std::move(caller));
      told = std::move(done);
    } else if (MakeRoom(places, caller.address, &told)) {
      if (told) answer = QueueFull(kind, places);
      const Timer::TimePoint now = Clock::now();
      ticket = next_ticket_++;
      places.queue.push_back({ticket, now + queue_timeout_,
                              now + queue_timeout_ / kPatientPart,
                              std::move(caller), std::move(done)});
      SetAlarm(places);
    } else {
      answer = QueueFull(kind, places);
      told = std::move(done);
    }
    CheckCounts();
  }
  if (told) told(std::move(answer));
  return ticket;
}

CallAdmission::Permit CallAdmission::Run(CallKind kind, Caller caller) {
  Places& places = this->places(kind);
  ++places.running_by_address[caller.address];
  ++running_total_;
  return {this, kind,
          places.running.insert(places.running.end(), std::move(caller))};
}

bool CallAdmission::MakeRoom(Places& places, const std::string& address,
                             Done* gone) {
  if (places.queue.size() < places.max_queued) return true;
  std::unordered_map<std::string, size_t> waiting;
  for (const Waiter& waiter : places.queue) ++waiting[waiter.caller.address];
  const auto most = std::max_element(
      waiting.begin(), waiting.end(),
      [](const auto& a, const auto& b) { return a.second < b.second; });
  // With one more it must not have more than the other then has.
  const auto own = waiting.find(address);
  const size_t own_count = own == waiting.end() ? 0 : own->second;
  if (most == waiting.end() || own_count + 1 >= most->second) return false;
  const auto last = std::find_if(places.queue.rbegin(), places.queue.rend(),
                                 [&](const Waiter& waiter) {
                                   return waiter.caller.address == most->first;
                                 });
  *gone = std::move(last->done);
  places.queue.erase(std::prev(last.base()));
  return true;
}

CallAdmission::Queue::iterator CallAdmission::Next(Places& places) {
  const auto running = [&places](const Waiter& waiter) {
    const auto found = places.running_by_address.find(waiter.caller.address);
    return found == places.running_by_address.end() ? 0 : found->second;
  };
  return std::min_element(places.queue.begin(), places.queue.end(),
                          [&](const Waiter& a, const Waiter& b) {
                            return running(a) < running(b);
                          });
}

size_t CallAdmission::ShareOf(const Places& places) {
  std::unordered_map<std::string, size_t> addresses = places.running_by_address;
  for (const Waiter& waiter : places.queue) ++addresses[waiter.caller.address];
  return std::max<size_t>(1,
                          places.limit / std::max<size_t>(1, addresses.size()));
}

bool CallAdmission::Forget(CallKind kind, uint64_t ticket) {
  const absl::MutexLock lock(&mutex_);
  return std::erase_if(places(kind).queue, [ticket](const Waiter& waiter) {
           return waiter.ticket == ticket;
         }) > 0;
}

void CallAdmission::StopAdmitting() {
  Queue sent_away;
  {
    const absl::MutexLock lock(&mutex_);
    draining_ = true;
    for (Places& places : places_) {
      sent_away.splice(sent_away.end(), places.queue);
    }
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
  for (const Places& places : places_) count += places.queue.size();
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

void CallAdmission::Leave(CallKind kind, Running::iterator caller) {
  Queue next;
  Permit permit;
  {
    const absl::MutexLock lock(&mutex_);
    CheckCounts();
    Places& places = this->places(kind);
    const auto count = places.running_by_address.find(caller->address);
    QSTORE_DCHECK(count != places.running_by_address.end());
    if (--count->second == 0) places.running_by_address.erase(count);
    places.running.erase(caller);
    if (places.queue.empty()) {
      // Whoever waits for the last one may destroy this once the lock is free.
      --running_total_;
      return;
    }
    // The place passes on, so this is in use until the next call leaves.
    next.splice(next.end(), places.queue, Next(places));
    --running_total_;
    permit = Run(kind, next.front().caller);
  }
  next.front().done(std::move(permit));
}

// Of the addresses that have more than their share, the one with most gives.
void CallAdmission::ClaimPlaceFor(const Waiter& waiter, Places& places) {
  const size_t share = ShareOf(places);
  const auto own = places.running_by_address.find(waiter.caller.address);
  if (own != places.running_by_address.end() && own->second >= share) return;
  const auto most = std::max_element(
      places.running_by_address.begin(), places.running_by_address.end(),
      [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == places.running_by_address.end() || most->second <= share) return;
  StallWatch::Call* ended = nullptr;
  for (const Caller& caller : places.running) {
    if (caller.address != most->first || caller.call == nullptr) continue;
    if (ended == nullptr || caller.call->waited() >= ended->waited()) {
      ended = caller.call;
    }
  }
  if (ended != nullptr) ended->Expire();
}

// Tells calls that have waited too long, and finds places for those that have
// waited long.
void CallAdmission::Expire() {
  std::list<std::pair<Done, absl::Status>> expired;
  {
    const absl::MutexLock lock(&mutex_);
    const Timer::TimePoint now = Clock::now();
    for (size_t i = 0; i < places_.size(); ++i) {
      Places& places = places_[i];
      while (!places.queue.empty() && places.queue.front().expiry <= now) {
        const auto waited = absl::FromChrono(queue_timeout_);
        expired.emplace_back(std::move(places.queue.front().done),
                             Busy(i, places.running.size(),
                                  absl::StrCat("none ended within ",
                                               absl::FormatDuration(waited))));
        places.queue.pop_front();
      }
      for (Waiter& waiter : places.queue) {
        if (waiter.claim > now) continue;
        waiter.claim = Timer::TimePoint::max();
        ClaimPlaceFor(waiter, places);
      }
      SetAlarm(places);
    }
  }
  for (const auto& [done, status] : expired) done(status);
}

void CallAdmission::SetAlarm(const Places& places) {
  if (places.queue.empty()) return;
  expiry_.SetNoLaterThan(places.queue.front().expiry);
  // They ascend, but for those that are past.
  const auto next = std::find_if(
      places.queue.begin(), places.queue.end(), [](const Waiter& waiter) {
        return waiter.claim != Timer::TimePoint::max();
      });
  if (next != places.queue.end()) expiry_.SetNoLaterThan(next->claim);
}

void CallAdmission::CheckCounts() const {
#ifndef NDEBUG
  size_t sum = 0;
  for (const Places& places : places_) {
    sum += places.running.size();
    QSTORE_DCHECK(places.running.size() <= places.limit);
    QSTORE_DCHECK(places.queue.size() <= places.max_queued);
    // Nobody waits before a free place, nor while the server drains.
    QSTORE_DCHECK(places.queue.empty() ||
                  (places.running.size() == places.limit && !draining_));
  }
  QSTORE_DCHECK(sum == running_total_);
#endif
}

absl::Status CallAdmission::QueueFull(CallKind kind, const Places& places) {
  return Busy(static_cast<size_t>(kind), places.running.size(),
              absl::StrCat(places.max_queued, " wait already"));
}

absl::Status CallAdmission::Draining() const {
  return WithRetryHint(
      WithReason(absl::UnavailableError("the server is shutting down; retry"),
                 kReasonDraining),
      kRetryDelay);
}

}  // namespace qstore::server
