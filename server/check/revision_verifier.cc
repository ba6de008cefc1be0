#include "server/check/revision_verifier.h"

#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "base/quote.h"
#include "base/status.h"
#include "server/calls/status_mapping.h"
#include "server/check/stored_chunk.h"

namespace qstore::server {
namespace {

uint64_t BlobBytesOf(const storage::v1::Chunk& chunk) {
  uint64_t bytes = chunk.int8().size_bytes() + chunk.plain().size_bytes();
  for (const storage::v1::Blob& blob : chunk.residual()) {
    bytes += blob.size_bytes();
  }
  return bytes;
}

absl::Status CheckChunk(const storage::v1::Object& object, uint32_t chunk_index,
                        const ChunkBlobs& blobs, CodecSet& codecs) {
  QSTORE_FAILPOINT("verify.chunk");
  return DecodeAndCheck(object, chunk_index, blobs, codecs);
}

}  // namespace

RevisionVerifier::RevisionVerifier(storage::RevisionReader* reader,
                                   ThreadPool* pool, CodecPool* codecs,
                                   ByteBudget* budget,
                                   std::function<bool()> cancelled)
    : reader_(reader),
      pool_(pool),
      codecs_(codecs),
      budget_(budget),
      cancelled_(std::move(cancelled)) {}

absl::Status RevisionVerifier::Run(const Reporter& report,
                                   VerifyProgress* progress) {
  const std::vector<NamedObject> objects = ListObjects();
  progress_.total_objects = objects.size();
  absl::Status status;
  for (const NamedObject& object : objects) {
    status = VerifyObject(object);
    if (!status.ok()) break;
    {
      const std::lock_guard lock(mutex_);
      ++progress_.checked_objects;
    }
    if (!report(Snapshot())) {
      status = absl::CancelledError("the verification was stopped");
      break;
    }
  }
  WaitForTasks();
  *progress = Snapshot();
  return status;
}

std::vector<RevisionVerifier::NamedObject> RevisionVerifier::ListObjects()
    const {
  std::vector<NamedObject> objects;
  std::unordered_set<uint64_t> seen;
  for (const storage::v1::File& file : reader_->revision().files()) {
    for (const storage::v1::Segment& segment : file.segments()) {
      if (!seen.insert(segment.object_id()).second) continue;
      std::string label = "file " + Quoted(file.path());
      if (!segment.tensor_name().empty()) {
        label += ": tensor " + Quoted(segment.tensor_name());
      }
      objects.push_back({segment.object_id(), std::move(label)});
    }
  }
  return objects;
}

absl::Status RevisionVerifier::VerifyObject(const NamedObject& named) {
  QSTORE_FAILPOINT("verify.object");
  auto record = reader_->GetObject(named.object_id);
  if (!record.ok()) return Note(record.status(), named.label);
  const auto object =
      std::make_shared<const storage::v1::Object>(*std::move(record));
  for (int i = 0; i < object->chunks_size(); ++i) {
    QSTORE_RETURN_IF_ERROR(
        VerifyChunk(named, object, static_cast<uint32_t>(i)));
  }
  return Note(CheckChunkSum(*object), named.label);
}

absl::Status RevisionVerifier::VerifyChunk(
    const NamedObject& named, std::shared_ptr<const storage::v1::Object> object,
    uint32_t chunk_index) {
  const std::string where = absl::StrCat(named.label, ": chunk ", chunk_index);
  auto lease = budget_->AcquireUnless(
      BlobBytesOf(object->chunks(static_cast<int>(chunk_index))), cancelled_);
  if (!lease.has_value() || cancelled_()) {
    return ClientGoneError();
  }
  auto blobs = ReadChunkBlobs(
      *object, chunk_index,
      [&](storage::Family family, const storage::v1::Blob& blob) {
        return reader_->GetBlob(family, named.object_id, chunk_index, blob);
      });
  if (!blobs.ok()) return Note(blobs.status(), where);
  BeginTask();
  pool_->Submit([this, object = std::move(object), chunk_index, where,
                 pinned = *std::move(blobs),
                 held = std::make_shared<ByteBudget::Lease>(
                     *std::move(lease))]() mutable {
    absl::Status status;
    {
      const CodecPool::Loan codecs(codecs_);
      status = CheckChunk(*object, chunk_index, pinned, *codecs);
    }
    if (!status.ok()) AddProblem(where + ": " + std::string(status.message()));
    const uint64_t checked_bytes = pinned.size_bytes;
    // Unpinned before the verifier, and with it the store, may go.
    pinned = ChunkBlobs();
    held->Release();
    const std::lock_guard lock(mutex_);
    progress_.checked_bytes += checked_bytes;
    --tasks_;
    task_ended_.notify_all();
  });
  return absl::OkStatus();
}

absl::Status RevisionVerifier::Note(const absl::Status& status,
                                    const std::string& where) {
  if (status.ok()) return status;
  absl::Status annotated = Annotate(status, where);
  if (!IsDamage(status.code())) return annotated;
  AddProblem(std::string(annotated.message()));
  return absl::OkStatus();
}

void RevisionVerifier::AddProblem(const std::string& problem) {
  const std::lock_guard lock(mutex_);
  if (progress_.problems.size() < kMaxReportedProblems) {
    progress_.problems.push_back(problem);
  } else {
    ++unreported_problems_;
  }
}

void RevisionVerifier::BeginTask() {
  std::unique_lock lock(mutex_);
  task_ended_.wait(lock, [&] { return tasks_ < 2 * pool_->thread_count(); });
  ++tasks_;
}

void RevisionVerifier::WaitForTasks() {
  std::unique_lock lock(mutex_);
  task_ended_.wait(lock, [&] { return tasks_ == 0; });
}

VerifyProgress RevisionVerifier::Snapshot() {
  const std::lock_guard lock(mutex_);
  VerifyProgress snapshot = progress_;
  if (unreported_problems_ > 0) {
    snapshot.problems.push_back(
        absl::StrCat("and ", unreported_problems_, " more"));
  }
  return snapshot;
}

}  // namespace qstore::server
