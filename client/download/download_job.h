// One download under way: the receiving thread feeds it the events of the
// stream, a pool decodes and writes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
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

namespace qstore::client {

// Methods are called by one thread.
class DownloadJob {
 public:
  struct Options {
    v1::Precision precision = v1::PRECISION_ORIGINAL;
    size_t thread_count = 1;
    uint64_t memory_bytes = 0;
  };

  // All must outlive this. `journal`, which may be null, says which chunks are
  // in the files already and is told of those that are written.
  DownloadJob(const Options& options, DownloadLayout* layout,
              FileWriter* output, DownloadJournal* journal, Events* events);
  // Unless a chunk has failed: waits until all that came whole are written and
  // in the journal, also when the connection broke. They need not come again.
  ~DownloadJob();
  DownloadJob(const DownloadJob&) = delete;
  DownloadJob& operator=(const DownloadJob&) = delete;

  // Before anything else: tells `output` the sizes that are known.
  absl::Status DeclareSizes();

  // Takes the event that came after the revision manifest. Reports failures of
  // the pool too, so that a download ends soon after the first.
  absl::Status Handle(const DownloadEvent& event);

  // After the last event: waits for the pool, checks that nothing is missing,
  // writes objects that several files share to their other places. ABORTED when
  // chunks that the journal listed are damaged: it does not list them any more,
  // another download fetches them.
  absl::Status Finish();

  // Stored bytes of chunks that the journal listed.
  uint64_t held_bytes() const { return held_bytes_; }

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
  // Where each chunk of the object that begins goes.
  void PlaceChunks(const ObjectPlan& object);
  // Has the chunks checked that are in the files already.
  void CheckHeld(const std::shared_ptr<const ObjectPlan>& object,
                 const std::set<int>& held);
  // Whether the chunk is what the server says; counts it as written if so.
  absl::Status KeepIfGood(const ObjectPlan& object, int chunk_index,
                          const TensorPlace& place);
  void NoteWritten(const ObjectPlan& object, int chunk_index);
  void Submit(StoredChunk chunk);
  // `place`: of the chunk, in the file of its object's first use.
  absl::Status UnpackAndWrite(const StoredChunk& chunk,
                              const TensorPlace& place);
  absl::Status WriteCodes(size_t file_index, const TensorPlace& place,
                          ByteView codes);
  bool exports(const ObjectPlan& object) const {
    return object.quantized() && options_.precision == v1::PRECISION_INT8;
  }
  absl::Status CopyToOtherPlaces();
  void Fail(const absl::Status& status);
  absl::Status FirstFailure();

  const Options options_;
  DownloadLayout* const layout_;
  FileWriter* const output_;
  DownloadJournal* const journal_;
  Events* const events_;

  ByteBudget budget_;
  ChunkAssembler assembler_;
  uint64_t next_object_index_ = 0;
  bool end_seen_ = false;
  std::vector<TensorPlace> places_;  // of the object's chunks
  uint64_t held_bytes_ = 0;
  std::atomic<uint64_t> damaged_count_ = 0;
  ByteVector header_;  // of an exported file, as far as it has come
  ChunkUnpacker header_unpacker_;
  // Objects that have more than one place.
  std::vector<std::shared_ptr<const ObjectPlan>> shared_objects_;

  std::atomic<bool> failed_ = false;
  absl::Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<ChunkUnpacker>> idle_unpackers_
      ABSL_GUARDED_BY(mutex_);

  // The last member: its tasks use the others, and its end waits for them.
  std::optional<ThreadPool> pool_;
};

}  // namespace qstore::client
