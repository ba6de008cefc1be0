// Puts the pages of a manifest together.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/manifest.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::wire {

// Takes hostile pages. One thread at a time.
class ManifestAssembler {
 public:
  // All pages together may take this much.
  static constexpr uint64_t kMaxManifestBytes = uint64_t{1} << 30;

  // INVALID_ARGUMENT says which page cannot be.
  absl::Status Add(const v1::ManifestPage& page);
  bool complete() const { return complete_; }

  // Validated (model::ValidateManifest). Call once, when complete.
  absl::StatusOr<model::Manifest> Take();

 private:
  absl::Status AddHead(const v1::ManifestHead& head);
  absl::Status AddFile(const v1::FileManifest& file);
  absl::Status AddObject(const v1::ObjectManifest& object);

  model::Manifest manifest_;
  uint64_t page_count_ = 0;
  uint64_t received_bytes_ = 0;
  uint64_t file_count_ = 0;    // that the head announces
  uint64_t object_count_ = 0;  // likewise
  bool complete_ = false;
};

}  // namespace qstore::wire
