// How much the models of a name prefix may take.
//
// Counted are stored bytes of revisions (GetRevision's `stored`), each revision
// whole: tensors that it shares with others count in each of them, so that what
// one model counts never depends on another being deleted. Every quota whose
// prefix begins a model's name applies to it: "org/" bounds what "org/team/"
// and all other models of org take together.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "storage/model_store.h"

namespace qstore::server {

struct QuotaLimit {
  std::string prefix;
  uint64_t max_bytes = 0;
};

// "org/=10GiB", the size as for ParseByteSize. INVALID_ARGUMENT says what is
// wrong.
absl::StatusOr<QuotaLimit> ParseQuota(const std::string& text);

// Thread-safe; outlives its claims.
class Quotas {
 public:
  explicit Quotas(std::vector<QuotaLimit> limits);
  Quotas(const Quotas&) = delete;
  Quotas& operator=(const Quotas&) = delete;

  // Counts what the store holds; before anything else. Reads every revision's
  // record, unless there are no quotas; one that cannot be read is logged and
  // not counted.
  absl::Status Load(storage::ModelStore* store);

  // What one upload takes while it runs.
  class Claim {
   public:
    Claim() = default;
    Claim(Quotas* quotas, std::string model)
        : quotas_(quotas), model_(std::move(model)) {}
    Claim(Claim&& other) noexcept;
    Claim& operator=(Claim&& other) noexcept;
    ~Claim();

    // RESOURCE_EXHAUSTED when that would be too much, and then the claim is as
    // it was; the message names prefix, used and allowed.
    absl::Status Update(uint64_t stored_bytes);
    // The revision is stored: what was claimed stays counted.
    void Keep() { quotas_ = nullptr; }

   private:
    Quotas* quotas_ = nullptr;
    std::string model_;
    uint64_t bytes_ = 0;
  };

  // A revision of `model` was deleted.
  void Subtract(const std::string& model, uint64_t stored_bytes);

 private:
  struct Entry {
    QuotaLimit limit;
    // Signed: a revision may be deleted before its upload knows that it was
    // stored.
    int64_t used_bytes = 0;
  };
  absl::Status Change(const std::string& model, uint64_t from_bytes,
                      uint64_t to_bytes);
  void Add(const std::string& model, int64_t bytes);

  absl::Mutex mutex_;
  std::vector<Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace qstore::server
