// One download under way: the receiving thread feeds it the events of the
// stream, a pool decodes and writes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "base/byte_budget.h"
#include "base/thread_pool.h"
#include "client/chunk_assembler.h"
#include "client/chunk_unpacker.h"
#include "client/download_layout.h"
#include "client/download_stream.h"
#include "client/output_files.h"
#include "client/progress.h"

namespace qstore::client {

// Methods are called by one thread.
class DownloadJob {
 public:
  struct Options {
    v1::Precision precision = v1::PRECISION_ORIGINAL;
    size_t thread_count = 1;
    uint64_t memory_bytes = 0;
  };

  // `layout`, `output` and `progress` must outlive this.
  DownloadJob(const Options& options, DownloadLayout* layout,
              OutputFiles* output, Progress* progress);
  // Waits for what is being decoded.
  ~DownloadJob();
  DownloadJob(const DownloadJob&) = delete;
  DownloadJob& operator=(const DownloadJob&) = delete;

  // Takes the event that came after the revision manifest. Reports failures of
  // the pool too, so that a download ends soon after the first.
  absl::Status Handle(const DownloadEvent& event);

  // After the last event: waits for the pool, checks that nothing is missing,
  // writes objects that several files share to their other places.
  absl::Status Finish();

  // Payload by kind.
  const v1::BytesByKind& received() const { return assembler_.received(); }

  // Whether DownloadEnd has come.
  bool end_seen() const { return end_seen_; }

 private:
  absl::Status BeginObject(const v1::ObjectManifest& manifest);
  absl::Status AddPart(const BlobPartView& part);
  absl::Status CheckEnd(const v1::DownloadEnd& end);
  // For headers of exported files.
  absl::Status AddHeaderChunk(const StoredChunk& chunk);
  absl::Status WriteExportedHeaders(uint64_t object_index);
  void Submit(StoredChunk chunk);
  // `place`: of the chunk, in the file of its object's first use.
  absl::Status UnpackAndWrite(const StoredChunk& chunk,
                              const TensorPlace& place);
  bool exports(const ObjectPlan& object) const {
    return object.quantized() && options_.precision == v1::PRECISION_INT8;
  }
  absl::Status CopyToOtherPlaces();
  void Fail(const absl::Status& status);
  absl::Status FirstFailure();

  const Options options_;
  DownloadLayout* const layout_;
  OutputFiles* const output_;
  Progress* const progress_;

  ByteBudget budget_;
  ChunkAssembler assembler_;
  uint64_t next_object_index_ = 0;
  bool end_seen_ = false;
  // Where in its object the next chunk goes.
  TensorPlace next_;
  ByteVector header_;  // of an exported file, as far as it has come
  ChunkUnpacker header_unpacker_;
  // Objects that have more than one place.
  std::vector<std::shared_ptr<const ObjectPlan>> shared_objects_;

  std::atomic<bool> failed_ = false;
  std::mutex mutex_;
  // State below is guarded by mutex_.
  absl::Status failure_;
  std::vector<std::unique_ptr<ChunkUnpacker>> idle_unpackers_;

  std::optional<ThreadPool> pool_;
};

}  // namespace qstore::client
