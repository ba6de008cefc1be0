// A read is a plan: what is to be read, decoded and written where.
//
// PlanRead is pure, so that both ends of a download make the same plan out of
// the same manifest, and nobody has to tell the other what comes next.
// Download, verification and the scrub walk plans.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/layer_bytes.h"
#include "model/manifest.h"
#include "model/selection.h"

namespace qstore::model {

// A chunk, and how many of its layers, from the bottom.
struct PlannedChunk {
  uint32_t object_index = 0;
  uint32_t chunk_index = 0;
  uint32_t layer_count = 0;

  bool operator==(const PlannedChunk&) const = default;
};

// A run of a file that is wanted.
struct PlannedSegment {
  uint32_t segment_index = 0;
  std::optional<RowRange> rows;  // nothing: all

  bool operator==(const PlannedSegment&) const = default;
};

struct PlannedFile {
  uint32_t file_index = 0;
  // Everything of it; else `segments` are some of its tensors.
  bool whole = false;
  std::vector<PlannedSegment> segments;  // in the order of the file

  bool operator==(const PlannedFile&) const = default;
};

struct ReadPlan {
  // In the order of the manifest; without what is held. Each chunk once,
  // however many segments need it.
  std::vector<PlannedChunk> chunks;
  // What the selection wants besides and is held.
  std::vector<PlannedChunk> held_chunks;
  std::vector<PlannedFile> files;
  LayerBytes to_read;  // payload of `chunks`
  LayerBytes held;     // payload of `held_chunks`
};

// INVALID_ARGUMENT when a pattern matches nothing, or rows are asked of what
// has none or not so many; the message names pattern or tensor. The manifest is
// valid. Many patterns on many long names take a while: for each name
// `cancelled` is asked (empty: never), and CANCELLED when it says so.
absl::StatusOr<ReadPlan> PlanRead(const Manifest& manifest,
                                  const Selection& selection,
                                  const Representation& representation,
                                  const HeldChunks& held = {},
                                  const std::function<bool()>& cancelled = {});

// How many layers of a chunk a representation takes.
uint32_t LayerCountOf(const Chunk& chunk, const Representation& representation);

// One stored value.
struct ValueAddress {
  codec::LayerNumber layer = codec::kNoLayer;
  uint8_t subgroup = 0;
  uint16_t value_index = 0;  // in its blob
  uint64_t size_bytes = 0;
  uint64_t xxh3 = 0;

  bool operator==(const ValueAddress&) const = default;
};

// The values of the lowest `layer_count` layers, in the order in which they are
// stored, read and sent.
std::vector<ValueAddress> ValuesOf(const Chunk& chunk, uint32_t layer_count);

// Bytes of these values.
uint64_t StoredBytesOf(const Chunk& chunk, uint32_t layer_count);

}  // namespace qstore::model
