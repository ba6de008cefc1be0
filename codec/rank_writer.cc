#include "codec/rank_writer.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "codec/residual_format.h"

namespace qstore::codec {
namespace {

// What may stay allocated between chunks. The streams of one chunk of FP32 have
// at most 12 MiB, but those of many chunks together may differ.
constexpr size_t kKeptBytes = 24u << 20;

// Makes `vector` hold `used` + a block's worth, keeping the first `used`.
template <typename T>
void Grow(size_t used, size_t block, std::vector<T>* vector) {
  if (vector->size() < used + block) {
    vector->resize(used + std::max(used / 2, size_t{4} * block));
  }
}

}  // namespace

void RankWriter::ReleaseIfLarge() {
  size_t bytes = extra_.buffer.size() + code_zeros_.size() +
                 exceptions_.size() * sizeof(Exception);
  for (const auto& plane : ranks_) {
    for (const Stream& stream : plane) {
      bytes += stream.buffer.size();
    }
  }
  if (bytes <= kKeptBytes) {
    return;
  }
  for (auto& plane : ranks_) {
    for (Stream& stream : plane) {
      stream.buffer = {};
    }
  }
  extra_.buffer = {};
  code_zeros_ = {};
  exceptions_ = {};
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
    Grow(stream.used_bytes, packed_bytes + kVectorSlackBytes, &stream.buffer);
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
  Grow(extra_.used_bytes, kBlockExtraBytes, &extra_.buffer);
  Grow(code_zero_bytes_, kBlockWeights * weight_bytes_ + kVectorSlackBytes,
       &code_zeros_);
  Grow(exception_count_, kBlockWeights, &exceptions_);
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

uint64_t RankWriter::TotalBytes() const {
  uint64_t bytes = extra_.used_bytes;
  for (const auto& plane : ranks_) {
    for (const Stream& stream : plane) {
      bytes += stream.used_bytes;
    }
  }
  return bytes;
}

void RankWriter::AppendBlobs(std::vector<ResidualBlob>* blobs) const {
  for (uint32_t width = 1; width <= kMaxWidth; ++width) {
    if (rank_counts_[width] == 0) {
      continue;
    }
    ResidualBlob& blob = blobs->emplace_back();
    blob.subgroup = static_cast<uint8_t>(kFirstRankSubgroup + width - 1);
    if (width > 8) {
      blob.bytes.resize(sizeof(uint32_t));
      StoreLittleEndian(rank_counts_[width], blob.bytes.data());
    }
    for (uint32_t plane = 0; plane < PlaneCount(width); ++plane) {
      const ByteView bytes = ranks_[plane][width].bytes();
      blob.bytes.insert(blob.bytes.end(), bytes.begin(), bytes.end());
    }
  }
  if (extra_.used_bytes > 0) {
    ResidualBlob& blob = blobs->emplace_back();
    blob.subgroup = kExtraBitsSubgroup;
    blob.bytes.assign(extra_.bytes().begin(), extra_.bytes().end());
  }
}

}  // namespace qstore::codec
