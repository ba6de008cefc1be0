#include "server/revision_verifier.h"

#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/failpoint.h"
#include "base/quote.h"
#include "base/status.h"
#include "server/chunk_check.h"

namespace qstore::server {
namespace {

// The blobs of one chunk, pinned while they are decoded.
struct ChunkBlobs {
  storage::PinnedValue int8;
  std::vector<storage::PinnedValue> residual;
  storage::PinnedValue plain;
  uint64_t size_bytes = 0;
};

absl::StatusOr<ChunkBlobs> ReadBlobs(storage::RevisionReader& reader,
                                     const storage::v1::Object& object,
                                     uint32_t chunk_index) {
  const storage::v1::Chunk& chunk =
      object.chunks(static_cast<int>(chunk_index));
  ChunkBlobs blobs;
  const auto read = [&](storage::Family family, const storage::v1::Blob& blob) {
    blobs.size_bytes += blob.size_bytes();
    return reader.GetBlob(family, object.object_id(), chunk_index, blob);
  };
  if (object.kind() == storage::v1::OBJECT_KIND_QUANTIZED) {
    QSTORE_ASSIGN_OR_RETURN(blobs.int8,
                            read(storage::Family::kInt8, chunk.int8()));
    for (const storage::v1::Blob& blob : chunk.residual()) {
      QSTORE_ASSIGN_OR_RETURN(storage::PinnedValue value,
                              read(storage::Family::kResidual, blob));
      blobs.residual.push_back(std::move(value));
    }
  } else {
    QSTORE_ASSIGN_OR_RETURN(blobs.plain,
                            read(storage::Family::kPlain, chunk.plain()));
  }
  return blobs;
}

absl::Status DecodeAndCheck(const storage::v1::Object& object,
                            uint32_t chunk_index, const ChunkBlobs& blobs,
                            CodecSet& codecs) {
  QSTORE_FAILPOINT("verify.chunk");
  const storage::v1::Chunk& chunk =
      object.chunks(static_cast<int>(chunk_index));
  if (object.kind() != storage::v1::OBJECT_KIND_QUANTIZED) {
    return CheckPlainChunk(chunk, blobs.plain.bytes(), codecs);
  }
  QSTORE_ASSIGN_OR_RETURN(const codec::ChunkShape shape,
                          ShapeOfChunk(object, chunk));
  std::vector<codec::ResidualBlobView> residual;
  for (size_t i = 0; i < blobs.residual.size(); ++i) {
    const uint32_t subgroup = chunk.residual(static_cast<int>(i)).subgroup();
    residual.push_back(
        {static_cast<uint8_t>(subgroup), blobs.residual[i].bytes()});
  }
  return CheckQuantizedChunk(shape, chunk, blobs.int8.bytes(), residual,
                             codecs);
}

// What a damaged store answers; everything else means it cannot be read.
bool IsDamage(absl::StatusCode code) {
  return code == absl::StatusCode::kDataLoss ||
         code == absl::StatusCode::kNotFound ||
         code == absl::StatusCode::kInvalidArgument;
}

}  // namespace

RevisionVerifier::RevisionVerifier(storage::RevisionReader* reader,
                                   ThreadPool* pool, CodecPool* codecs)
    : reader_(reader), pool_(pool), codecs_(codecs) {}

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
  uint64_t raw_bytes = 0;
  for (int i = 0; i < object->chunks_size(); ++i) {
    raw_bytes += object->chunks(i).raw_bytes();
    QSTORE_RETURN_IF_ERROR(
        VerifyChunk(named, object, static_cast<uint32_t>(i)));
  }
  if (raw_bytes != object->raw_bytes()) {
    AddProblem(absl::StrCat(named.label, ": its chunks have ", raw_bytes,
                            " bytes, but it has ", object->raw_bytes()));
  }
  return absl::OkStatus();
}

absl::Status RevisionVerifier::VerifyChunk(
    const NamedObject& named, std::shared_ptr<const storage::v1::Object> object,
    uint32_t chunk_index) {
  const std::string where = absl::StrCat(named.label, ": chunk ", chunk_index);
  auto blobs = ReadBlobs(*reader_, *object, chunk_index);
  if (!blobs.ok()) return Note(blobs.status(), where);
  BeginTask();
  pool_->Submit([this, object = std::move(object), chunk_index, where,
                 pinned = *std::move(blobs)]() mutable {
    absl::Status status;
    {
      const CodecPool::Loan codecs(codecs_);
      status = DecodeAndCheck(*object, chunk_index, pinned, *codecs);
    }
    if (!status.ok()) AddProblem(where + ": " + std::string(status.message()));
    const uint64_t checked_bytes = pinned.size_bytes;
    // Unpinned before the verifier, and with it the store, may go.
    pinned = ChunkBlobs();
    const std::lock_guard lock(mutex_);
    progress_.checked_bytes += checked_bytes;
    --tasks_;
    task_ended_.notify_all();
  });
  return absl::OkStatus();
}

absl::Status RevisionVerifier::Note(const absl::Status& status,
                                    const std::string& where) {
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
