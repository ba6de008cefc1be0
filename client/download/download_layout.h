// Where the objects of a download go: in which files, at which offsets.
//
// Files that are read whole are written as they were uploaded or, those with
// quantized tensors under INT8, as the export format lays them out; these keep
// the metadata of their header, so that they are laid out when it arrives.
// Files of which only some tensors are read get a header of their own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "client/export/export_format.h"
#include "client/export/shard_index.h"
#include "client/export/shard_layout.h"
#include "model/manifest.h"
#include "model/read_plan.h"

namespace qstore::client {

// The tensors of all safetensors files as `format` sees them; null: as they
// were uploaded.
TensorsByFile TensorsOf(const model::Manifest& manifest,
                        const ExportFormat* format);

// One thread at a time.
class DownloadLayout {
 public:
  struct Segment {
    size_t object_index = 0;
    TensorPlace place;
    // In File::tensors; nothing for what is no tensor.
    std::optional<size_t> tensor_index;
    std::optional<model::RowRange> rows;  // nothing: all
  };
  struct File {
    std::string path;
    // Known once it is laid out.
    uint64_t size_bytes = 0;
    bool laid_out = false;
    // Laid out by a format, when its header arrives.
    bool exported = false;
    // Of the tensors that are written, rows considered.
    std::vector<ExportTensor> tensors;
    std::vector<Segment> segments;
    // What depends on no weight, of a file that is not exported: the header
    // of one of which only some tensors are read.
    std::vector<ShardLayout::Literal> literals;
  };
  // One use of an object.
  struct Use {
    size_t file_index = 0;
    size_t segment_index = 0;
  };

  // Manifest and plan outlive the layout. INVALID_ARGUMENT when different rows
  // of one object are wanted in several places.
  static absl::StatusOr<DownloadLayout> Create(const model::Manifest* manifest,
                                               const model::ReadPlan& plan,
                                               const ExportFormat* format);

  const std::vector<File>& files() const { return files_; }
  std::vector<std::string> Paths() const;

  // All uses of an object, the first one first.
  const std::vector<Use>& uses(size_t object_index) const {
    return uses_[object_index];
  }
  const Segment& segment(const Use& use) const {
    return files_[use.file_index].segments[use.segment_index];
  }
  std::string Describe(const Use& use) const;

  // Whether an object is the header of a file that is exported, so that its
  // bytes must go to LayOutExported and not into a file.
  bool IsExportedHeader(size_t object_index) const;

  // Lays out the exported file at `use` by its original header; returns what of
  // the new file depends on no weight. INTERNAL when header and manifest
  // contradict each other.
  absl::StatusOr<std::vector<ShardLayout::Literal>> LayOutExported(
      const Use& use, ByteView header);

 private:
  absl::Status PlaceFile(const model::PlannedFile& planned);
  absl::Status LayOut(const SafetensorsHeader& header, File* file,
                      std::vector<ShardLayout::Literal>* literals) const;
  absl::Status CheckSameRows() const;

  const model::Manifest* manifest_ = nullptr;
  const ExportFormat* format_ = nullptr;
  std::vector<File> files_;
  std::vector<std::vector<Use>> uses_;  // by object
};

}  // namespace qstore::client
