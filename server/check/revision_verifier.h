// Reads back, decodes and checks every stored byte of a revision.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "base/byte_budget.h"
#include "base/thread_pool.h"
#include "model/read_plan.h"
#include "server/codec_set.h"
#include "server/download/manifest_source.h"
#include "storage/model_store.h"

namespace qstore::server {

struct VerifyProgress {
  uint64_t checked_objects = 0;
  uint64_t total_objects = 0;
  uint64_t checked_bytes = 0;  // stored bytes
  std::vector<std::string> problems;
};

// Past this many problems only their number is told.
inline constexpr size_t kMaxReportedProblems = 1000;

// Reads on the calling thread, decodes on the pool. One run per verifier.
class RevisionVerifier {
 public:
  // All outlive the verifier. Chunks whose decoding is under way are at most
  // twice as many as the pool has threads, and have leases from `budget`.
  // `cancelled` is asked before every chunk, and by the budget's watch.
  RevisionVerifier(storage::RevisionReader* reader, ThreadPool* pool,
                   CodecPool* codecs, ByteBudget* budget,
                   std::function<bool()> cancelled);

  // Called after every object, on the calling thread; false stops.
  using Reporter = std::function<bool(const VerifyProgress&)>;

  // OK whether or not there is damage, which is in `progress`. CANCELLED when
  // the reporter stopped it; other codes when the store cannot be read at all.
  absl::Status Run(const Reporter& report, VerifyProgress* progress);

 private:
  // Reads the records of all objects. Those that are damaged are noted, and
  // stay empty.
  absl::Status ReadManifest();
  absl::Status VerifyChunks(const Reporter& report);
  absl::Status VerifyChunk(const model::PlannedChunk& planned);
  // "file x: tensor y".
  std::string LabelOf(size_t object_index) const {
    return model::DescribeObject(manifest_.manifest(), object_index);
  }
  // Keeps damage, passes other errors on.
  absl::Status Note(const absl::Status& status, const std::string& where);
  void AddProblem(const std::string& problem);
  void BeginTask();
  void EndTask(uint64_t checked_bytes);
  void WaitForTasks();
  VerifyProgress Snapshot();

  storage::RevisionReader* const reader_;
  ManifestSource manifest_;
  ThreadPool* const pool_;
  CodecPool* const codecs_;
  ByteBudget* const budget_;
  const std::function<bool()> cancelled_;

  absl::Mutex mutex_;
  size_t task_count_ ABSL_GUARDED_BY(mutex_) = 0;
  VerifyProgress progress_ ABSL_GUARDED_BY(mutex_);
  uint64_t unreported_problems_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace qstore::server
