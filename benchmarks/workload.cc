#include "benchmarks/workload.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/status.h"

namespace qstore::codec {

Workload::Workload(const PairChunks& pairs, const ContestantEntry& entry,
                   size_t max_threads)
    : pairs_(pairs), workers_(max_threads), stored_(pairs.chunks.size()) {
  size_t most_int8 = 0;
  size_t most_weights = 0;
  for (const PairChunk& chunk : pairs.chunks) {
    most_int8 = std::max(most_int8, chunk.int8_file.size());
    most_weights = std::max(most_weights, chunk.weights.size());
  }
  for (Worker& worker : workers_) {
    worker.contestant = entry.make();
    worker.int8_file.resize(most_int8);
    worker.weights.resize(most_weights);
  }
}

absl::Status Workload::ForEachChunk(size_t threads, const Task& task) {
  std::atomic<size_t> next = 0;
  std::vector<absl::Status> statuses(threads);
  const auto work = [&](size_t thread) {
    while (statuses[thread].ok()) {
      const size_t chunk = next.fetch_add(1, std::memory_order_relaxed);
      if (chunk >= stored_.size()) {
        return;
      }
      statuses[thread] = task(chunk, &workers_[thread]);
    }
  };
  std::vector<std::thread> others;
  for (size_t thread = 1; thread < threads; ++thread) {
    others.emplace_back(work, thread);
  }
  work(0);
  for (std::thread& other : others) {
    other.join();
  }
  for (const absl::Status& status : statuses) {
    QSTORE_RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

absl::Status Workload::Encode(size_t threads) {
  return ForEachChunk(threads, [&](size_t chunk, Worker* worker) {
    return worker->contestant->Encode(pairs_.chunks[chunk], &stored_[chunk]);
  });
}

absl::Status Workload::DecodeInt8(size_t threads) {
  return ForEachChunk(threads, [&](size_t chunk, Worker* worker) {
    const PairChunk& pair = pairs_.chunks[chunk];
    return worker->contestant->DecodeInt8(
        pair, stored_[chunk],
        MutableByteView(worker->int8_file).first(pair.int8_file.size()));
  });
}

absl::Status Workload::DecodeOriginal(size_t threads) {
  return ForEachChunk(threads, [&](size_t chunk, Worker* worker) {
    const PairChunk& pair = pairs_.chunks[chunk];
    return worker->contestant->DecodeOriginal(
        pair, stored_[chunk],
        MutableByteView(worker->weights).first(pair.weights.size()));
  });
}

absl::Status Workload::Check() {
  Worker* worker = &workers_[0];
  for (size_t i = 0; i < stored_.size(); ++i) {
    const PairChunk& pair = pairs_.chunks[i];
    const MutableByteView int8_file =
        MutableByteView(worker->int8_file).first(pair.int8_file.size());
    const MutableByteView weights =
        MutableByteView(worker->weights).first(pair.weights.size());
    std::ranges::fill(int8_file, uint8_t{0});
    std::ranges::fill(weights, uint8_t{0});
    QSTORE_RETURN_IF_ERROR(
        worker->contestant->DecodeInt8(pair, stored_[i], int8_file));
    QSTORE_RETURN_IF_ERROR(
        worker->contestant->DecodeOriginal(pair, stored_[i], weights));
    if (!std::ranges::equal(int8_file, pair.int8_file) ||
        !std::ranges::equal(weights, pair.weights)) {
      return absl::DataLossError("a chunk does not come back");
    }
  }
  return absl::OkStatus();
}

uint64_t Workload::StoredBytes() const {
  uint64_t bytes = 0;
  for (const StoredChunk& chunk : stored_) {
    bytes += chunk.Bytes();
  }
  return bytes;
}

uint64_t Workload::StoredInt8Bytes() const {
  uint64_t bytes = 0;
  for (const StoredChunk& chunk : stored_) {
    bytes += chunk.Int8Bytes();
  }
  return bytes;
}

}  // namespace qstore::codec
