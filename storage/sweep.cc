#include "storage/sweep.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "base/failpoints/failpoint.h"
#include "base/status.h"
#include "storage/collector.h"
#include "storage/records/keys.h"
#include "storage/unfinished_uploads.h"

namespace qstore::storage {
namespace {

absl::StatusOr<bool> HasData(BlobStore* blobs, Family family,
                             const IdRange& range) {
  bool found = false;
  QSTORE_RETURN_IF_ERROR(blobs->ListKeys(family, DataKeyBound(range.first),
                                         DataKeyBound(range.end),
                                         [&found](std::string_view) {
                                           found = true;
                                           return false;
                                         }));
  return found;
}

// Whether there was anything to delete.
absl::StatusOr<bool> DeleteData(BlobStore* blobs, Family family,
                                const IdRange& range) {
  QSTORE_ASSIGN_OR_RETURN(const bool has_data, HasData(blobs, family, range));
  if (!has_data) return false;
  QSTORE_FAILPOINT("sweep.data");
  QSTORE_RETURN_IF_ERROR(blobs->DeleteRange(family, DataKeyBound(range.first),
                                            DataKeyBound(range.end)));
  return true;
}

// The runs of ids in [range.first, range.end) that are not in `live`, which
// ascends.
std::vector<IdRange> Gaps(const IdRange& range,
                          const std::vector<uint64_t>& live) {
  std::vector<IdRange> gaps;
  uint64_t from = range.first;
  for (auto it = std::lower_bound(live.begin(), live.end(), range.first);
       it != live.end() && *it < range.end; ++it) {
    if (from < *it) gaps.push_back({from, *it});
    from = *it + 1;
  }
  if (from < range.end) gaps.push_back({from, range.end});
  return gaps;
}

absl::Status SweepData(StoreState* state, SweepReport* report) {
  BlobStore& blobs = state->blobs();
  QSTORE_ASSIGN_OR_RETURN(const std::vector<uint64_t> live,
                          state->records.ObjectIds());
  for (const Family family : AllFamilies()) {
    QSTORE_ASSIGN_OR_RETURN(const std::vector<KeyRange> ranges,
                            blobs.KeyRanges(family));
    for (const KeyRange& keys : ranges) {
      const std::optional<uint64_t> first = LeadingId(keys.first);
      const std::optional<uint64_t> last = LeadingId(keys.last);
      if (!first.has_value() || !last.has_value()) continue;
      for (const IdRange& gap : Gaps({*first, *last + 1}, live)) {
        // What cannot be deleted, as beside damage, does not keep the rest.
        const absl::StatusOr<bool> deleted = DeleteData(&blobs, family, gap);
        report->problem.Update(deleted.status());
        if (deleted.ok() && *deleted) ++report->data_range_count;
      }
    }
  }
  return absl::OkStatus();
}

absl::Status SweepObjects(StoreState* state, SweepReport* report) {
  QSTORE_ASSIGN_OR_RETURN(const std::vector<uint64_t> objects,
                          state->records.ObjectIds());
  QSTORE_ASSIGN_OR_RETURN(const std::vector<uint64_t> referenced,
                          state->records.ReferencedIds());
  std::vector<uint64_t> unreferenced;
  uint64_t count = 0;  // of those that no unfinished upload holds
  std::set_difference(objects.begin(), objects.end(), referenced.begin(),
                      referenced.end(), std::back_inserter(unreferenced));
  {
    const absl::MutexLock lock(&state->mutex);
    for (const uint64_t id : unreferenced) {
      state->objects.MarkUnreferenced(id);
      if (state->objects.pin_count(id) == 0) ++count;
    }
  }
  QSTORE_FAILPOINT("sweep.objects");
  QSTORE_RETURN_IF_ERROR(
      CollectGarbage(state, /*stopping=*/[] { return false; }));
  report->object_count = count;
  return absl::OkStatus();
}

}  // namespace

SweepReport Sweep(StoreState* state,
                  std::vector<UnfinishedUpload>* unfinished) {
  SweepReport report;
  report.unfinished_bytes = state->blobs().ClearedBytes();
  const uint64_t before_bytes = state->blobs().DiskBytes();
  // First: what cannot be told from garbage now must not be swept.
  absl::StatusOr<std::vector<UnfinishedUpload>> held =
      HoldUnfinishedUploads(state, &report);
  if (!held.ok()) {
    report.problem = held.status();
    return report;
  }
  *unfinished = *std::move(held);
  report.problem.Update(SweepObjects(state, &report));
  if (report.problem.ok()) report.problem.Update(SweepData(state, &report));
  const uint64_t after_bytes = state->blobs().DiskBytes();
  report.reclaimed_bytes =
      before_bytes > after_bytes ? before_bytes - after_bytes : 0;
  return report;
}

absl::StatusOr<uint64_t> FindNextId(const Engine& engine) {
  uint64_t next_id = 1;
  for (const Family family : AllFamilies()) {
    const absl::StatusOr<std::string> last = engine.blobs->LastKey(family);
    if (absl::IsNotFound(last.status())) continue;
    QSTORE_RETURN_IF_ERROR(last.status());
    next_id = std::max(next_id, LeadingId(*last).value_or(0) + 1);
  }
  const absl::StatusOr<uint64_t> recorded =
      RecordTable(engine.records.get()).NextId();
  if (recorded.ok()) return std::max(next_id, *recorded);
  if (absl::IsNotFound(recorded.status())) return next_id;
  return recorded.status();
}

}  // namespace qstore::storage
