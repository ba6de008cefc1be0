#include "codec/int8/sliced_classes.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace qstore::codec {
namespace {

// Two a byte, the first in the low half.
void AppendHalves(const std::vector<uint8_t>& classes, ByteVector* out) {
  for (size_t i = 0; i < classes.size(); i += 2) {
    const uint8_t second = i + 1 < classes.size() ? classes[i + 1] : 0;
    out->push_back(static_cast<uint8_t>(classes[i] | second << 4));
  }
}

absl::Status TakeHalves(size_t count, ByteView* in,
                        std::vector<uint8_t>* classes) {
  const size_t bytes = (count + 1) / 2;
  if (in->size() < bytes) {
    return absl::DataLossError(absl::StrCat(
        count, " classes are in ", in->size(), " bytes instead of ", bytes));
  }
  classes->resize(count);
  for (size_t i = 0; i < count; ++i) {
    (*classes)[i] = (*in)[i / 2] >> 4 * (i % 2) & 15;
  }
  *in = in->subspan(bytes);
  return absl::OkStatus();
}

}  // namespace

void SlicedClasses::AppendTo(ByteVector* out) const {
  AppendHalves(rows, out);
  AppendHalves(columns, out);
}

absl::Status SlicedClasses::TakeFrom(const ChunkShape& shape, bool has_rows,
                                     bool has_columns, ByteView* in) {
  QSTORE_RETURN_IF_ERROR(TakeHalves(has_rows ? shape.rows : 0, in, &rows));
  return TakeHalves(has_columns ? shape.columns : 0, in, &columns);
}

void SlicedClasses::FillTables(const ChunkShape& shape, uint64_t first,
                               uint64_t count, uint8_t* tables) const {
  if (rows.empty() && columns.empty()) {
    std::memset(tables, 0, count);
    return;
  }
  uint64_t row = first / shape.columns;
  uint64_t column = first % shape.columns;
  while (count > 0) {
    const uint64_t piece = std::min(count, shape.columns - column);
    const uint8_t row_class = rows.empty() ? 0 : rows[row];
    if (columns.empty()) {
      std::memset(tables, row_class, piece);
    } else {
      const uint8_t* column_classes = columns.data() + column;
      for (uint64_t i = 0; i < piece; ++i) {
        tables[i] = static_cast<uint8_t>(row_class + column_classes[i]);
      }
    }
    tables += piece;
    count -= piece;
    column = 0;
    ++row;
  }
}

}  // namespace qstore::codec
