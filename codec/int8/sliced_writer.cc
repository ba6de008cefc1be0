#include "codec/int8/sliced_writer.h"

#include <algorithm>

#include "codec/kernels/sliced_kernels.h"

namespace qstore::codec {

void SlicedWriter::Append(const ChunkShape& shape,
                          std::span<const int8_t> codes,
                          const SlicedTables& tables,
                          const SlicedClasses& classes, ByteVector* out) {
  AppendSlicedHeader(tables, !classes.rows.empty(), !classes.columns.empty(),
                     out);
  classes.AppendTo(out);
  const uint64_t blocks = codes.size() / kSlicedBlock;
  const size_t sizes_at = out->size();
  const size_t records_at = sizes_at + tables.level_count * sizeof(uint32_t);
  out->resize(records_at + blocks * tables.record_bytes());

  // A multiple of 8, since kernels write whole words.
  const uint64_t stream_bytes =
      blocks * kSlicedBlock / 8 + kSlicedBatchStreamBytes;
  if (levels_.size() < tables.level_count * stream_bytes) {
    levels_.resize(tables.level_count * stream_bytes);
  }
  LevelSink sink;
  sink.bytes = levels_.data();
  for (uint32_t level = 0; level < tables.level_count; ++level) {
    std::fill_n(levels_.begin() + static_cast<int64_t>(level * stream_bytes),
                sizeof(uint64_t), 0);
    sink.next_bit[level] = level * stream_bytes * 8;
  }

  uint8_t table_of[kSlicedBatch];
  for (uint64_t block = 0; block < blocks; block += kMaxSlicedBatchBlocks) {
    const uint64_t count =
        std::min<uint64_t>(kMaxSlicedBatchBlocks, blocks - block);
    const uint64_t first = block * kSlicedBlock;
    classes.FillTables(shape, first, count * kSlicedBlock, table_of);
    BestSlicedKernels().encode_blocks(
        tables, table_of, count, codes.data() + first,
        out->data() + records_at + block * tables.record_bytes(), &sink);
  }

  for (uint32_t level = 0; level < tables.level_count; ++level) {
    const uint64_t start = level * stream_bytes;
    const uint64_t bytes = (sink.next_bit[level] - start * 8 + 7) / 8;
    StoreLittleEndian(static_cast<uint32_t>(bytes),
                      out->data() + sizes_at + level * sizeof(uint32_t));
    out->insert(out->end(), levels_.data() + start,
                levels_.data() + start + bytes);
  }
  const std::span rest = codes.subspan(blocks * kSlicedBlock);
  out->insert(out->end(), rest.begin(), rest.end());
}

}  // namespace qstore::codec
