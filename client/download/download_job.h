// One download under way: the receiving thread feeds it the events of the
// stream, a pool decodes and writes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "base/byte_budget.h"
#include "base/thread_pool.h"
#include "client/download/chunk_assembler.h"
#include "client/download/chunk_unpacker.h"
#include "client/download/download_layout.h"
#include "client/download/download_stream.h"
#include "client/events.h"
#include "client/sinks/download_journal.h"
#include "client/sinks/sink.h"
#include "model/manifest.h"
#include "model/read_plan.h"

namespace qstore::client {

// Methods are called by one thread.
class DownloadJob {
 public:
  struct Options {
    size_t thread_count = 1;
    uint64_t memory_bytes = 0;
    // Fails at the first chunk that is held and not what it should be.
    bool stop_at_damage = false;
  };

  // Whether what is written there can be compared with the server's checksums.
  static bool CanBeChecked(const TensorPlace& place);

  // All must outlive this. `journal`, which may be null, is told of chunks that
  // are written; those that the plan takes for held are in `output` already.
  DownloadJob(const Options& options, const model::Manifest* manifest,
              const model::ReadPlan* plan, DownloadLayout* layout,
              FileWriter* output, DownloadJournal* journal, Events* events);
  // Unless a chunk has failed: waits until all that came whole are written and
  // in the journal, also when the connection broke. They need not come again.
  ~DownloadJob();
  DownloadJob(const DownloadJob&) = delete;
  DownloadJob& operator=(const DownloadJob&) = delete;

  // Declares the files whose layout is known, and has what is held checked.
  absl::Status Begin();

  // Takes an event that came after the manifest. Reports failures of the pool
  // too, so that a download ends soon after the first.
  absl::Status Handle(const DownloadEvent& event);

  // In place of all events, when the plan reads nothing.
  void ExpectNothing() { end_seen_ = true; }

  // After the last event: waits for the pool, checks that nothing is missing,
  // writes objects that several files share to their other places. ABORTED when
  // chunks that the journal listed are damaged: it does not list them any more,
  // another download fetches them.
  absl::Status Finish();

  // Payload by layer.
  const model::LayerBytes& received() const { return assembler_.received(); }

  // Whether DownloadEnd has come.
  bool end_seen() const { return end_seen_; }

 private:
  // Where a chunk goes, and which part of it.
  struct Target {
    size_t file_index = 0;
    TensorPlace place;             // of what is wanted of the chunk
    bool first_of_tensor = false;  // of what is wanted of it
    uint64_t first_row = 0;        // of the chunk, under a lower precision
    uint64_t row_count = 0;        // likewise
    uint64_t skip_bytes = 0;       // of the original, otherwise
    uint64_t size_bytes = 0;       // likewise
  };

  const model::Object& ObjectOf(const model::PlannedChunk& planned) const {
    return manifest_.objects[planned.object_index];
  }
  const model::Chunk& ChunkOf(const model::PlannedChunk& planned) const {
    return ObjectOf(planned).chunks[planned.chunk_index];
  }
  // Whether codes and scales are written instead of the original.
  bool IsLowPrecision(const model::PlannedChunk& planned) const {
    return planned.layer_count < ChunkOf(planned).layers.size();
  }
  absl::Status AddValue(const ValueView& value);
  absl::Status CheckEnd(const v1::DownloadEnd& end);
  absl::Status DeclareFile(size_t file_index,
                           const std::vector<ShardLayout::Literal>& literals);
  // For headers of exported files.
  absl::Status AddHeaderChunk(const StoredChunk& chunk);
  absl::Status WriteExportedHeaders(size_t object_index);
  // In the file of its object's first use.
  Target TargetOf(const model::PlannedChunk& planned) const;
  // Whether all of the chunk is written: of a part, nothing can be compared
  // with the server's checksums later.
  bool IsWhole(const model::PlannedChunk& planned, const Target& target) const;
  // Has chunks checked that are in the file already.
  void CheckHeld(size_t file_index);
  // Whether the chunk is what the manifest says; counts it as written if so.
  absl::Status KeepIfGood(const model::PlannedChunk& planned,
                          const Target& target);
  void Submit(StoredChunk chunk);
  absl::Status UnpackAndWrite(const StoredChunk& chunk, const Target& target);
  absl::Status WriteLowPrecision(const StoredChunk& chunk, const Target& target,
                                 const UnpackedChunk& unpacked);
  absl::Status CopyToOtherPlaces();
  void Fail(const absl::Status& status);
  absl::Status FirstFailure();

  const Options options_;
  const model::Manifest& manifest_;
  const model::ReadPlan& plan_;
  DownloadLayout* const layout_;
  FileWriter* const output_;
  DownloadJournal* const journal_;
  Events* const events_;

  ByteBudget budget_;
  ChunkAssembler assembler_;
  bool end_seen_ = false;
  std::atomic<uint64_t> damaged_count_ = 0;
  ByteVector header_;  // of an exported file, as far as it has come
  ChunkUnpacker header_unpacker_;

  std::atomic<bool> failed_ = false;
  absl::Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<ChunkUnpacker>> idle_unpackers_
      ABSL_GUARDED_BY(mutex_);

  // The last member: its tasks use the others, and its end waits for them.
  std::optional<ThreadPool> pool_;
};

}  // namespace qstore::client
