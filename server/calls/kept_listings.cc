#include "server/calls/kept_listings.h"

#include <iterator>
#include <utility>

namespace qstore::server {

Listing::Listing(std::unique_ptr<storage::RevisionReader> reader,
                 ByteBudget::Lease lease, std::vector<std::string> tags,
                 uint64_t era)
    : reader_(std::move(reader)),
      lease_(std::move(lease)),
      source_(reader_.get(), std::move(tags)),
      era_(era) {}

KeptListings::KeptListings(uint64_t max_bytes, Timer* timer, ThreadPool* pool)
    : max_bytes_(max_bytes),
      pool_(pool),
      alarm_(timer, [this] { DropExpired(); }) {}

uint64_t KeptListings::era() const {
  const absl::MutexLock lock(&mutex_);
  return era_;
}

std::unique_ptr<Listing> KeptListings::Take(const std::string& model,
                                            const std::string& revision) {
  const absl::MutexLock lock(&mutex_);
  for (auto it = kept_.begin(); it != kept_.end(); ++it) {
    const storage::StoredRevision& kept = it->listing->revision();
    if (kept.model != model || kept.revision != revision) continue;
    std::unique_ptr<Listing> listing = std::move(it->listing);
    kept_bytes_ -= listing->bytes();
    kept_.erase(it);
    return listing;
  }
  return nullptr;
}

void KeptListings::Keep(std::unique_ptr<Listing> listing) {
  std::list<Kept> dropped;  // freed when the lock is gone
  const absl::MutexLock lock(&mutex_);
  if (listing->era() != era_ || listing->bytes() > max_bytes_) {
    dropped.push_back({std::move(listing), {}});
    return;
  }
  while (kept_.size() >= kMaxListings ||
         kept_bytes_ + listing->bytes() > max_bytes_) {
    kept_bytes_ -= kept_.front().listing->bytes();
    dropped.splice(dropped.end(), kept_, kept_.begin());
  }
  const Timer::TimePoint until = std::chrono::steady_clock::now() + kKeptFor;
  kept_bytes_ += listing->bytes();
  kept_.push_back({std::move(listing), until});
  alarm_.SetNoLaterThan(until);
}

void KeptListings::Forget() {
  std::list<Kept> dropped;
  const absl::MutexLock lock(&mutex_);
  ++era_;
  kept_bytes_ = 0;
  dropped.swap(kept_);
}

void KeptListings::DropExpired() {
  auto dropped = std::make_shared<std::list<Kept>>();
  {
    const absl::MutexLock lock(&mutex_);
    const Timer::TimePoint now = std::chrono::steady_clock::now();
    while (!kept_.empty() && kept_.front().until <= now) {
      kept_bytes_ -= kept_.front().listing->bytes();
      dropped->splice(dropped->end(), kept_, kept_.begin());
    }
    if (!kept_.empty()) alarm_.SetNoLaterThan(kept_.front().until);
  }
  // A manifest of many tensors takes longer to free than the timer's thread
  // may. Where the pool's queue is full, it takes that.
  if (!dropped->empty()) {
    (void)pool_->TrySubmit([dropped] { dropped->clear(); });
  }
}

}  // namespace qstore::server
