#include "storage/blobs/cached_blob_store.h"

#include <list>
#include <map>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/blobs/forwarding_blob_store.h"

namespace qstore::storage {
namespace {

// Thread-safe.
class RecentBlobs {
 public:
  explicit RecentBlobs(uint64_t capacity_bytes)
      : capacity_bytes_(capacity_bytes) {}

  std::optional<PinnedValue> Find(const BlobKey& key) {
    const absl::MutexLock lock(&mutex_);
    const auto found = by_key_.find({key.family, key.key});
    if (found == by_key_.end()) return std::nullopt;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->value;
  }

  // How many deletions there have been: a value that was asked for before the
  // last one may be gone, and must not be added any more.
  uint64_t deletion_count() {
    const absl::MutexLock lock(&mutex_);
    return deletion_count_;
  }

  void Add(const BlobKey& key, const PinnedValue& value,
           uint64_t deletion_count) {
    const uint64_t size_bytes = value.bytes().size();
    if (size_bytes > capacity_bytes_) return;
    // Released after the mutex.
    std::list<Entry> dropped;
    const absl::MutexLock lock(&mutex_);
    if (deletion_count != deletion_count_) return;
    const auto [place, is_new] =
        by_key_.try_emplace({key.family, key.key}, entries_.end());
    if (!is_new) return;
    entries_.push_front({place, value});
    place->second = entries_.begin();
    size_bytes_ += size_bytes;
    while (size_bytes_ > capacity_bytes_) Drop(--entries_.end(), &dropped);
  }

  void DropRange(Family family, std::string_view begin, std::string_view end) {
    std::list<Entry> dropped;
    const absl::MutexLock lock(&mutex_);
    ++deletion_count_;
    if (begin >= end) return;
    auto next = by_key_.lower_bound({family, std::string(begin)});
    while (next != by_key_.end() && next->first.first == family &&
           next->first.second < end) {
      Drop((next++)->second, &dropped);
    }
  }

 private:
  struct Entry;
  using Entries = std::list<Entry>;
  using ByKey = std::map<std::pair<Family, std::string>, Entries::iterator>;
  struct Entry {
    ByKey::iterator place;
    PinnedValue value;
  };

  void Drop(Entries::iterator entry, Entries* dropped)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    size_bytes_ -= entry->value.bytes().size();
    by_key_.erase(entry->place);
    dropped->splice(dropped->begin(), entries_, entry);
  }

  const uint64_t capacity_bytes_;
  absl::Mutex mutex_;
  // The most recently used first.
  Entries entries_ ABSL_GUARDED_BY(mutex_);
  ByKey by_key_ ABSL_GUARDED_BY(mutex_);
  uint64_t size_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t deletion_count_ ABSL_GUARDED_BY(mutex_) = 0;
};

class CachedBlobStore final : public ForwardingBlobStore {
 public:
  CachedBlobStore(std::shared_ptr<BlobStore> target, uint64_t capacity_bytes)
      : ForwardingBlobStore(std::move(target)),
        recent_(std::make_shared<RecentBlobs>(capacity_bytes)) {}

  void Read(std::vector<BlobKey> keys, ReadDone done) override {
    const uint64_t deletion_count = recent_->deletion_count();
    std::vector<BlobKey> absent;
    std::vector<size_t> indexes;
    for (size_t i = 0; i < keys.size(); ++i) {
      if (auto found = recent_->Find(keys[i]); found.has_value()) {
        done(i, *std::move(found));
      } else {
        indexes.push_back(i);
        absent.push_back(std::move(keys[i]));
      }
    }
    if (absent.empty()) return;
    std::vector<BlobKey> wanted = absent;
    target().Read(
        std::move(wanted),
        [recent = recent_, absent = std::move(absent),
         indexes = std::move(indexes), done = std::move(done),
         deletion_count](size_t index, absl::StatusOr<PinnedValue> value) {
          if (value.ok()) recent->Add(absent[index], *value, deletion_count);
          done(indexes[index], std::move(value));
        });
  }

  absl::Status DeleteRange(Family family, std::string_view begin,
                           std::string_view end) override {
    absl::Status status = target().DeleteRange(family, begin, end);
    // Also after a failure, which may have deleted some.
    recent_->DropRange(family, begin, end);
    return status;
  }

 private:
  const std::shared_ptr<RecentBlobs> recent_;
};

}  // namespace

std::shared_ptr<BlobStore> NewCachedBlobStore(std::shared_ptr<BlobStore> target,
                                              uint64_t capacity_bytes) {
  return std::make_shared<CachedBlobStore>(std::move(target), capacity_bytes);
}

}  // namespace qstore::storage
