// The two subgroups that are not arrays of ranks: weights of code 0, and
// exceptions. docs/format.md, "Code-zero subgroup" and "Exceptions".
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "codec/chunk.h"
#include "codec/residual/rank_cursor.h"
#include "codec/zstd_coder.h"

namespace qstore::codec {

// `values` are elements of the format, as at EncodeCursor::next_code_zero.
// `scratch` is working memory of one byte a value.
absl::Status EncodeCodeZeros(FloatFormat format, ByteView values,
                             ZstdEncoder* zstd, ByteVector* scratch,
                             ByteVector* blob);
// DATA_LOSS.
absl::Status DecodeCodeZeros(FloatFormat format, ByteView blob,
                             ZstdDecoder* zstd, ByteVector* scratch,
                             MutableByteView values);

// `exceptions` ascend by position.
absl::Status EncodeExceptions(FloatFormat format,
                              std::span<const Exception> exceptions,
                              ZstdEncoder* zstd, ByteVector* scratch,
                              ByteVector* blob);
// Puts `count` exceptions in their places in `weights`, which has
// `weight_count` elements. `positions` is working memory of `count` elements.
// DATA_LOSS.
absl::Status ApplyExceptions(FloatFormat format, ByteView blob, size_t count,
                             uint64_t weight_count, ZstdDecoder* zstd,
                             ByteVector* scratch,
                             std::vector<uint32_t>* positions,
                             MutableByteView weights);

}  // namespace qstore::codec
