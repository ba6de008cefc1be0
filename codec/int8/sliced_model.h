// What the sliced coder's encoder chooses for a chunk: classes and tables.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "codec/chunk.h"
#include "codec/int8/sliced_classes.h"
#include "codec/int8/sliced_format.h"
#include "codec/kernels/sliced_kernels.h"

namespace qstore::codec {

// Reuses its memory. Not thread-safe. Deterministic.
class SlicedModel {
 public:
  void Choose(const ChunkShape& shape, std::span<const int8_t> codes);

  const SlicedTables& tables() const { return tables_; }
  const SlicedClasses& classes() const { return classes_; }

 private:
  // How often each magnitude was seen in weights of each table.
  using Counts =
      std::array<std::array<uint64_t, kSlicedMagnitudes>, kSlicedTables>;

  void FindLargest(std::span<const int8_t> codes);
  // Also finds the largest.
  void SumRowsAndColumns(const ChunkShape& shape,
                         std::span<const int8_t> codes);
  void ChooseClasses(const ChunkShape& shape);
  void CountMagnitudes(const ChunkShape& shape, std::span<const int8_t> codes);
  void SmoothCounts();
  void ChooseTables();

  uint32_t magnitudes_ = 0;  // all are below this
  std::vector<uint32_t> row_sums_;
  std::vector<uint32_t> column_sums_;
  std::vector<uint16_t> partial_sums_;
  Counts counts_;
  SlicedClasses classes_;
  SlicedTables tables_;
  uint32_t table_count_ = 1;
};

}  // namespace qstore::codec
