// Puts the values of a download together into whole stored chunks, and refuses
// every value that is not the one that the plan has next.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/byte_budget.h"
#include "base/bytes.h"
#include "client/download/download_stream.h"
#include "model/manifest.h"
#include "model/read_plan.h"

namespace qstore::client {

// The stored bytes of one chunk: the values of its layers one after another.
struct StoredChunk {
  model::PlannedChunk planned;
  std::unique_ptr<uint8_t[]> bytes;
  uint64_t size_bytes = 0;
  ByteBudget::Lease lease;
};

// One thread at a time.
class ChunkAssembler {
 public:
  // `budget` bounds the chunks handed out, each with its stored and its decoded
  // size; it must outlive them. Manifest and plan outlive this.
  ChunkAssembler(const model::Manifest* manifest, const model::ReadPlan* plan,
                 ByteBudget* budget)
      : manifest_(*manifest), plan_(*plan), budget_(budget) {}

  // Adds what must come next; the chunk when this completes it. May wait for
  // the budget.
  absl::StatusOr<std::optional<StoredChunk>> Add(const ValueView& value);

  // DATA_LOSS says what has not come.
  absl::Status CheckComplete() const;

  // Payload added, by layer.
  const model::LayerBytes& received() const { return received_; }

 private:
  bool complete() const { return chunk_position_ == plan_.chunks.size(); }
  const model::Object& object() const {
    return manifest_.objects[plan_.chunks[chunk_position_].object_index];
  }
  const model::Chunk& chunk() const {
    return object().chunks[plan_.chunks[chunk_position_].chunk_index];
  }
  absl::Status CheckNext(const ValueView& value) const;
  void OpenChunk();

  const model::Manifest& manifest_;
  const model::ReadPlan& plan_;
  ByteBudget* const budget_;
  size_t chunk_position_ = 0;                // in plan_.chunks
  std::vector<model::ValueAddress> values_;  // of the chunk, once it is open
  size_t value_position_ = 0;                // in values_
  uint64_t offset_bytes_ = 0;                // in chunk_.bytes
  StoredChunk chunk_;
  model::LayerBytes received_;
};

// "file x: tensor y: chunk 3".
std::string DescribeChunk(const model::Manifest& manifest,
                          const model::PlannedChunk& chunk);

}  // namespace qstore::client
