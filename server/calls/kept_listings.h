// What one page of a manifest leaves for the next, so that a page costs what is
// in it: to open a revision and to draft its manifest costs what the whole
// revision has.
//
// Nothing depends on it. A page whose listing is not kept any more is made
// from the revision anew.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/byte_budget.h"
#include "base/thread_pool.h"
#include "base/timer.h"
#include "server/download/manifest_source.h"
#include "storage/model_store.h"

namespace qstore::server {

// A revision whose manifest is read page by page. One thread at a time.
class Listing {
 public:
  // `lease`: of what all this takes. `era`: of KeptListings before the revision
  // was opened.
  Listing(std::unique_ptr<storage::RevisionReader> reader,
          ByteBudget::Lease lease, std::vector<std::string> tags, uint64_t era);

  const storage::StoredRevision& revision() const {
    return reader_->revision();
  }
  uint64_t bytes() const { return lease_.bytes(); }
  uint64_t era() const { return era_; }
  ManifestSource& source() { return source_; }

 private:
  const std::unique_ptr<storage::RevisionReader> reader_;
  const ByteBudget::Lease lease_;
  ManifestSource source_;
  const uint64_t era_;
};

// Thread-safe.
class KeptListings {
 public:
  static constexpr size_t kMaxListings = 4;
  // A client asks for the next page as soon as it has one.
  static constexpr std::chrono::seconds kKeptFor{3};

  // Listings with leases of at most `max_bytes` together. `pool` frees those
  // that nobody went on with; its queue has room for kMaxListings tasks of
  // this. Timer and pool outlive this.
  KeptListings(uint64_t max_bytes, Timer* timer, ThreadPool* pool);
  KeptListings(const KeptListings&) = delete;
  KeptListings& operator=(const KeptListings&) = delete;

  // Ends with each Forget.
  uint64_t era() const;

  // That of this revision, which the caller may then keep again; null: none.
  std::unique_ptr<Listing> Take(const std::string& model,
                                const std::string& revision);

  // Until it is taken, for kKeptFor at most. The oldest go to make room for it;
  // one that is too large, or of an era that has ended, is not kept.
  void Keep(std::unique_ptr<Listing> listing);

  // Call when a revision has been deleted: none that was begun before is kept
  // from here on, so that it cannot be seen, nor kept on disk, any longer.
  void Forget();

 private:
  struct Kept {
    std::unique_ptr<Listing> listing;
    Timer::TimePoint until;
  };
  void DropExpired();

  const uint64_t max_bytes_;
  ThreadPool* const pool_;
  mutable absl::Mutex mutex_;
  uint64_t era_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t kept_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::list<Kept> kept_ ABSL_GUARDED_BY(mutex_);  // the oldest first
  Alarm alarm_;  // last: it uses all of the above
};

}  // namespace qstore::server
