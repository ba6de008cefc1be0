#include "server/check/revision_verifier.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/failpoints/failpoint.h"
#include "base/status.h"
#include "model/chunk_layers.h"
#include "server/calls/status_mapping.h"
#include "server/check/stored_chunk.h"

namespace qstore::server {
namespace {

absl::Status CheckStored(const model::Object& object, const model::Chunk& chunk,
                         const ByteVector& bytes, CodecSet& codecs) {
  QSTORE_FAILPOINT("verify.chunk");
  const auto layer_count = static_cast<uint32_t>(chunk.layers.size());
  return DecodeAndCheck(object, chunk,
                        model::SplitLayers(chunk, layer_count, bytes), codecs);
}

}  // namespace

RevisionVerifier::RevisionVerifier(storage::RevisionReader* reader,
                                   ThreadPool* pool, CodecPool* codecs,
                                   ByteBudget* budget,
                                   std::function<bool()> cancelled)
    : reader_(reader),
      manifest_(reader, {}),
      pool_(pool),
      codecs_(codecs),
      budget_(budget),
      cancelled_(std::move(cancelled)) {}

absl::Status RevisionVerifier::Run(const Reporter& report,
                                   VerifyProgress* progress) {
  {
    const absl::MutexLock lock(&mutex_);
    progress_.total_objects = manifest_.object_count();
  }
  absl::Status status = ReadManifest();
  if (status.ok()) status = VerifyChunks(report);
  WaitForTasks();
  *progress = Snapshot();
  return status;
}

absl::Status RevisionVerifier::ReadManifest() {
  for (size_t i = 0; i < manifest_.object_count(); ++i) {
    QSTORE_FAILPOINT("verify.object");
    QSTORE_RETURN_IF_ERROR(Note(manifest_.Object(i).status(), ""));
    if (cancelled_()) return ClientGoneError();
  }
  return absl::OkStatus();
}

absl::Status RevisionVerifier::VerifyChunks(const Reporter& report) {
  QSTORE_ASSIGN_OR_RETURN(const model::ReadPlan plan,
                          model::PlanRead(manifest_.manifest(), {}, {}));
  size_t object_index = 0;
  const auto advance_to = [&](size_t next) {
    const bool moved = next > object_index;
    object_index = next;
    const absl::MutexLock lock(&mutex_);
    progress_.checked_objects = object_index;
    return moved;
  };
  for (const model::PlannedChunk& chunk : plan.chunks) {
    if (advance_to(chunk.object_index) && !report(Snapshot())) {
      return absl::CancelledError("the verification was stopped");
    }
    QSTORE_RETURN_IF_ERROR(VerifyChunk(chunk));
  }
  advance_to(manifest_.object_count());
  return absl::OkStatus();
}

absl::Status RevisionVerifier::VerifyChunk(const model::PlannedChunk& planned) {
  const model::Object& object =
      manifest_.manifest().objects[planned.object_index];
  const model::Chunk& chunk = object.chunks[planned.chunk_index];
  const std::string where = absl::StrCat(LabelOf(planned.object_index),
                                         ": chunk ", planned.chunk_index);
  auto lease = budget_->AcquireUnless(
      model::StoredBytesOf(chunk, planned.layer_count), cancelled_);
  if (!lease.has_value() || cancelled_()) {
    return ClientGoneError();
  }
  auto bytes = ReadStoredBytes(
      chunk, planned.layer_count, [&](const model::ValueAddress& value) {
        return reader_->GetValue(object.id, planned.chunk_index, value);
      });
  if (!bytes.ok()) return Note(bytes.status(), where);
  BeginTask();
  pool_->Submit([this, &object, &chunk, where, stored = *std::move(bytes),
                 held = std::make_shared<ByteBudget::Lease>(
                     *std::move(lease))]() mutable {
    absl::Status status;
    {
      const CodecPool::Loan codecs(codecs_);
      status = CheckStored(object, chunk, stored, *codecs);
    }
    if (!status.ok()) AddProblem(where + ": " + std::string(status.message()));
    const uint64_t checked_bytes = stored.size();
    ByteVector().swap(stored);
    held->Release();
    EndTask(checked_bytes);
  });
  return absl::OkStatus();
}

absl::Status RevisionVerifier::Note(const absl::Status& status,
                                    const std::string& where) {
  if (status.ok()) return status;
  absl::Status annotated = where.empty() ? status : Annotate(status, where);
  if (!IsDamage(status.code())) return annotated;
  AddProblem(std::string(annotated.message()));
  return absl::OkStatus();
}

void RevisionVerifier::AddProblem(const std::string& problem) {
  const absl::MutexLock lock(&mutex_);
  if (progress_.problems.size() < kMaxReportedProblems) {
    progress_.problems.push_back(problem);
  } else {
    ++unreported_problems_;
  }
}

void RevisionVerifier::BeginTask() {
  const absl::MutexLock lock(&mutex_);
  const auto has_room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return task_count_ < 2 * pool_->thread_count();
  };
  mutex_.Await(absl::Condition(&has_room));
  ++task_count_;
}

// The last one's waiter may destroy the verifier as soon as the lock is free.
void RevisionVerifier::EndTask(uint64_t checked_bytes) {
  const absl::MutexLock lock(&mutex_);
  QSTORE_DCHECK(task_count_ > 0);
  progress_.checked_bytes += checked_bytes;
  --task_count_;
}

void RevisionVerifier::WaitForTasks() {
  const absl::MutexLock lock(&mutex_);
  const auto are_over = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return task_count_ == 0;
  };
  mutex_.Await(absl::Condition(&are_over));
}

VerifyProgress RevisionVerifier::Snapshot() {
  const absl::MutexLock lock(&mutex_);
  VerifyProgress snapshot = progress_;
  if (unreported_problems_ > 0) {
    snapshot.problems.push_back(
        absl::StrCat("and ", unreported_problems_, " more"));
  }
  return snapshot;
}

}  // namespace qstore::server
