// Downloads of one model, again and again, whose bytes are thrown away.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace qstore {

struct DownloadBench {
  std::string server;
  std::string reference;
  std::string precision = "original";  // original or int8
  // Each over a connection of its own.
  uint32_t streams = 1;
  uint32_t rounds = 1;  // of each stream, one after the other
  // Decode and verify everything, as whoever loads a model does; else messages
  // are received and dropped, which leaves the cores to the server.
  bool decode = false;
};

struct BenchResult {
  uint64_t bytes = 0;  // received
  double seconds = 0;
  double cpu_seconds = 0;  // of this process
};

absl::StatusOr<BenchResult> RunDownloads(const DownloadBench& bench);

}  // namespace qstore
