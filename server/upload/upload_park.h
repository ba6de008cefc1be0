// Uploads whose connections broke, kept for a while so that their clients can
// go on with them.
//
// A kept upload runs no call and holds no byte of the ingest budget once what
// was being encoded is stored. It holds at most 8 MiB of encoded blobs, the
// table files it was writing, and the list of its files and tensors.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/thread_pool.h"
#include "base/timer.h"
#include "qstore/v1/model_store.pb.h"
#include "server/upload/upload_session.h"

namespace qstore::server {

// Thread-safe.
class UploadPark {
 public:
  struct Limits {
    std::chrono::seconds window{3600};  // 0: nothing is kept
    size_t uploads = 8;
  };

  // `timer` says when a kept upload has waited too long. A task of `pool`, one
  // at a time, drops it, which takes as long as a chunk takes to be stored; not
  // the pool that encodes, since what is dropped waits for its tasks there.
  // Both outlive the park.
  UploadPark(const Limits& limits, Timer* timer, ThreadPool* pool);
  // Drops everything. The store and the pools must still be there.
  ~UploadPark();
  UploadPark(const UploadPark&) = delete;
  UploadPark& operator=(const UploadPark&) = delete;

  // A call that receives an upload with a key; ends with this object.
  class Running {
   public:
    Running() = default;
    Running(Running&& other) noexcept;
    Running& operator=(Running&& other) noexcept;
    ~Running() { End(); }

   private:
    friend class UploadPark;
    // Its call may end while it is cancelled.
    class Canceller {
     public:
      explicit Canceller(std::function<void()> cancel)
          : cancel_(std::move(cancel)) {}
      void Cancel();
      void Clear();  // when it has returned nothing is cancelled any more

     private:
      absl::Mutex mutex_;
      std::function<void()> cancel_ ABSL_GUARDED_BY(mutex_);
    };
    struct Call {
      std::string upload_key;
      std::string client_id;
      std::shared_ptr<Canceller> canceller;
    };
    Running(UploadPark* park, std::list<Call>::iterator call)
        : park_(park), call_(call) {}
    void End();
    UploadPark* park_ = nullptr;
    std::list<Call>::iterator call_;
  };
  // `cancel` is called when the same client says that its connection broke.
  Running Enter(const std::string& upload_key, const std::string& client_id,
                std::function<void()> cancel);

  // Suspends and keeps the session; of two with one key, the one that has more.
  // Past the limit those go first that have been committed, then the oldest.
  // `client_id` not empty: only that client may go on with it.
  void Park(std::unique_ptr<UploadSession> session,
            const std::string& client_id = "");

  // Keeps an upload of a process before this one, for `left`.
  void Restore(std::unique_ptr<UploadSession> session,
               std::chrono::seconds left);

  // Tells how far the upload came, empty when none is kept, and restarts its
  // window: now, or within seconds on some other thread, when no call receives
  // it any more. One of this client is cancelled. `found` is called once,
  // without a lock. Returns a number for Forget, 0 when it has been called.
  using Found = std::function<void(const v1::GetUploadStateResponse&)>;
  uint64_t FindLater(const v1::GetUploadStateRequest& request, Found found);
  // True: `found` will not be called; false: it has been, or is about to be.
  bool Forget(uint64_t search);

  // Takes the upload that `begin` goes on with. ABORTED when none is kept or it
  // is not this one, which is dropped then.
  absl::StatusOr<std::unique_ptr<UploadSession>> Resume(
      const v1::UploadBegin& begin);

  // Whether Park keeps anything.
  bool keeps() const;

  // Gives back the space that kept uploads take.
  void DropAll(const std::string& reason);
  // Keeps nothing from now on. What is kept by then stays on disk as far as it
  // was remembered there, for the next process.
  void Close();

  size_t size() const;

 private:
  struct Parked {
    std::unique_ptr<UploadSession> session;
    std::string client_id;
    std::chrono::steady_clock::time_point expiry;
  };
  // Somebody asks how far an upload came.
  struct Search {
    uint64_t number;
    v1::GetUploadStateRequest request;
    // Calls of the client itself are over; it waits for those of others.
    bool own_is_over;
    std::chrono::steady_clock::time_point
        deadline;  // of the wait that it is in
    Found found;
  };
  // Sessions are destroyed by the caller, without the lock: they delete data.
  using Dropped = std::vector<std::unique_ptr<UploadSession>>;
  void Keep(std::unique_ptr<UploadSession> session,
            const std::string& client_id, std::chrono::seconds left,
            Dropped* dropped) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::list<Parked>::iterator FindParked(const std::string& upload_key)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Nor one that is for another client.
  std::list<Parked>::iterator FindParkedFor(const std::string& upload_key,
                                            const std::string& client_id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MakeRoom(Dropped* dropped) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsRunning(const std::string& upload_key,
                 const std::string* client_id) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Of what is kept now.
  v1::GetUploadStateResponse StateOf(const v1::GetUploadStateRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether it has waited for what it must.
  bool IsReady(Search& search) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Tells those that have, also on the timer.
  void AnswerSearches();

  // On the timer: hands what has expired to the pool.
  void BeginDropping();
  // On the pool.
  void DropExpired();
  Dropped TakeExpired() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetAlarm() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Limits limits_;
  ThreadPool* const pool_;
  mutable absl::Mutex mutex_;
  std::list<Parked> parked_ ABSL_GUARDED_BY(mutex_);  // oldest first
  std::list<Running::Call> running_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool dropping_ ABSL_GUARDED_BY(mutex_) = false;  // a task of the pool is
  std::list<Search> searches_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_search_ ABSL_GUARDED_BY(mutex_) = 1;

  Alarm expiry_;  // these last: they use all of the above
  Alarm search_end_;
};

}  // namespace qstore::server
