#include "server/upload/upload_park.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "base/check.h"
#include "base/error_reason.h"
#include "base/status.h"
#include "base/text/byte_format.h"

namespace qstore::server {
namespace {

// Cancelling a call takes as long as a chunk waits for room.
constexpr absl::Duration kOwnCallTimeout = absl::Seconds(10);
// A client that was killed closes its connections; another one that uploads the
// same at the same time is not worth waiting for.
constexpr absl::Duration kOtherCallTimeout = absl::Seconds(1);
// When the pool has no room.
constexpr auto kDropRetryDelay = std::chrono::seconds(1);

constexpr char kShuttingDown[] =
    "the server is shutting down before it was worth remembering";

void LogDrop(const UploadSession& session, const std::string& reason) {
  if (session.committed()) return;
  spdlog::info("Upload {}: what was kept of it, {}, is dropped: {}",
               session.object_name(), FormatBytes(session.received_bytes()),
               reason);
}

}  // namespace

UploadPark::Running::Running(Running&& other) noexcept
    : park_(std::exchange(other.park_, nullptr)), call_(other.call_) {}

UploadPark::Running& UploadPark::Running::operator=(Running&& other) noexcept {
  if (this != &other) {
    End();
    park_ = std::exchange(other.park_, nullptr);
    call_ = other.call_;
  }
  return *this;
}

void UploadPark::Running::End() {
  UploadPark* park = std::exchange(park_, nullptr);
  if (park == nullptr) return;
  call_->canceller->Clear();
  {
    const absl::MutexLock lock(&park->mutex_);
    park->running_.erase(call_);
  }
  park->AnswerSearches();
}

void UploadPark::Running::Canceller::Cancel() {
  const absl::MutexLock lock(&mutex_);
  if (cancel_) cancel_();
}

void UploadPark::Running::Canceller::Clear() {
  const absl::MutexLock lock(&mutex_);
  cancel_ = nullptr;
}

UploadPark::UploadPark(const Limits& limits, Timer* timer, ThreadPool* pool)
    : limits_(limits),
      pool_(pool),
      closed_(limits.window.count() == 0),
      expiry_(timer, [this] { BeginDropping(); }),
      search_end_(timer, [this] { AnswerSearches(); }) {}

UploadPark::~UploadPark() {
  Close();
  expiry_.Stop();
  search_end_.Stop();
  const absl::MutexLock lock(&mutex_);
  const auto has_dropped = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !dropping_;
  };
  mutex_.Await(absl::Condition(&has_dropped));
  QSTORE_DCHECK(parked_.empty() && running_.empty() && searches_.empty());
}

UploadPark::Running UploadPark::Enter(const std::string& upload_key,
                                      const std::string& client_id,
                                      std::function<void()> cancel) {
  const absl::MutexLock lock(&mutex_);
  running_.push_back({upload_key, client_id,
                      std::make_shared<Running::Canceller>(std::move(cancel))});
  return {this, std::prev(running_.end())};
}

void UploadPark::Park(std::unique_ptr<UploadSession> session,
                      const std::string& client_id) {
  session->Suspend();
  Dropped dropped;
  const absl::MutexLock lock(&mutex_);
  Keep(std::move(session), client_id, limits_.window, &dropped);
}

void UploadPark::Restore(std::unique_ptr<UploadSession> session,
                         std::chrono::seconds left) {
  Dropped dropped;
  const absl::MutexLock lock(&mutex_);
  Keep(std::move(session), "", std::min(left, limits_.window), &dropped);
}

