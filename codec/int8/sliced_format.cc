#include "codec/int8/sliced_format.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace qstore::codec {
namespace {

constexpr size_t kFieldBytes = 3;
constexpr uint8_t kRowClassesFlag = 1;
constexpr uint8_t kColumnClassesFlag = 2;

absl::Status CheckTable(const SlicedTables& tables, uint32_t table) {
  uint32_t nodes = 1u << tables.shortest_bits;
  uint32_t bound = 0;
  for (uint32_t level = 0; level < tables.level_count; ++level) {
    const uint32_t next = tables.bounds[level][table];
    if (next < bound || next > nodes) {
      return absl::DataLossError(
          absl::StrCat("table ", table, " has bound ", next, " at level ",
                       level, ", outside of ", bound, " to ", nodes));
    }
    bound = next;
    nodes += nodes - bound;
    if (nodes > kSlicedMagnitudes) {
      return absl::DataLossError(absl::StrCat("table ", table, " has ", nodes,
                                              " nodes behind level ", level));
    }
  }
  return absl::OkStatus();
}

}  // namespace

void AppendSlicedHeader(const SlicedTables& tables, bool has_row_classes,
                        bool has_column_classes, ByteVector* out) {
  const bool has_classes = has_row_classes || has_column_classes;
  out->push_back(static_cast<uint8_t>(tables.shortest_bits));
  out->push_back(static_cast<uint8_t>(tables.level_count));
  out->push_back(
      static_cast<uint8_t>((has_row_classes ? kRowClassesFlag : 0) |
                           (has_column_classes ? kColumnClassesFlag : 0)));
  for (uint32_t level = 0; level < tables.level_count; ++level) {
    out->insert(out->end(), tables.bounds[level],
                tables.bounds[level] + (has_classes ? kSlicedTables : 1));
  }
}

absl::Status TakeSlicedHeader(ByteView* in, SlicedTables* tables,
                              bool* has_row_classes, bool* has_column_classes) {
  if (in->size() < kFieldBytes) {
    return absl::DataLossError("there is no whole header");
  }
  *tables = SlicedTables();
  tables->shortest_bits = (*in)[0];
  tables->level_count = (*in)[1];
  const uint8_t flags = (*in)[2];
  *in = in->subspan(kFieldBytes);
  if (tables->shortest_bits > kMaxShortestBits ||
      tables->level_count > kMaxSlicedLevels ||
      (flags & ~(kRowClassesFlag | kColumnClassesFlag)) != 0) {
    return absl::DataLossError(absl::StrCat(
        "the header has ", tables->shortest_bits, " shortest bits, ",
        tables->level_count, " levels, flags ", flags));
  }
  *has_row_classes = (flags & kRowClassesFlag) != 0;
  *has_column_classes = (flags & kColumnClassesFlag) != 0;
  const uint32_t table_count = flags != 0 ? kSlicedTables : 1;
  if (in->size() < size_t{tables->level_count} * table_count) {
    return absl::DataLossError("the header ends inside its tables");
  }
  for (uint32_t level = 0; level < tables->level_count; ++level) {
    std::copy_n(in->begin(), table_count, tables->bounds[level]);
    *in = in->subspan(table_count);
  }
  for (uint32_t table = 0; table < table_count; ++table) {
    QSTORE_RETURN_IF_ERROR(CheckTable(*tables, table));
  }
  return absl::OkStatus();
}

}  // namespace qstore::codec
