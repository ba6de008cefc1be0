// The messages of one download, in order, made one at a time.
//
//   revision (object blob-part*)* end
//
// Only blobs of the requested precision are listed, read and sent; those that
// the client holds are only listed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/support/byte_buffer.h"
#include "qstore/storage/v1/manifest.pb.h"
#include "qstore/v1/model_store.pb.h"
#include "server/download/blob_message.h"
#include "server/download/held_chunks.h"
#include "server/download/pinned_bytes.h"
#include "server/download/recent_values.h"
#include "storage/model_store.h"

namespace qstore::server {

// One thread at a time.
class DownloadSource {
 public:
  // `part_bytes`: the most payload of one message. `pin_bytes`: how much all
  // downloads together may pin. `recent_values` is shared by all downloads.
  DownloadSource(std::unique_ptr<storage::RevisionReader> reader,
                 v1::Precision precision, HeldChunks held, size_t part_bytes,
                 std::shared_ptr<PinnedBytesGauge> gauge, uint64_t pin_bytes,
                 RecentValues* recent_values);

  // The next message; none after the end message. Errors name file, tensor and
  // chunk.
  //
  // Messages refer to stored values, which stay pinned until the last of their
  // parts has been sent. A client that may be slow must not hold 16 MiB for
  // that: beyond an eighth of `pin_bytes` only clients that are `prompt` pin,
  // beyond `pin_bytes` nobody does. What is sent then is a copy of the part
  // alone; for the next one the value is among the recent ones, or read again.
  absl::StatusOr<std::optional<grpc::ByteBuffer>> Next(bool prompt);

  // "org/name@revision".
  std::string object_name() const;
  uint64_t sent_bytes() const { return sent_bytes_; }

 private:
  // An object of the stream; once, however many segments name it.
  struct StreamObject {
    uint64_t object_id = 0;
    // The first segment that names it, in reader_->revision().
    const storage::v1::File* file = nullptr;
    const storage::v1::Segment* segment = nullptr;
  };
  // A blob of the current object that is to be sent.
  struct ListedBlob {
    BlobPosition position;
    storage::Family family;
    const storage::v1::Blob* blob = nullptr;  // in object_
  };
  enum class State { kRevision, kObject, kBlob, kEnded };

  absl::StatusOr<grpc::ByteBuffer> RevisionMessage();
  absl::StatusOr<grpc::ByteBuffer> ObjectMessage();
  absl::StatusOr<grpc::ByteBuffer> BlobPartMessage(bool prompt);
  // The current blob's value, checked.
  absl::StatusOr<storage::PinnedValue> ReadValue(const RecentValues::Key& key);
  // Something that holds bytes [offset_bytes_, + size_bytes) of the current
  // blob; it begins at `*begin_bytes` of the blob.
  absl::StatusOr<std::shared_ptr<const CountedValue>> HoldPart(
      bool prompt, uint64_t size_bytes, uint64_t* begin_bytes);
  grpc::ByteBuffer EndMessage();

  void CollectObjects(v1::RevisionManifest* manifest);
  // Lists the blobs of object_, in the order in which they are sent.
  void ListBlobs(v1::ObjectManifest* manifest);
  void AddBlob(uint32_t chunk_index, storage::Family family,
               const storage::v1::Blob& blob, v1::ChunkManifest* manifest);
  void BeginNextObject();
  void CountSent(storage::Family family, uint64_t bytes);
  std::string LabelOf(const StreamObject& object) const;

  const std::unique_ptr<storage::RevisionReader> reader_;
  const bool with_residual_;
  const HeldChunks held_;
  const size_t part_bytes_;
  const std::shared_ptr<PinnedBytesGauge> gauge_;
  const uint64_t pin_bytes_;
  RecentValues& recent_values_;

  State state_ = State::kRevision;
  std::vector<StreamObject> objects_;
  size_t object_index_ = 0;
  storage::v1::Object object_;     // objects_[object_index_]
  std::vector<ListedBlob> blobs_;  // of object_
  size_t blob_index_ = 0;          // in blobs_
  std::shared_ptr<const CountedValue>
      value_;                  // of blobs_[blob_index_], or null
  uint64_t offset_bytes_ = 0;  // in blobs_[blob_index_]
  v1::BytesByKind sent_;
  uint64_t sent_bytes_ = 0;
};

}  // namespace qstore::server
