// Where the objects of a download go: in which files, at which offsets.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "client/download/manifest_check.h"
#include "client/export/export_format.h"
#include "client/export/shard_index.h"
#include "client/export/shard_layout.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::client {

// The tensors of the safetensors files; from GetRevision, which is asked first
// since INT8 files are laid out before their bytes arrive. Checks shapes and
// sizes. INTERNAL names the tensor.
absl::StatusOr<TensorsByFile> ReadTensorSummaries(
    const v1::GetRevisionResponse& revision);

// One thread at a time.
class DownloadLayout {
 public:
  struct Segment {
    uint64_t object_index = 0;
    TensorPlace place;
    // Under INT8, what GetRevision said of the tensor; null for headers and
    // files that hold none. Points into the layout.
    const ExportTensor* tensor = nullptr;
  };
  struct File {
    std::string path;
    // Known from the start, except of files that are exported: those are laid
    // out when their header arrives.
    uint64_t size_bytes = 0;
    bool exported = false;
    bool laid_out = false;
    std::vector<Segment> segments;
  };
  // One use of an object.
  struct Use {
    size_t file_index = 0;
    size_t segment_index = 0;
  };

  // `manifest` has passed CheckRevisionManifest. `format` and `tensors` are for
  // INT8; `format` null: files are written as they were uploaded.
  static absl::StatusOr<DownloadLayout> Create(v1::RevisionManifest manifest,
                                               const ExportFormat* format,
                                               TensorsByFile tensors);

  const v1::RevisionManifest& manifest() const { return manifest_; }
  const std::vector<File>& files() const { return files_; }
  std::vector<std::string> Paths() const;

  // All uses of an object, the first one first; when files are exported, those
  // by documents (held_documents.h) before all others.
  const std::vector<Use>& uses(uint64_t object_index) const {
    return uses_[object_index];
  }
  std::string Describe(const Use& use) const;
  uint64_t object_raw_bytes(uint64_t object_index) const;

  // Whether an object is the header of a file that is exported, so that its
  // bytes must go to LayOutExported and not into a file.
  bool IsExportedHeader(uint64_t object_index) const;

  // Lays out the exported file at `use` by its original header; returns what of
  // the new file depends on no weight.
  absl::StatusOr<std::vector<ShardLayout::Literal>> LayOutExported(
      const Use& use, ByteView header);

  // Checks that an object about to arrive is what the layout was made for and
  // that its place is known.
  absl::Status CheckPlaced(const ObjectPlan& object) const;

 private:
  absl::Status PlaceFile(size_t file_index);

  v1::RevisionManifest manifest_;
  const ExportFormat* format_ = nullptr;
  TensorsByFile tensors_;
  std::vector<File> files_;
  std::vector<std::vector<Use>> uses_;  // by object
};

}  // namespace qstore::client
