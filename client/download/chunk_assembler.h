// Puts the parts of a download together into whole stored chunks, and refuses
// every part that is not the one that must come next.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/byte_budget.h"
#include "base/bytes.h"
#include "client/download/download_stream.h"
#include "client/download/manifest_check.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore::client {

// The stored bytes of one chunk: its blobs one after another.
struct StoredChunk {
  std::shared_ptr<const ObjectPlan> object;
  int chunk_index = 0;
  std::unique_ptr<uint8_t[]> bytes;
  ByteBudget::Lease lease;

  const v1::ChunkManifest& manifest() const {
    return object->manifest.chunks(chunk_index);
  }
};

// One thread at a time.
class ChunkAssembler {
 public:
  // `budget` bounds the chunks handed out, each with its stored and its decoded
  // size; it must outlive them.
  explicit ChunkAssembler(ByteBudget* budget) : budget_(budget) {}

  // Begins the next object; the one before must be complete. No part of the
  // chunks `held` will come.
  absl::Status Begin(std::shared_ptr<const ObjectPlan> object,
                     std::set<int> held);

  // Whether nothing is missing of what was begun.
  absl::Status CheckComplete() const;

  // Adds what must come next; the chunk when this completes it. May wait for
  // the budget.
  absl::StatusOr<std::optional<StoredChunk>> Add(const BlobPartView& part);

  // Payload bytes added, by kind.
  const v1::BytesByKind& received() const { return received_; }

 private:
  bool complete() const {
    return object_ == nullptr ||
           chunk_index_ == object_->manifest.chunks_size();
  }
  void PassHeldChunks();
  absl::Status CheckNext(const BlobPartView& part, uint64_t part_bytes) const;
  void OpenChunk();
  void Count(v1::BlobKind kind, uint64_t part_bytes);

  ByteBudget* const budget_;
  std::shared_ptr<const ObjectPlan> object_;
  std::set<int> held_;  // of object_
  int chunk_index_ = 0;
  int blob_index_ = 0;
  uint64_t blob_offset_bytes_ = 0;
  uint64_t chunk_offset_bytes_ = 0;
  StoredChunk chunk_;
  v1::BytesByKind received_;
};

}  // namespace qstore::client
