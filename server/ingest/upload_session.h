// One upload: the order of its messages, and what comes of them.
//
//   begin (file bytes*)* end
//
// Every violation has a sentence of its own. Destroyed before Commit, an upload
// leaves nothing behind.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/byte_budget.h"
#include "qstore/v1/model_store.pb.h"
#include "server/ingest/file_ingest.h"
#include "server/ingest/ingest_resources.h"
#include "server/quotas.h"
#include "storage/model_store.h"

namespace qstore::server {

inline constexpr uint64_t kMaxUploadPayloadBytes = 2u << 20;

// One thread at a time.
class UploadSession {
 public:
  // `store` and `resources` outlive the session.
  UploadSession(storage::ModelStore* store, const IngestResources& resources);

  // The next message of the stream. After an error the session takes no more.
  absl::Status Handle(const v1::UploadRequest& request);

  // After the stream has ended: waits for the encoders, then commits.
  // INVALID_ARGUMENT when the end message has not come.
  absl::StatusOr<v1::UploadResponse> Commit();

  // "org/name:tag" once begun, for messages and the log.
  const std::string& object_name() const { return object_name_; }
  uint64_t received_bytes() const { return received_bytes_; }

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
  absl::Status BeginFile(const v1::FileBegin& file);
  absl::Status CheckFile(const v1::FileBegin& file);
  absl::Status AddBytes(const v1::FileBytes& bytes);
  absl::Status CheckQuota();
  absl::Status EndFile();
  absl::Status End(const v1::UploadEnd& end);
  storage::v1::Revision DraftOf(const std::vector<StoredObject>& objects) const;

  storage::ModelStore* const store_;
  const IngestResources resources_;

  State state_ = State::kExpectBegin;
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

  // Of the file that is being received.
  std::unique_ptr<FileIngest> file_ingest_;
  std::string path_;
  uint64_t size_bytes_ = 0;
  uint64_t file_received_bytes_ = 0;
};

}  // namespace qstore::server
