// The residual of weights that hardly follow from their codes: the original
// weights, losslessly coded by themselves. docs/format.md, "Plain fallback".
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "codec/chunk.h"
#include "codec/plain/plain_codec.h"

namespace qstore::codec {

absl::Status EncodePlainResidual(FloatFormat format, ByteView weights,
                                 PlainCodec* codec, ByteVector* blob);
// DATA_LOSS.
absl::Status DecodePlainResidual(ByteView blob, PlainCodec* codec,
                                 MutableByteView weights);

// Codes the weights to find out whether the result has fewer than
// `other_bytes` bytes; then *blob is it, else empty. A chunk of more than 16
// KiB is sampled first and not coded when the sample says that it is hopeless.
// `sample` is working memory.
absl::Status EncodePlainIfSmaller(FloatFormat format, ByteView weights,
                                  uint64_t other_bytes, PlainCodec* codec,
                                  ByteVector* sample, ByteVector* blob);

}  // namespace qstore::codec
