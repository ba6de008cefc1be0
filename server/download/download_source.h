// The messages of one download, in order, made one at a time.
//
//   manifest-page+ value* end
//
// What is sent follows from the plan of the read, which the client makes too.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/support/byte_buffer.h"
#include "model/read_plan.h"
#include "qstore/v1/model_store.pb.h"
#include "server/download/manifest_source.h"
#include "server/download/pinned_bytes.h"
#include "storage/model_store.h"
#include "wire/manifest_pages.h"
#include "wire/read_request.h"

namespace qstore::server {

// One thread at a time.
class DownloadSource {
 public:
  // `gauge` counts what messages pin. `cancelled`: whether the call is over;
  // asked while the read is planned.
  DownloadSource(std::unique_ptr<storage::RevisionReader> reader,
                 std::vector<std::string> tags, wire::ReadRequest request,
                 std::shared_ptr<PinnedBytesGauge> gauge,
                 std::function<bool()> cancelled);

  // The next message; none after the end message. Each refers to at most one
  // stored value, which it pins until it has been sent. Errors name file,
  // tensor and chunk.
  absl::StatusOr<std::optional<grpc::ByteBuffer>> Next();

  // "org/name@revision".
  std::string object_name() const { return reader_->revision().name(); }
  uint64_t sent_bytes() const { return sent_.total(); }

 private:
  enum class State { kManifest, kValues, kEnded };

  absl::StatusOr<grpc::ByteBuffer> PageMessage();
  absl::StatusOr<grpc::ByteBuffer> ValueMessageOf(
      const model::PlannedChunk& chunk, const model::ValueAddress& address);
  grpc::ByteBuffer EndMessage();

  const std::unique_ptr<storage::RevisionReader> reader_;
  const wire::ReadRequest request_;
  const std::shared_ptr<PinnedBytesGauge> gauge_;
  const std::function<bool()> cancelled_;
  ManifestSource manifest_;
  wire::ManifestPages pages_;
  State state_ = State::kManifest;
  // Once the manifest has been sent.
  model::ReadPlan plan_;
  size_t chunk_position_ = 0;                // in plan_.chunks
  std::vector<model::ValueAddress> values_;  // of the chunk there
  size_t value_position_ = 0;                // in values_
  model::LayerBytes sent_;
};

}  // namespace qstore::server
