// One contestant at work on a model, on one thread or several.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "benchmarks/contestant.h"
#include "benchmarks/pair_chunks.h"

namespace qstore::codec {

class Workload {
 public:
  // `pairs` must outlive it.
  Workload(const PairChunks& pairs, const ContestantEntry& entry,
           size_t max_threads);

  // Each does all chunks, which the threads take one after another. The calling
  // thread is one of them.
  absl::Status Encode(size_t threads);
  absl::Status DecodeInt8(size_t threads);
  absl::Status DecodeOriginal(size_t threads);

  // Whether decoding gives back what was encoded.
  absl::Status Check();

  // Of the last Encode, keys included.
  uint64_t StoredBytes() const;
  uint64_t StoredInt8Bytes() const;

 private:
  // Working memory of a thread: what it decodes into.
  struct Worker {
    std::unique_ptr<Contestant> contestant;
    ByteVector int8_file;
    ByteVector weights;
  };
  using Task = std::function<absl::Status(size_t chunk, Worker* worker)>;
  absl::Status ForEachChunk(size_t threads, const Task& task);

  const PairChunks& pairs_;
  std::vector<Worker> workers_;
  std::vector<StoredChunk> stored_;
};

}  // namespace qstore::codec