void UploadPark::Keep(std::unique_ptr<UploadSession> session,
                      const std::string& client_id, std::chrono::seconds left,
                      Dropped* dropped) {
  if (closed_) {
    session->Leave();
    dropped->push_back(std::move(session));
    return;
  }
  const auto known = FindParked(session->upload_key());
  if (known != parked_.end()) {
    if (!known->session->committed() &&
        known->session->received_bytes() > session->received_bytes()) {
      dropped->push_back(std::move(session));
      return;
    }
    dropped->push_back(std::move(known->session));
    parked_.erase(known);
  }
  if (!session->committed()) {
    spdlog::info("Upload {}: {} are kept for {} s, for its client to go on",
                 session->object_name(), FormatBytes(session->received_bytes()),
                 left.count());
  }
  parked_.push_back(
      {std::move(session), client_id, std::chrono::steady_clock::now() + left});
  MakeRoom(dropped);
  SetAlarm();
}

uint64_t UploadPark::FindLater(const v1::GetUploadStateRequest& request,
                               Found found) {
  std::vector<std::shared_ptr<Running::Canceller>> own;
  v1::GetUploadStateResponse state;
  uint64_t number = 0;
  {
    const absl::MutexLock lock(&mutex_);
    for (const Running::Call& call : running_) {
      if (call.upload_key == request.upload_key() &&
          call.client_id == request.client_id()) {
        own.push_back(call.canceller);
      }
    }
    Search search{.number = next_search_,
                  .request = request,
                  .own_is_over = false,
                  .deadline = std::chrono::steady_clock::now() +
                              absl::ToChronoSeconds(kOwnCallTimeout),
                  .found = {}};
    if (IsReady(search)) {
      state = StateOf(request);
    } else {
      number = next_search_++;
      search.found = found;
      search_end_.SetNoLaterThan(search.deadline);
      searches_.push_back(std::move(search));
    }
  }
  for (const auto& canceller : own) canceller->Cancel();
  if (number == 0) found(state);
  return number;
}

bool UploadPark::Forget(uint64_t search) {
  const absl::MutexLock lock(&mutex_);
  return std::erase_if(searches_, [search](const Search& each) {
           return each.number == search;
         }) > 0;
}

bool UploadPark::IsReady(Search& search) const {
  const auto now = std::chrono::steady_clock::now();
  const std::string& upload_key = search.request.upload_key();
  if (!search.own_is_over) {
    if (IsRunning(upload_key, &search.request.client_id()) &&
        now < search.deadline) {
      return false;
    }
    search.own_is_over = true;
    search.deadline = now + absl::ToChronoSeconds(kOtherCallTimeout);
  }
  return !IsRunning(upload_key, nullptr) || now >= search.deadline;
}

v1::GetUploadStateResponse UploadPark::StateOf(
    const v1::GetUploadStateRequest& request) {
  v1::GetUploadStateResponse state;
  const auto found = FindParkedFor(request.upload_key(), request.client_id());
  if (found == parked_.end()) return state;
  found->expiry = std::chrono::steady_clock::now() + limits_.window;
  *state.mutable_point() = found->session->point();
  state.set_held_bytes(found->session->received_bytes());
  return state;
}

void UploadPark::AnswerSearches() {
  std::vector<std::pair<Found, v1::GetUploadStateResponse>> answers;
  {
    const absl::MutexLock lock(&mutex_);
    for (auto it = searches_.begin(); it != searches_.end();) {
      if (IsReady(*it)) {
        answers.emplace_back(std::move(it->found), StateOf(it->request));
        it = searches_.erase(it);
      } else {
        search_end_.SetNoLaterThan(it->deadline);
        ++it;
      }
    }
  }
  for (const auto& [found, state] : answers) found(state);
}

absl::StatusOr<std::unique_ptr<UploadSession>> UploadPark::Resume(
    const v1::UploadBegin& begin) {
  std::unique_ptr<UploadSession> session;
  {
    const absl::MutexLock lock(&mutex_);
    const auto found = FindParkedFor(begin.upload_key(), begin.client_id());
    if (found != parked_.end()) {
      session = std::move(found->session);
      parked_.erase(found);
    }
  }
  if (session == nullptr) {
    return WithReason(
        absl::AbortedError(
            "nothing is kept of the upload to go on with: start from the first "
            "file"),
        kReasonUploadNotResumable);
  }
  QSTORE_RETURN_IF_ERROR(
      Annotate(session->Resume(begin), session->object_name()));
  return session;
}

