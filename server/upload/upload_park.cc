#include "server/upload/upload_park.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "base/byte_format.h"
#include "base/error_reason.h"
#include "base/status.h"

namespace qstore::server {
namespace {

// Cancelling a call takes as long as a chunk waits for room.
constexpr auto kOwnCallTimeout = std::chrono::seconds(10);
// A client that was killed closes its connections; another one that uploads the
// same at the same time is not worth waiting for.
constexpr auto kOtherCallTimeout = std::chrono::seconds(1);

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
  const std::lock_guard lock(park->mutex_);
  park->running_.erase(call_);
  park->changed_.notify_all();
}

UploadPark::UploadPark(const Limits& limits)
    : limits_(limits), closed_(limits.window.count() == 0) {
  expiry_thread_ = std::thread([this] { DropExpired(); });
}

UploadPark::~UploadPark() {
  Close();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  expiry_thread_.join();
}

UploadPark::Running UploadPark::Enter(const std::string& upload_key,
                                      const std::string& client_id,
                                      std::function<void()> cancel) {
  const std::lock_guard lock(mutex_);
  running_.push_back({upload_key, client_id, std::move(cancel)});
  return {this, std::prev(running_.end())};
}

void UploadPark::Park(std::unique_ptr<UploadSession> session,
                      const std::string& client_id) {
  session->Suspend();
  Dropped dropped;
  const std::lock_guard lock(mutex_);
  if (closed_) {
    dropped.push_back(std::move(session));
    return;
  }
  const auto known = FindParked(session->upload_key());
  if (known != parked_.end()) {
    if (!known->session->committed() &&
        known->session->received_bytes() > session->received_bytes()) {
      dropped.push_back(std::move(session));
      return;
    }
    dropped.push_back(std::move(known->session));
    parked_.erase(known);
  }
  if (!session->committed()) {
    spdlog::info("Upload {}: {} are kept for {} s, for its client to go on",
                 session->object_name(), FormatBytes(session->received_bytes()),
                 limits_.window.count());
  }
  parked_.push_back({std::move(session), client_id,
                     std::chrono::steady_clock::now() + limits_.window});
  MakeRoom(&dropped);
  changed_.notify_all();
}

v1::GetUploadStateResponse UploadPark::Find(
    const v1::GetUploadStateRequest& request) {
  const std::string& upload_key = request.upload_key();
  v1::GetUploadStateResponse state;
  std::unique_lock lock(mutex_);
  for (const Running::Call& call : running_) {
    if (call.upload_key == upload_key &&
        call.client_id == request.client_id()) {
      call.cancel();
    }
  }
  changed_.wait_for(lock, kOwnCallTimeout, [&] {
    return !IsRunning(upload_key, &request.client_id());
  });
  changed_.wait_for(lock, kOtherCallTimeout,
                    [&] { return !IsRunning(upload_key, nullptr); });
  const auto found = FindParkedFor(upload_key, request.client_id());
  if (found == parked_.end()) return state;
  found->expiry = std::chrono::steady_clock::now() + limits_.window;
  *state.mutable_point() = found->session->point();
  state.set_held_bytes(found->session->received_bytes());
  return state;
}

absl::StatusOr<std::unique_ptr<UploadSession>> UploadPark::Resume(
    const v1::UploadBegin& begin) {
  std::unique_ptr<UploadSession> session;
  {
    const std::lock_guard lock(mutex_);
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
  const std::lock_guard lock(mutex_);
  return !closed_;
}

void UploadPark::DropAll(const std::string& reason) {
  std::list<Parked> dropped;
  {
    const std::lock_guard lock(mutex_);
    dropped.swap(parked_);
  }
  for (const Parked& parked : dropped) LogDrop(*parked.session, reason);
}

void UploadPark::Close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  DropAll("the server is shutting down");
}

size_t UploadPark::size() const {
  const std::lock_guard lock(mutex_);
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
                           const std::string* client_id) {
  return std::any_of(
      running_.begin(), running_.end(), [&](const Running::Call& call) {
        return call.upload_key == upload_key &&
               (client_id == nullptr || call.client_id == *client_id);
      });
}

void UploadPark::DropExpired() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto now = std::chrono::steady_clock::now();
    auto next = now + std::chrono::hours(1);
    Dropped dropped;
    for (auto it = parked_.begin(); it != parked_.end();) {
      if (it->expiry > now) {
        next = std::min(next, it->expiry);
        ++it;
        continue;
      }
      LogDrop(*it->session, "its client did not come back");
      dropped.push_back(std::move(it->session));
      it = parked_.erase(it);
    }
    if (!dropped.empty()) {
      lock.unlock();
      dropped.clear();
      lock.lock();
      continue;
    }
    changed_.wait_until(lock, next);
  }
}

}  // namespace qstore::server
