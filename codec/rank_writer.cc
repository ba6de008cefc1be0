#include "codec/rank_writer.h"

#include <algorithm>
#include <bit>

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

void RankWriter::Stream::MakeRoom(BitSink* sink) {
  const size_t used = sink->next == nullptr
                          ? 0
                          : static_cast<size_t>(sink->next - buffer.data());
  if (sink->next == nullptr || buffer.size() - used < kBlockStreamBytes) {
    Grow(used, kBlockStreamBytes, &buffer);
    sink->next = buffer.data() + used;
  }
}

void RankWriter::Stream::Finish(const BitSink& sink) {
  // The last, unfinished byte is in the buffer already: Put stores it.
  used_bytes = sink.next == nullptr
                   ? 0
                   : static_cast<size_t>(sink.next - buffer.data()) +
                         (sink.pending_bits > 0 ? 1 : 0);
}

void RankWriter::ReleaseIfLarge() {
  size_t bytes = extra_.buffer.size() + code_zeros_.size() * sizeof(uint32_t) +
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

void RankWriter::Start() {
  ReleaseIfLarge();
  cursor_ = EncodeCursor();
  code_zero_count_ = 0;
  exception_count_ = 0;
}

void RankWriter::UpdateCounts() {
  if (cursor_.next_code_zero != nullptr) {
    code_zero_count_ =
        static_cast<size_t>(cursor_.next_code_zero - code_zeros_.data());
    exception_count_ =
        static_cast<size_t>(cursor_.next_exception - exceptions_.data());
  }
}

EncodeCursor* RankWriter::PrepareBlock(uint32_t widths,
                                       uint32_t block_position) {
  for (uint32_t left = widths & ~1u; left != 0; left &= left - 1) {
    const auto width = static_cast<uint32_t>(std::countr_zero(left));
    for (uint32_t plane = 0; plane < PlaneCount(width); ++plane) {
      ranks_[plane][width].MakeRoom(&cursor_.ranks[plane][width]);
    }
  }
  extra_.MakeRoom(&cursor_.extra);
  UpdateCounts();
  Grow(code_zero_count_, kBlockWeights, &code_zeros_);
  Grow(exception_count_, kBlockWeights, &exceptions_);
  cursor_.next_code_zero = code_zeros_.data() + code_zero_count_;
  cursor_.next_exception = exceptions_.data() + exception_count_;
  cursor_.block_position = block_position;
  return &cursor_;
}

void RankWriter::Finish() {
  UpdateCounts();
  for (uint32_t plane = 0; plane < kMaxPlanes; ++plane) {
    for (uint32_t width = 1; width <= kMaxWidth; ++width) {
      ranks_[plane][width].Finish(cursor_.ranks[plane][width]);
    }
  }
  extra_.Finish(cursor_.extra);
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
    const uint64_t count_bytes = ranks_[0][width].used_bytes;
    if (count_bytes == 0) {
      continue;
    }
    ResidualBlob& blob = blobs->emplace_back();
    blob.subgroup = static_cast<uint8_t>(kFirstRankSubgroup + width - 1);
    if (width > 8) {
      // Plane 0 has whole bytes, one for each rank.
      blob.bytes.resize(sizeof(uint32_t));
      StoreLittleEndian(static_cast<uint32_t>(count_bytes), blob.bytes.data());
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
