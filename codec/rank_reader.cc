#include "codec/rank_reader.h"

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "codec/residual_format.h"

namespace qstore::codec {

void RankReader::Stream::Start(ByteView stream, uint64_t bits,
                               BitSource* source) {
  bytes = stream;
  end_bits = bits;
  skipped_bits = 0;
  in_tail = false;
  *source = {stream.data(), 0};
}

void RankReader::Stream::MoveToTail(BitSource* source) {
  if (in_tail ||
      (source->position_bits >> 3) + kBlockStreamBytes <= bytes.size()) {
    return;
  }
  // At most kBlockStreamBytes - 1 bytes are left, so a block that starts
  // anywhere in them ends inside the tail.
  const auto first = static_cast<size_t>(source->position_bits >> 3);
  const size_t left = bytes.size() - first;
  std::copy_n(bytes.data() + first, left, tail.data());
  std::fill(tail.begin() + static_cast<ptrdiff_t>(left), tail.end(), 0);
  skipped_bits = uint64_t{first} * 8;
  *source = {tail.data(), source->position_bits & 7};
  in_tail = true;
}

void RankReader::Start() {
  for (uint32_t plane = 0; plane < kMaxPlanes; ++plane) {
    for (uint32_t width = 0; width <= kMaxWidth; ++width) {
      ranks_[plane][width].Start({}, 0, &cursor_.ranks[plane][width]);
    }
  }
  extra_.Start({}, 0, &cursor_.extra);
  cursor_.next_code_zero = nullptr;
}

absl::Status RankReader::AddRanks(uint32_t width, ByteView blob) {
  if (width <= 8) {
    // The count is not stored: CheckEnd compares whole bytes.
    ranks_[0][width].Start(blob, blob.size() * 8, &cursor_.ranks[0][width]);
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
  for (uint32_t plane = 0; plane < PlaneCount(width); ++plane) {
    const auto plane_bytes =
        static_cast<size_t>(PlaneBytes(width, plane, count));
    ranks_[plane][width].Start(rest.first(plane_bytes),
                               uint64_t{count} * PlaneBits(width, plane),
                               &cursor_.ranks[plane][width]);
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

DecodeCursor* RankReader::PrepareBlock(uint32_t widths) {
  for (uint32_t left = widths & ~1u; left != 0; left &= left - 1) {
    const auto width = static_cast<uint32_t>(std::countr_zero(left));
    for (uint32_t plane = 0; plane < PlaneCount(width); ++plane) {
      ranks_[plane][width].MoveToTail(&cursor_.ranks[plane][width]);
    }
  }
  extra_.MoveToTail(&cursor_.extra);
  return &cursor_;
}

absl::Status RankReader::CheckBlock(uint32_t widths) const {
  bool inside = extra_.Position(cursor_.extra) <= extra_.end_bits;
  for (uint32_t left = widths & ~1u; left != 0; left &= left - 1) {
    // The planes of a width move together.
    const auto width = static_cast<uint32_t>(std::countr_zero(left));
    inside &= ranks_[0][width].Position(cursor_.ranks[0][width]) <=
              ranks_[0][width].end_bits;
  }
  if (!inside) {
    return absl::DataLossError(
        "the codes need more ranks or extra bits than the residual has");
  }
  return absl::OkStatus();
}

absl::Status RankReader::CheckEnd() const {
  for (uint32_t width = 1; width <= kMaxWidth; ++width) {
    const uint64_t used = ranks_[0][width].Position(cursor_.ranks[0][width]);
    // Up to 8 the blob does not say how many bits of its last byte count.
    const uint64_t end = ranks_[0][width].end_bits;
    if (width <= 8 ? (used + 7) / 8 * 8 != end : used != end) {
      return absl::DataLossError(absl::StrCat("subgroup ", width, " has ", end,
                                              " bits, but the codes", " need ",
                                              used));
    }
  }
  if (extra_.Position(cursor_.extra) != extra_.end_bits) {
    return absl::DataLossError(absl::StrCat(
        "the residual has ", extra_.end_bits,
        " extra bits, but the codes need ", extra_.Position(cursor_.extra)));
  }
  return absl::OkStatus();
}

}  // namespace qstore::codec
