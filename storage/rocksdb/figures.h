// What RocksDB itself says of reads, to check our own counts by.
#pragma once

#include <array>
#include <cstdint>

#include "storage/engine.h"

namespace qstore::storage {

// Since the database was opened.
struct RocksDbFigures {
  // Keys read, found or not (ticker NUMBER_KEYS_READ).
  uint64_t keys_read = 0;
  // Reads of table files (histogram of reads by column family).
  std::array<uint64_t, kFamilyBound> file_reads = {};
};

// Of an engine that OpenRocksDbEngine opened, with nothing around its blob
// store; zero for any other.
RocksDbFigures ReadRocksDbFigures(const Engine& engine);

}  // namespace qstore::storage
