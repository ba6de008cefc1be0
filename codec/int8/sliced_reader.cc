#include "codec/int8/sliced_reader.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace qstore::codec {

absl::Status SlicedReader::TakeLevels(uint64_t blocks, ByteView sizes,
                                      ByteView* in) {
  const uint64_t most = blocks * kSlicedBlock / 8;
  uint64_t total = 0;
  for (uint32_t level = 0; level < tables_.level_count; ++level) {
    const auto bytes =
        LoadLittleEndian<uint32_t>(sizes.data() + level * sizeof(uint32_t));
    if (bytes > most || bytes > in->size() - total) {
      return absl::DataLossError(
          absl::StrCat("level ", level, " has ", bytes, " bytes, of at most ",
                       most, " and with ", in->size() - total, " left"));
    }
    tables_.busy_levels += bytes * kBusyOneIn >= most ? 1 : 0;
    source_.next_bit[level] = total * 8;
    total += bytes;
    end_bytes_[level] = total;
  }
  levels_.resize(total + kSlicedBatchStreamBytes);
  std::copy_n(in->begin(), total, levels_.begin());
  std::fill(levels_.begin() + static_cast<int64_t>(total), levels_.end(), 0);
  source_.bytes = levels_.data();
  *in = in->subspan(total);
  return absl::OkStatus();
}

uint64_t SlicedReader::PositionBytes(uint32_t level) const {
  return (source_.next_bit[level] + 7) / 8;
}

absl::Status SlicedReader::DecodeBlocks(const ChunkShape& shape,
                                        ByteView records,
                                        std::span<int8_t> codes) {
  const uint64_t blocks = codes.size() / kSlicedBlock;
  uint8_t table_of[kSlicedBatch];
  for (uint64_t block = 0; block < blocks; block += kMaxSlicedBatchBlocks) {
    const uint64_t count =
        std::min<uint64_t>(kMaxSlicedBatchBlocks, blocks - block);
    const uint64_t first = block * kSlicedBlock;
    classes_.FillTables(shape, first, count * kSlicedBlock, table_of);
    BestSlicedKernels().decode_blocks(
        tables_, table_of, count,
        records.data() + block * tables_.record_bytes(), &source_,
        codes.data() + first);
    // A stream that ran over its end in this batch still is inside levels_.
    for (uint32_t level = 0; level < tables_.level_count; ++level) {
      if (PositionBytes(level) > end_bytes_[level]) {
        return absl::DataLossError(
            absl::StrCat("level ", level, " ends before its codes do"));
      }
    }
  }
  for (uint32_t level = 0; level < tables_.level_count; ++level) {
    if (PositionBytes(level) != end_bytes_[level]) {
      return absl::DataLossError(
          absl::StrCat("level ", level, " has more bytes than its codes need"));
    }
  }
  return absl::OkStatus();
}

absl::Status SlicedReader::Decode(const ChunkShape& shape, ByteView stored,
                                  std::span<int8_t> codes) {
  bool has_row_classes = false;
  bool has_column_classes = false;
  QSTORE_RETURN_IF_ERROR(TakeSlicedHeader(&stored, &tables_, &has_row_classes,
                                          &has_column_classes));
  QSTORE_RETURN_IF_ERROR(
      classes_.TakeFrom(shape, has_row_classes, has_column_classes, &stored));
  const uint64_t blocks = codes.size() / kSlicedBlock;
  const uint64_t sizes_bytes = tables_.level_count * sizeof(uint32_t);
  const uint64_t records_bytes = blocks * tables_.record_bytes();
  if (stored.size() < sizes_bytes + records_bytes) {
    return absl::DataLossError(absl::StrCat(
        stored.size(), " bytes follow the classes instead of at least ",
        sizes_bytes + records_bytes));
  }
  const ByteView sizes = stored.first(sizes_bytes);
  const ByteView records = stored.subspan(sizes_bytes, records_bytes);
  stored = stored.subspan(sizes_bytes + records_bytes);
  QSTORE_RETURN_IF_ERROR(TakeLevels(blocks, sizes, &stored));
  const std::span rest = codes.subspan(blocks * kSlicedBlock);
  if (stored.size() != rest.size()) {
    return absl::DataLossError(absl::StrCat(
        stored.size(), " bytes follow the levels instead of ", rest.size()));
  }
  std::copy(stored.begin(), stored.end(), rest.begin());
  return DecodeBlocks(shape, records, codes);
}

}  // namespace qstore::codec