bool UploadPark::keeps() const {
  const absl::MutexLock lock(&mutex_);
  return !closed_;
}

void UploadPark::DropAll(const std::string& reason) {
  std::list<Parked> dropped;
  {
    const absl::MutexLock lock(&mutex_);
    dropped.swap(parked_);
  }
  for (const Parked& parked : dropped) LogDrop(*parked.session, reason);
}

void UploadPark::Close() {
  std::list<Parked> left;
  {
    const absl::MutexLock lock(&mutex_);
    closed_ = true;
    left.swap(parked_);
  }
  for (const Parked& parked : left) {
    if (!parked.session->Leave()) LogDrop(*parked.session, kShuttingDown);
  }
}

size_t UploadPark::size() const {
  const absl::MutexLock lock(&mutex_);
  return parked_.size();
}

std::list<UploadPark::Parked>::iterator UploadPark::FindParked(
    const std::string& upload_key) {
  return std::find_if(parked_.begin(), parked_.end(),
                      [&](const Parked& parked) {
                        return parked.session->upload_key() == upload_key;
                      });
}

std::list<UploadPark::Parked>::iterator UploadPark::FindParkedFor(
    const std::string& upload_key, const std::string& client_id) {
  const auto found = FindParked(upload_key);
  if (found == parked_.end() || found->client_id.empty() ||
      found->client_id == client_id) {
    return found;
  }
  return parked_.end();
}

void UploadPark::MakeRoom(Dropped* dropped) {
  while (parked_.size() > limits_.uploads) {
    auto victim = std::find_if(
        parked_.begin(), parked_.end(),
        [](const Parked& parked) { return parked.session->committed(); });
    if (victim == parked_.end()) victim = parked_.begin();
    LogDrop(*victim->session, "other uploads were interrupted after it");
    dropped->push_back(std::move(victim->session));
    parked_.erase(victim);
  }
}

bool UploadPark::IsRunning(const std::string& upload_key,
                           const std::string* client_id) const {
  return std::any_of(
      running_.begin(), running_.end(), [&](const Running::Call& call) {
        return call.upload_key == upload_key &&
               (client_id == nullptr || call.client_id == *client_id);
      });
}

void UploadPark::SetAlarm() {
  for (const Parked& parked : parked_) expiry_.SetNoLaterThan(parked.expiry);
}

void UploadPark::BeginDropping() {
  const auto now = std::chrono::steady_clock::now();
  const absl::MutexLock lock(&mutex_);
  if (dropping_) return;  // which sets the alarm when it is over
  const bool any =
      std::any_of(parked_.begin(), parked_.end(),
                  [now](const Parked& parked) { return parked.expiry <= now; });
  if (!any) {
    SetAlarm();
    return;
  }
  dropping_ = pool_->TrySubmit([this] { DropExpired(); });
  if (!dropping_) expiry_.SetNoLaterThan(now + kDropRetryDelay);
}

void UploadPark::DropExpired() {
  Dropped dropped;
  {
    const absl::MutexLock lock(&mutex_);
    dropped = TakeExpired();
  }
  dropped.clear();
  // The park may be destroyed once the lock is free.
  const absl::MutexLock lock(&mutex_);
  SetAlarm();
  dropping_ = false;
}

UploadPark::Dropped UploadPark::TakeExpired() {
  const auto now = std::chrono::steady_clock::now();
  Dropped expired;
  for (auto it = parked_.begin(); it != parked_.end();) {
    if (it->expiry > now) {
      ++it;
      continue;
    }
    LogDrop(*it->session, "its client did not come back");
    expired.push_back(std::move(it->session));
    it = parked_.erase(it);
  }
  return expired;
}

}  // namespace qstore::server
