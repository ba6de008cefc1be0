// One upload: the order of its messages, and what comes of them.
//
//   begin (file bytes*)* end
//
// Every violation has a sentence of its own. Destroyed before Commit, an upload
// leaves nothing behind. One whose stream broke can be suspended and gone on
// with by another stream (upload_park.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/byte_budget.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "qstore/v1/model_store.pb.h"
#include "server/limits/quotas.h"
#include "server/upload/file_ingest.h"
#include "server/upload/ingest_resources.h"
#include "storage/model_store.h"

namespace qstore::server {

inline constexpr uint64_t kMaxUploadPayloadBytes = 2u << 20;

// INVALID_ARGUMENT when it is none.
absl::Status ValidateUploadKey(const std::string& key);

// One thread at a time.
class UploadSession {
 public:
  // `store` and `resources` outlive the session.
  UploadSession(storage::ModelStore* store, const IngestResources& resources);

  // Goes on with an upload of a process before this one, as if it had been
  // suspended at its checkpoint. An error says why that cannot be, and then
  // nothing is left of it.
  static absl::StatusOr<std::unique_ptr<UploadSession>> Restore(
      storage::ModelStore* store, const IngestResources& resources,
      storage::UnfinishedUpload unfinished);

  // Asked while something is computed that takes long: whether the call that
  // gives messages is over. Until Suspend; outlives the session until then.
  void set_call_over(std::function<bool()> call_over) {
    resources_.call_over = std::move(call_over);
  }

  // The next message of the stream. After an error the session takes no more,
  // but CANCELLED leaves it as it was: it may be suspended.
  absl::Status Handle(const v1::UploadRequest& request);

  // After the stream has ended: waits for the encoders, then commits.
  // INVALID_ARGUMENT when the end message has not come. A session that was
  // suspended after its commit commits the same once more: its client may not
  // have heard of the first time.
  absl::StatusOr<v1::UploadResponse> Commit();

  // Between two streams: goes back to the last point before which everything is
  // with the encoders, and gives up the memory of what came after it. Only for
  // sessions that have begun and had no error.
  void Suspend();
  // Before it is destroyed because the process ends: what its last checkpoint
  // remembers stays for the next one. False: there is none.
  bool Leave();
  // Of a suspended session; without checksum.
  v1::UploadPoint point() const;
  // The begin message of the next stream. ABORTED when it is of another upload,
  // names another point or has seen other bytes before it; the session is of no
  // use then.
  absl::Status Resume(const v1::UploadBegin& begin);

  // "org/name:tag" once begun, for messages and the log.
  const std::string& object_name() const { return object_name_; }
  uint64_t received_bytes() const { return received_bytes_; }
  // Empty: the upload cannot be gone on with.
  const std::string& upload_key() const { return begin_.upload_key(); }
  // Who sends the stream.
  const std::string& client_id() const { return client_id_; }
  // Whether nothing is left of it but what commits it once more.
  bool committed() const { return committed_objects_.has_value(); }

 private:
  enum class State { kExpectBegin, kBetweenFiles, kInFile, kEnded };

  // A file whose bytes have all come.
  struct ReceivedFile {
    std::string path;
    uint64_t size_bytes = 0;
    bool safetensors = false;
    std::vector<PendingSegment> segments;
  };

  absl::Status Begin(const v1::UploadBegin& begin);
  // Takes over what `begin` says, once it has been checked.
  absl::Status Adopt(const v1::UploadBegin& begin);
  // What files are given for their ingest.
  FileIngestContext IngestContext();
  // The store's side of it, with what it claims of quotas.
  absl::Status BeginStoring();
  // The same with an upload of the store that exists already.
  void StoreInto(std::unique_ptr<storage::Upload> upload);
  absl::Status BeginFile(const v1::FileBegin& file);
  absl::Status CheckFile(const v1::FileBegin& file);
  absl::Status AddBytes(const v1::FileBytes& bytes);
  absl::Status CheckQuota();
  absl::Status EndFile();
  // Of the payload that has just come.
  void AddToHash(ByteView payload);
  void UndoBeginFile();
  // Remembers how far the upload has come, where it is time and possible.
  absl::Status CheckpointWhenDue();
  absl::Status RestoreFrom(const upload::v1::UploadCheckpoint& checkpoint,
                           std::unique_ptr<storage::Upload> upload);
  absl::Status RestoreFiles(const upload::v1::UploadCheckpoint& checkpoint);
  // Finds what the first commit stored.
  absl::StatusOr<std::vector<StoredObject>> HoldCommittedObjects();
  absl::Status End(const v1::UploadEnd& end);
  storage::StoredRevision DraftOf(
      const std::vector<StoredObject>& objects) const;

  storage::ModelStore* const store_;
  IngestResources resources_;

  State state_ = State::kExpectBegin;
  std::string client_id_;
  v1::UploadBegin begin_;  // without what differs from stream to stream
  std::string model_;
  std::string tag_;
  std::string object_name_;
  std::optional<QuantizationPolicy> policy_;
  std::vector<ByteBudget::Lease> metadata_leases_;
  Quotas::Claim quota_claim_;
  // Destroyed in the reverse order: the pipeline uses the upload.
  std::unique_ptr<storage::Upload> upload_;
  std::optional<EncodePipeline> pipeline_;

  std::set<std::string> paths_;
  std::vector<ReceivedFile> files_;
  uint64_t announced_bytes_ = 0;  // sizes of the files begun so far
  uint64_t received_bytes_ = 0;
  uint64_t tensor_count_ = 0;
  uint64_t metadata_bytes_ = 0;      // of metadata_leases_
  uint64_t checkpointed_bytes_ = 0;  // received up to the last checkpoint

  // Of everything received, in the form of v1::UploadPoint, and as it was at
  // the last point between two chunks. Idle without an upload key.
  Xxh3Stream hash_;
  Xxh3Stream kept_hash_;

  // Set by the first commit.
  std::optional<std::vector<StoredObject>> committed_objects_;
  bool created_ = false;
  std::string moved_from_;  // what the tag named before the commit

  // Of the file that is being received.
  std::unique_ptr<FileIngest> file_ingest_;
  std::string path_;
  uint64_t size_bytes_ = 0;
  uint64_t file_received_bytes_ = 0;
};

}  // namespace qstore::server
