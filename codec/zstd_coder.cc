#include "codec/zstd_coder.h"

#include <zstd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace qstore::codec {
namespace {

absl::Status Append(ZSTD_CCtx* context, ByteView bytes, ByteVector* out) {
  const size_t start = out->size();
  out->resize(start + ZSTD_compressBound(bytes.size()));
  const size_t size =
      ZSTD_compress2(context, out->data() + start, out->size() - start,
                     bytes.data(), bytes.size());
  if (ZSTD_isError(size) != 0) {
    return absl::InternalError(
        absl::StrCat("zstd cannot compress: ", ZSTD_getErrorName(size)));
  }
  out->resize(start + size);
  return absl::OkStatus();
}

}  // namespace

ZstdEncoder::ZstdEncoder(ZstdSearch search)
    : codes_context_(ZSTD_createCCtx()), plane_context_(ZSTD_createCCtx()) {
  // No frame checksums: every blob and its content carry an XXH3 outside.
  ZSTD_CCtx_setParameter(codes_context_, ZSTD_c_compressionLevel, 1);
  ZSTD_CCtx_setParameter(plane_context_, ZSTD_c_compressionLevel, 1);
  if (search == ZstdSearch::kLeast) {
    ZSTD_CCtx_setParameter(plane_context_, ZSTD_c_strategy, ZSTD_fast);
    ZSTD_CCtx_setParameter(plane_context_, ZSTD_c_minMatch, 7);
    ZSTD_CCtx_setParameter(plane_context_, ZSTD_c_hashLog, 6);
  }
}

ZstdEncoder::~ZstdEncoder() {
  ZSTD_freeCCtx(codes_context_);
  ZSTD_freeCCtx(plane_context_);
}

absl::Status ZstdEncoder::AppendCodes(ByteView codes, ByteVector* out) {
  return Append(codes_context_, codes, out);
}

absl::Status ZstdEncoder::AppendPlane(ByteView plane, ByteVector* out) {
  const size_t start = out->size();
  out->resize(start + sizeof(uint32_t));
  QSTORE_RETURN_IF_ERROR(Append(plane_context_, plane, out));
  if (out->size() - start - sizeof(uint32_t) >= plane.size()) {
    out->resize(start + sizeof(uint32_t));
    out->insert(out->end(), plane.begin(), plane.end());
  }
  StoreLittleEndian(
      static_cast<uint32_t>(out->size() - start - sizeof(uint32_t)),
      out->data() + start);
  return absl::OkStatus();
}

size_t ZstdEncoder::Bound(size_t bytes) { return ZSTD_compressBound(bytes); }

ZstdDecoder::ZstdDecoder() : context_(ZSTD_createDCtx()) {}

ZstdDecoder::~ZstdDecoder() { ZSTD_freeDCtx(context_); }

absl::Status ZstdDecoder::DecodeFrame(ByteView frame, MutableByteView out) {
  const size_t frame_bytes =
      ZSTD_findFrameCompressedSize(frame.data(), frame.size());
  if (ZSTD_isError(frame_bytes) != 0 || frame_bytes != frame.size()) {
    return absl::DataLossError("there is not exactly one zstd frame");
  }
  const size_t size = ZSTD_decompressDCtx(context_, out.data(), out.size(),
                                          frame.data(), frame.size());
  if (ZSTD_isError(size) != 0) {
    return absl::DataLossError(
        absl::StrCat("zstd cannot decompress: ", ZSTD_getErrorName(size)));
  }
  if (size != out.size()) {
    return absl::DataLossError(absl::StrCat("a zstd frame holds ", size,
                                            " bytes instead of ", out.size()));
  }
  return absl::OkStatus();
}

absl::Status ZstdDecoder::DecodePlane(ByteView* in, MutableByteView plane) {
  if (in->size() < sizeof(uint32_t)) {
    return absl::DataLossError("a byte plane has no length");
  }
  const auto length = LoadLittleEndian<uint32_t>(in->data());
  *in = in->subspan(sizeof(length));
  if (length > in->size() || length > plane.size()) {
    return absl::DataLossError(
        absl::StrCat("a byte plane of ", plane.size(), " bytes has length ",
                     length, ", with ", in->size(), " bytes left"));
  }
  const ByteView stored = in->first(length);
  *in = in->subspan(length);
  if (length == plane.size()) {
    std::copy(stored.begin(), stored.end(), plane.begin());
    return absl::OkStatus();
  }
  return DecodeFrame(stored, plane);
}

}  // namespace qstore::codec
