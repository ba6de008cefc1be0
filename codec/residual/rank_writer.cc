#include "codec/residual/rank_writer.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "codec/residual/residual_format.h"

namespace qstore::codec {
namespace {

// What may stay allocated between chunks. The streams of one chunk of FP32 have
// at most 12 MiB, but those of many chunks together may differ.
constexpr size_t kKeptStreamBytes = 24u << 20;
// A caller who finds more than half of a chunk gives up.
constexpr size_t kMostExceptions = kChunkWeights / 2 + 2 * kBlockWeights;

// Makes `vector` hold `used` + a block's worth, keeping the first `used`. It
// never needs more than `most`.
template <typename T>
void Grow(size_t used, size_t block, size_t most, std::vector<T>* vector) {
  if (vector->size() < used + block) {
    vector->resize(
        std::min(used + std::max(used / 4, size_t{4} * block), most));
  }
}

// The same for what nearly always stays small. Growing takes old and new room
// at the same time, so once it is large it grows to all that it may need.
template <typename T>
void GrowSmall(size_t used, size_t block, size_t most, std::vector<T>* vector) {
  Grow(used < most / 8 ? used : most - block, block, most, vector);
}

}  // namespace

bool RankWriter::IsLarge() const {
  size_t bytes = extra_.buffer.size() + code_zeros_.size() +
                 exceptions_.size() * sizeof(Exception);
  for (const auto& plane : ranks_) {
    for (const Stream& stream : plane) {
      bytes += stream.buffer.size();
    }
  }
  return bytes > kKeptStreamBytes;
}

void RankWriter::ReleaseIfLarge() {
  if (!IsLarge()) {
    return;
  }
  for (auto& plane : ranks_) {
    for (Stream& stream : plane) {
      stream = {};
    }
  }
  extra_ = {};
  // `= {}` would keep their memory.
  code_zeros_ = ByteVector();
  exceptions_ = std::vector<Exception>();
}

void RankWriter::Start(FloatFormat format, const Kernels& kernels) {
  ReleaseIfLarge();
  kernels_ = &kernels;
  weight_bytes_ = FloatBytes(format);
  cursor_ = EncodeCursor();
  for (uint32_t width = 0; width <= kMaxWidth; ++width) {
    cursor_.ranks[width] = stages_[width].planes[0];
    rank_counts_[width] = 0;
    for (auto& plane : ranks_) {
      plane[width].used_bytes = 0;
    }
  }
  extra_.used_bytes = 0;
  code_zero_bytes_ = 0;
  exception_count_ = 0;
}

void RankWriter::UpdateCounts() {
  if (cursor_.next_code_zero != nullptr) {
    code_zero_bytes_ =
        static_cast<size_t>(cursor_.next_code_zero - code_zeros_.data());
    exception_count_ =
        static_cast<size_t>(cursor_.next_exception - exceptions_.data());
    extra_.used_bytes =
        static_cast<size_t>(cursor_.extra.next - extra_.buffer.data());
  }
}

void RankWriter::Pack(uint32_t width, size_t groups) {
  for (uint32_t plane = 0; plane < PlaneCount(width); ++plane) {
    Stream& stream = ranks_[plane][width];
    const uint32_t bits = PlaneBits(width, plane);
    const size_t packed_bytes = groups * (kPackedGroup / 8) * bits;
    Grow(stream.used_bytes, packed_bytes + kVectorSlackBytes,
         kChunkWeights / 8 * bits + kVectorSlackBytes, &stream.buffer);
    kernels_->pack_values(stages_[width].planes[plane], groups, bits,
                          stream.buffer.data() + stream.used_bytes);
    stream.used_bytes += packed_bytes;
  }
}

void RankWriter::PackWholeGroups(uint32_t width) {
  const size_t staged = StagedCount(width);
  const size_t groups = staged / kPackedGroup;
  Pack(width, groups);
  const size_t packed = groups * kPackedGroup;
  for (uint32_t plane = 0; plane < PlaneCount(width); ++plane) {
    uint8_t* values = stages_[width].planes[plane];
    std::memcpy(values, values + packed, staged - packed);
  }
  rank_counts_[width] += static_cast<uint32_t>(packed);
  cursor_.ranks[width] -= packed;
}

void RankWriter::FinishRanks(uint32_t width) {
  const size_t staged = StagedCount(width);
  const size_t groups = (staged + kPackedGroup - 1) / kPackedGroup;
  for (uint32_t plane = 0; plane < PlaneCount(width); ++plane) {
    std::memset(stages_[width].planes[plane] + staged, 0,
                groups * kPackedGroup - staged);
  }
  if (groups > 0) {
    Pack(width, groups);
  }
  rank_counts_[width] += static_cast<uint32_t>(staged);
  for (uint32_t plane = 0; plane < PlaneCount(width); ++plane) {
    ranks_[plane][width].used_bytes =
        PlaneBytes(width, plane, rank_counts_[width]);
  }
}

EncodeCursor* RankWriter::PrepareBlock(uint32_t widths,
                                       uint32_t block_position) {
  for (uint32_t left = widths & ~1u; left != 0; left &= left - 1) {
    const auto width = static_cast<uint32_t>(std::countr_zero(left));
    if (StagedCount(width) > kStagedValues - kBlockWeights) {
      PackWholeGroups(width);
    }
  }
  UpdateCounts();
  Grow(extra_.used_bytes, kBlockExtraBytes,
       kChunkWeights / 8 + kBlockExtraBytes, &extra_.buffer);
  GrowSmall(code_zero_bytes_, kBlockWeights * weight_bytes_ + kVectorSlackBytes,
            (kChunkWeights + kBlockWeights) * weight_bytes_ + kVectorSlackBytes,
            &code_zeros_);
  GrowSmall(exception_count_, kBlockWeights, kMostExceptions, &exceptions_);
  cursor_.extra.next = extra_.buffer.data() + extra_.used_bytes;
  cursor_.next_code_zero = code_zeros_.data() + code_zero_bytes_;
  cursor_.next_exception = exceptions_.data() + exception_count_;
  cursor_.block_position = block_position;
  return &cursor_;
}

void RankWriter::Finish() {
  UpdateCounts();
  // The last, unfinished byte is in the buffer already: Put stores it.
  extra_.used_bytes += cursor_.extra.pending_bits > 0 ? 1 : 0;
  for (uint32_t width = 1; width <= kMaxWidth; ++width) {
    FinishRanks(width);
  }
}

void RankWriter::AppendBlobs(ResidualBuilder* blobs) {
  const bool is_large = IsLarge();
  for (uint32_t width = 1; width <= kMaxWidth; ++width) {
    if (rank_counts_[width] == 0) {
      continue;
    }
    ByteVector* blob =
        blobs->Append(static_cast<uint8_t>(kFirstRankSubgroup + width - 1));
    if (width > 8) {
      uint64_t blob_bytes = sizeof(uint32_t);
      for (uint32_t plane = 0; plane < PlaneCount(width); ++plane) {
        blob_bytes += ranks_[plane][width].used_bytes;
      }
      blob->reserve(blob_bytes);
      blob->resize(sizeof(uint32_t));
      StoreLittleEndian(rank_counts_[width], blob->data());
    }
    for (uint32_t plane = 0; plane < PlaneCount(width); ++plane) {
      Stream& stream = ranks_[plane][width];
      blob->insert(blob->end(), stream.bytes().begin(), stream.bytes().end());
      if (is_large) {
        stream = {};
      }
    }
  }
  if (extra_.used_bytes > 0) {
    blobs->Append(kExtraBitsSubgroup)
        ->assign(extra_.bytes().begin(), extra_.bytes().end());
  }
}

}  // namespace qstore::codec
