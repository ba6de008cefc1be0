// Checks what a server says about a download before anything is done with it.
// Everything here takes hostile messages; an error names the file, tensor or
// chunk and the numbers that disagree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "codec/chunk.h"
#include "model/dtype.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::client {

// Bounds on one chunk, with room over what the codec makes today (16 MiB of
// FP32 weights).
inline constexpr uint64_t kMaxChunkRawBytes = 64u << 20;
inline constexpr uint64_t kMaxChunkStoredBytes = 160u << 20;
inline constexpr int kMaxChunkBlobs = 1024;

// INTERNAL: what the server sent cannot be true.
absl::Status Contradiction(const std::string& text);

// Where an object is used first, for messages: "tensor "w" of file "m"".
std::string DescribeSegment(const v1::FileManifest& file,
                            const v1::SegmentManifest& segment);

// FAILED_PRECONDITION: a part of the path is a name that qstore-client keeps
// for itself (model/reserved_names.h). Revisions of earlier versions may have
// such.
absl::Status CheckNotReserved(const std::string& path);

// Paths are valid, not reserved, different and do not run through one another;
// segments sum up to their file; objects are numbered by their first use and
// have one size.
absl::Status CheckRevisionManifest(const v1::RevisionManifest& manifest);

// An object manifest whose numbers are safe to compute with.
struct ObjectPlan {
  v1::ObjectManifest manifest;
  std::string description;
  // Of tensors; opaque objects have none.
  std::optional<Dtype> dtype;
  // Of quantized objects: shape of a chunk apart from its rows.
  codec::ChunkShape chunk_shape;
  uint64_t total_rows = 0;

  bool quantized() const {
    return manifest.kind() == v1::OBJECT_KIND_QUANTIZED;
  }
  bool opaque() const { return manifest.kind() == v1::OBJECT_KIND_OPAQUE; }
  codec::ChunkShape ShapeOf(const v1::ChunkManifest& chunk) const {
    codec::ChunkShape shape = chunk_shape;
    shape.rows = chunk.rows();
    return shape;
  }
  std::string DescribeChunk(int chunk_index) const;
};

// `raw_bytes`: what the revision manifest says of it.
absl::StatusOr<ObjectPlan> CheckObjectManifest(v1::ObjectManifest manifest,
                                               std::string description,
                                               uint64_t expected_index,
                                               uint64_t raw_bytes,
                                               v1::Precision precision);

}  // namespace qstore::client
