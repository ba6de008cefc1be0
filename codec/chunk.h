// What a chunk is: the unit of encoding, storage and parallelism.
//
// A quantized tensor of shape [rows, columns] is cut into runs of whole rows of
// about 4 Mi weights; a plain object into runs of 8 MiB.
#pragma once

#include <algorithm>
#include <cstdint>

namespace qstore::codec {

inline constexpr uint64_t kChunkWeights = 4u << 20;
inline constexpr uint64_t kPlainChunkBytes = 8u << 20;
// A longer row is not quantized: it would not fit one chunk's working memory.
inline constexpr uint64_t kMaxColumns = 1u << 20;

// Floating-point format of the weights. DO NOT CHANGE THESE VALUES: they are
// stored in chunk headers.
enum class FloatFormat : uint8_t { kF32 = 1, kF16 = 2, kBF16 = 3 };

constexpr uint32_t FloatBytes(FloatFormat format) {
  return format == FloatFormat::kF32 ? 4 : 2;
}

// Which weights share a scale. DO NOT CHANGE THESE VALUES.
enum class ScaleStrategy : uint8_t { kTensor = 1, kChannel = 2, kGroup = 3 };

struct ChunkShape {
  FloatFormat format = FloatFormat::kBF16;
  uint32_t rows = 0;
  uint32_t columns = 0;
  ScaleStrategy strategy = ScaleStrategy::kChannel;
  uint32_t group_size = 0;  // columns per scale under kGroup, else 0

  constexpr uint64_t weight_count() const { return uint64_t{rows} * columns; }
  constexpr uint64_t weight_bytes() const {
    return weight_count() * FloatBytes(format);
  }
  // kTensor repeats its one scale in every chunk.
  constexpr uint64_t scale_count() const {
    switch (strategy) {
      case ScaleStrategy::kTensor:
        return 1;
      case ScaleStrategy::kChannel:
        return rows;
      case ScaleStrategy::kGroup:
        return uint64_t{rows} * ((columns + group_size - 1) / group_size);
    }
    return 0;
  }

  bool operator==(const ChunkShape&) const = default;
};

// Rows of a full chunk; the last chunk of a tensor may have fewer.
constexpr uint32_t RowsPerChunk(uint64_t columns) {
  return static_cast<uint32_t>(
      std::max<uint64_t>(1, kChunkWeights / std::max<uint64_t>(1, columns)));
}

}  // namespace qstore::codec
