#include "codec/residual/rank_reader.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "codec/residual/residual_format.h"

namespace qstore::codec {

void RankReader::ExtraBits::Start(ByteView stream, uint64_t bits,
                                  BitSource* source) {
  bytes = stream;
  end_bits = bits;
  skipped_bits = 0;
  in_tail = false;
  *source = {stream.data(), 0};
}

void RankReader::ExtraBits::MoveToTail(BitSource* source) {
  if (in_tail ||
      (source->position_bits >> 3) + kBlockExtraBytes <= bytes.size()) {
    return;
  }
  // At most kBlockExtraBytes - 1 bytes are left, so a block that starts
  // anywhere in them ends inside the tail.
  const auto first = static_cast<size_t>(source->position_bits >> 3);
  const size_t left = bytes.size() - first;
  std::copy_n(bytes.data() + first, left, tail.data());
  std::fill(tail.begin() + static_cast<ptrdiff_t>(left), tail.end(), 0);
  skipped_bits = uint64_t{first} * 8;
  *source = {tail.data(), source->position_bits & 7};
  in_tail = true;
}

void RankReader::Start(const Kernels& kernels) {
  kernels_ = &kernels;
  cursor_ = DecodeCursor();
  for (uint32_t width = 0; width <= kMaxWidth; ++width) {
    cursor_.ranks[width] = stages_[width].planes[0];
    ranks_[width] = Ranks();
    ranks_[width].end = cursor_.ranks[width];
  }
  extra_.Start({}, 0, &cursor_.extra);
}

absl::Status RankReader::AddRanks(uint32_t width, ByteView blob) {
  Ranks& ranks = ranks_[width];
  ranks.blob_bytes = blob.size();
  if (width <= 8) {
    // The count is not stored: CheckEnd compares whole bytes.
    ranks.packed[0] = blob;
    return absl::OkStatus();
  }
  if (blob.size() < sizeof(uint32_t)) {
    return absl::DataLossError(
        absl::StrCat("subgroup ", width, " has no count"));
  }
  const auto count = LoadLittleEndian<uint32_t>(blob.data());
  ByteView rest = blob.subspan(sizeof(count));
  uint64_t expected_bytes = 0;
  for (uint32_t plane = 0; plane < PlaneCount(width); ++plane) {
    expected_bytes += PlaneBytes(width, plane, count);
  }
  if (rest.size() != expected_bytes) {
    return absl::DataLossError(absl::StrCat(
        "subgroup ", width, " has ", rest.size(), " bytes, but its ", count,
        " ranks take ", expected_bytes));
  }
  ranks.count = count;
  for (uint32_t plane = 0; plane < PlaneCount(width); ++plane) {
    const auto plane_bytes =
        static_cast<size_t>(PlaneBytes(width, plane, count));
    ranks.packed[plane] = rest.first(plane_bytes);
    rest = rest.subspan(plane_bytes);
  }
  return absl::OkStatus();
}

absl::Status RankReader::AddExtraBits(uint32_t bit_count, ByteView blob) {
  const uint64_t expected_bytes = (uint64_t{bit_count} + 7) / 8;
  if (blob.size() != expected_bytes) {
    return absl::DataLossError(absl::StrCat("the extra bits have ", blob.size(),
                                            " bytes, but ", bit_count,
                                            " bits take ", expected_bytes));
  }
  extra_.Start(blob, bit_count, &cursor_.extra);
  return absl::OkStatus();
}

void RankReader::Unpack(uint32_t bits, size_t groups, ByteView* packed,
                        uint8_t* values) const {
  const size_t group_bytes = kPackedGroup / 8 * bits;
  const size_t wanted_bytes = groups * group_bytes;
  if (packed->size() >= wanted_bytes + kVectorSlackBytes) {
    kernels_->unpack_values(packed->data(), groups, bits, values);
    *packed = packed->subspan(wanted_bytes);
    return;
  }
  uint8_t tail[kStagedValues + kVectorSlackBytes];
  const size_t tail_bytes = std::min(packed->size(), wanted_bytes);
  const size_t tail_groups = (tail_bytes + group_bytes - 1) / group_bytes;
  if (tail_groups > 0) {
    std::memcpy(tail, packed->data(), tail_bytes);
    std::memset(tail + tail_bytes, 0,
                tail_groups * group_bytes + kVectorSlackBytes - tail_bytes);
    kernels_->unpack_values(tail, tail_groups, bits, values);
  }
  std::memset(values + tail_groups * kPackedGroup, 0,
              (groups - tail_groups) * kPackedGroup);
  *packed = packed->subspan(tail_bytes);
}

void RankReader::Stage(uint32_t width) {
  Ranks& ranks = ranks_[width];
  RankStage& stage = stages_[width];
  const auto used = static_cast<size_t>(cursor_.ranks[width] - stage.planes[0]);
  const auto left = static_cast<size_t>(ranks.end - cursor_.ranks[width]);
  const size_t groups = (kStagedValues - left) / kPackedGroup;
  for (uint32_t plane = 0; plane < PlaneCount(width); ++plane) {
    uint8_t* values = stage.planes[plane];
    std::memmove(values, values + used, left);
    Unpack(PlaneBits(width, plane), groups, &ranks.packed[plane],
           values + left);
  }
  ranks.staged_count += groups * kPackedGroup;
  ranks.end = stage.planes[0] + left + groups * kPackedGroup;
  cursor_.ranks[width] = stage.planes[0];
}

DecodeCursor* RankReader::PrepareBlock(uint32_t widths) {
  for (uint32_t left = widths & ~1u; left != 0; left &= left - 1) {
    const auto width = static_cast<uint32_t>(std::countr_zero(left));
    if (ranks_[width].end - cursor_.ranks[width] <
        static_cast<ptrdiff_t>(kBlockWeights)) {
      Stage(width);
    }
  }
  extra_.MoveToTail(&cursor_.extra);
  return &cursor_;
}

absl::Status RankReader::CheckBlock() const {
  if (UsedExtraBits() > extra_.end_bits) {
    return absl::DataLossError(
        absl::StrCat("the codes need more extra bits than the residual's ",
                     extra_.end_bits));
  }
  return absl::OkStatus();
}

absl::Status RankReader::CheckEnd() const {
  for (uint32_t width = 1; width <= kMaxWidth; ++width) {
    const Ranks& ranks = ranks_[width];
    const uint64_t used = UsedCount(width);
    // Up to 8 the blob does not say how many bits of its last byte count.
    if (width <= 8 ? PlaneBytes(width, 0, used) != ranks.blob_bytes
                   : used != ranks.count) {
      return absl::DataLossError(absl::StrCat(
          "the codes need ", used, " ranks of width ", width, ", but subgroup ",
          width, " has ", ranks.blob_bytes, " bytes"));
    }
  }
  if (UsedExtraBits() != extra_.end_bits) {
    return absl::DataLossError(
        absl::StrCat("the residual has ", extra_.end_bits,
                     " extra bits, but the codes need ", UsedExtraBits()));
  }
  return absl::OkStatus();
}

}  // namespace qstore::codec
