#include "codec/plain/plain_codec.h"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "codec/chunk.h"
#include "codec/plain/byte_planes.h"

namespace qstore::codec {
namespace {

constexpr uint8_t kFormatVersion = 1;
// Version, layout, raw size.
constexpr size_t kFixedHeaderBytes = 1 + 1 + 4;
// Coding, stored size; once per plane.
constexpr size_t kPlaneHeaderBytes = 1 + 4;
constexpr size_t kMaxPlainPlanes = 8;

// DO NOT CHANGE THESE VALUES.
enum class PlaneCoding : uint8_t {
  kRaw = 0,
  kZstd = 1,
  kBits = 2,  // every byte is 0 or 1: the sign's plane of FP32 made from BF16
};

// Shorter planes are not worth a look.
constexpr size_t kMinBitsPlaneBytes = 64;

constexpr size_t BitsBytes(size_t plane_bytes) { return (plane_bytes + 7) / 8; }

bool IsFloat(PlainLayout layout) {
  return layout == PlainLayout::kFloat16 || layout == PlainLayout::kBFloat16 ||
         layout == PlainLayout::kFloat32;
}

bool IsBits(ByteView plane) {
  uint8_t all = 0;
  for (const uint8_t byte : plane) {
    all |= byte;
  }
  return all <= 1;
}

void PackBits(ByteView plane, uint8_t* out) {
  std::memset(out, 0, BitsBytes(plane.size()));
  for (size_t i = 0; i < plane.size(); ++i) {
    out[i / 8] = static_cast<uint8_t>(out[i / 8] | plane[i] << i % 8);
  }
}

void UnpackBits(ByteView stored, MutableByteView plane) {
  for (size_t i = 0; i < plane.size(); ++i) {
    plane[i] = stored[i / 8] >> i % 8 & 1;
  }
}

// Raw elements to planes that lie one after another.
void Split(PlainLayout layout, ByteView raw, uint8_t* planes) {
  switch (layout) {
    case PlainLayout::kBytes:
      std::memcpy(planes, raw.data(), raw.size());
      return;
    case PlainLayout::kPlanes2:
      return SplitPlanes<uint16_t, SignPlace::kHighest>(raw.data(),
                                                        raw.size() / 2, planes);
    case PlainLayout::kPlanes4:
      return SplitPlanes<uint32_t, SignPlace::kHighest>(raw.data(),
                                                        raw.size() / 4, planes);
    case PlainLayout::kPlanes8:
      return SplitPlanes<uint64_t, SignPlace::kHighest>(raw.data(),
                                                        raw.size() / 8, planes);
    case PlainLayout::kFloat16:
    case PlainLayout::kBFloat16:
      return SplitPlanes<uint16_t, SignPlace::kLowest>(raw.data(),
                                                       raw.size() / 2, planes);
    case PlainLayout::kFloat32:
      return SplitPlanes<uint32_t, SignPlace::kLowest>(raw.data(),
                                                       raw.size() / 4, planes);
  }
}

// The inverse, from planes that lie apart.
template <typename Element, SignPlace kSignPlace>
void MergeAs(const std::array<const uint8_t*, kMaxPlainPlanes>& planes,
             MutableByteView raw) {
  std::array<const uint8_t*, sizeof(Element)> used;
  std::copy_n(planes.begin(), used.size(), used.begin());
  MergePlanes<Element, kSignPlace>(used, raw.size() / sizeof(Element),
                                   raw.data());
}

void Merge(PlainLayout layout,
           const std::array<const uint8_t*, kMaxPlainPlanes>& planes,
           MutableByteView raw) {
  switch (layout) {
    case PlainLayout::kBytes:
      std::memcpy(raw.data(), planes[0], raw.size());
      return;
    case PlainLayout::kPlanes2:
      return MergeAs<uint16_t, SignPlace::kHighest>(planes, raw);
    case PlainLayout::kPlanes4:
      return MergeAs<uint32_t, SignPlace::kHighest>(planes, raw);
    case PlainLayout::kPlanes8:
      return MergeAs<uint64_t, SignPlace::kHighest>(planes, raw);
    case PlainLayout::kFloat16:
    case PlainLayout::kBFloat16:
      return MergeAs<uint16_t, SignPlace::kLowest>(planes, raw);
    case PlainLayout::kFloat32:
      return MergeAs<uint32_t, SignPlace::kLowest>(planes, raw);
  }
}

// How hard zstd looks for repeats.
enum class Search {
  // Level 3: text and files.
  kText,
  // Level 1: integers, which repeat.
  kIntegers,
  // Planes of floats: bytes that are skewed but do not repeat. The short
  // matches that level 1 finds in them cost more than the Huffman-coded bytes
  // they replace (exponents of BF16 embeddings: 36.1 % of raw, against 32.7 %
  // here, at 2.5 times the speed), so the search is kept as poor as zstd
  // allows. Long runs and repeated rows are still found.
  kFloats,
};

Search SearchFor(PlainLayout layout) {
  if (IsFloat(layout)) return Search::kFloats;
  return layout == PlainLayout::kBytes ? Search::kText : Search::kIntegers;
}

absl::Status SetParameters(Search search, ZSTD_CCtx* context) {
  struct Parameter {
    ZSTD_cParameter name;
    int value;
  };
  // 0 stands for the level's own value.
  const bool floats = search == Search::kFloats;
  const Parameter parameters[] = {
      {ZSTD_c_compressionLevel, search == Search::kText ? 3 : 1},
      {ZSTD_c_strategy, floats ? ZSTD_fast : 0},
      {ZSTD_c_minMatch, floats ? 7 : 0},
      {ZSTD_c_hashLog, floats ? 6 : 0},
  };
  ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
  for (const Parameter& parameter : parameters) {
    const size_t result =
        ZSTD_CCtx_setParameter(context, parameter.name, parameter.value);
    if (ZSTD_isError(result)) {
      return absl::InternalError(
          absl::StrCat("plain blob: libzstd refuses a parameter: ",
                       ZSTD_getErrorName(result)));
    }
  }
  return absl::OkStatus();
}

// What a blob's header says, checked.
struct BlobHeader {
  PlainLayout layout;
  size_t plane_count;
  size_t plane_bytes;
  std::array<PlaneCoding, kMaxPlainPlanes> codings;
  std::array<ByteView, kMaxPlainPlanes> planes;  // as stored
};

template <typename... Parts>
absl::Status Broken(const Parts&... parts) {
  return absl::DataLossError(absl::StrCat("plain blob: ", parts...));
}

absl::Status ParseHeader(ByteView blob, size_t raw_bytes, BlobHeader* header) {
  if (blob.size() < kFixedHeaderBytes) {
    return Broken("it has ", blob.size(), " bytes, fewer than the ",
                  kFixedHeaderBytes, " of its header");
  }
  if (blob[0] != kFormatVersion) {
    return Broken("its format version is ", static_cast<int>(blob[0]), ", not ",
                  static_cast<int>(kFormatVersion));
  }
  header->layout = static_cast<PlainLayout>(blob[1]);
  header->plane_count = PlainElementBytes(header->layout);
  if (header->plane_count == 0) {
    return Broken("layout ", static_cast<int>(blob[1]), " is unknown");
  }
  const auto stored_raw_bytes = LoadLittleEndian<uint32_t>(&blob[2]);
  if (stored_raw_bytes != raw_bytes) {
    return Broken("it holds ", stored_raw_bytes, " raw bytes, but ", raw_bytes,
                  " are expected");
  }
  if (raw_bytes % header->plane_count != 0) {
    return Broken(raw_bytes, " raw bytes are no whole number of elements of ",
                  header->plane_count, " bytes");
  }
  header->plane_bytes = raw_bytes / header->plane_count;

  const size_t header_bytes =
      kFixedHeaderBytes + header->plane_count * kPlaneHeaderBytes;
  if (blob.size() < header_bytes) {
    return Broken("it has ", blob.size(), " bytes, fewer than the ",
                  header_bytes, " of its header");
  }
  ByteView rest = blob.subspan(header_bytes);
  for (size_t i = 0; i < header->plane_count; ++i) {
    const uint8_t* entry = &blob[kFixedHeaderBytes + i * kPlaneHeaderBytes];
    const auto stored_bytes = LoadLittleEndian<uint32_t>(entry + 1);
    header->codings[i] = static_cast<PlaneCoding>(entry[0]);
    switch (header->codings[i]) {
      case PlaneCoding::kRaw:
        if (stored_bytes != header->plane_bytes) {
          return Broken("raw plane ", i, " has ", stored_bytes, " bytes, not ",
                        header->plane_bytes);
        }
        break;
      case PlaneCoding::kZstd:
        if (stored_bytes >= header->plane_bytes) {
          return Broken("zstd plane ", i, " has ", stored_bytes,
                        " bytes, no fewer than the ", header->plane_bytes,
                        " it stands for");
        }
        break;
      case PlaneCoding::kBits:
        if (stored_bytes != BitsBytes(header->plane_bytes)) {
          return Broken("plane ", i, " of bits has ", stored_bytes,
                        " bytes, not ", BitsBytes(header->plane_bytes));
        }
        break;
      default:
        return Broken("coding ", static_cast<int>(entry[0]), " of plane ", i,
                      " is unknown");
    }
    if (stored_bytes > rest.size()) {
      return Broken("plane ", i, " has ", stored_bytes, " bytes, but only ",
                    rest.size(), " are left");
    }
    header->planes[i] = rest.first(stored_bytes);
    rest = rest.subspan(stored_bytes);
  }
  if (!rest.empty()) {
    return Broken(rest.size(), " bytes follow its last plane");
  }
  return absl::OkStatus();
}

}  // namespace

struct PlainCodec::Workspace {
  ZSTD_CCtx* compressor = nullptr;    // created when first needed
  ZSTD_DCtx* decompressor = nullptr;  // likewise
  ByteVector planes;

  Workspace() = default;
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace() {
    ZSTD_freeCCtx(compressor);
    ZSTD_freeDCtx(decompressor);
  }

  // Room for `size_bytes`, which only grows.
  uint8_t* Planes(size_t size_bytes) {
    if (planes.size() < size_bytes) planes.resize(size_bytes);
    return planes.data();
  }

  // Decodes one plane into all of `out`.
  absl::Status DecompressPlane(size_t index, ByteView stored,
                               MutableByteView out) {
    if (decompressor == nullptr) decompressor = ZSTD_createDCtx();
    if (decompressor == nullptr) {
      return absl::ResourceExhaustedError(
          "plain blob: no memory for a zstd decompressor");
    }
    const size_t result = ZSTD_decompressDCtx(
        decompressor, out.data(), out.size(), stored.data(), stored.size());
    if (ZSTD_isError(result)) {
      return Broken("plane ", index, ": zstd: ", ZSTD_getErrorName(result));
    }
    if (result != out.size()) {
      return Broken("plane ", index, " decodes to ", result, " bytes, not ",
                    out.size());
    }
    return absl::OkStatus();
  }
};

uint32_t PlainElementBytes(PlainLayout layout) {
  switch (layout) {
    case PlainLayout::kBytes:
      return 1;
    case PlainLayout::kPlanes2:
    case PlainLayout::kFloat16:
    case PlainLayout::kBFloat16:
      return 2;
    case PlainLayout::kPlanes4:
    case PlainLayout::kFloat32:
      return 4;
    case PlainLayout::kPlanes8:
      return 8;
  }
  return 0;
}

PlainCodec::PlainCodec() : workspace_(std::make_unique<Workspace>()) {}
PlainCodec::~PlainCodec() = default;

absl::Status PlainCodec::Encode(PlainLayout layout, ByteView raw,
                                ByteVector* blob) {
  blob->clear();
  return Append(layout, raw, blob);
}

absl::Status PlainCodec::Append(PlainLayout layout, ByteView raw,
                                ByteVector* blob) {
  const size_t plane_count = PlainElementBytes(layout);
  if (plane_count == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "plain blob: layout ", static_cast<int>(layout), " is unknown"));
  }
  if (raw.size() > kPlainChunkBytes || raw.size() % plane_count != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "plain blob: ", raw.size(), " bytes are no whole number of ",
        plane_count, "-byte elements of at most ", kPlainChunkBytes, " bytes"));
  }
  if (workspace_->compressor == nullptr) {
    workspace_->compressor = ZSTD_createCCtx();
  }
  if (workspace_->compressor == nullptr) {
    return absl::ResourceExhaustedError(
        "plain blob: no memory for a zstd compressor");
  }
  QSTORE_RETURN_IF_ERROR(
      SetParameters(SearchFor(layout), workspace_->compressor));

  const uint8_t* planes = raw.data();
  if (plane_count > 1) {
    uint8_t* split = workspace_->Planes(raw.size());
    Split(layout, raw, split);
    planes = split;
  }

  const size_t plane_bytes = raw.size() / plane_count;
  const size_t header_bytes =
      kFixedHeaderBytes + plane_count * kPlaneHeaderBytes;
  const size_t start = blob->size();
  blob->resize(start + header_bytes + raw.size());
  uint8_t* header = blob->data() + start;
  header[0] = kFormatVersion;
  header[1] = static_cast<uint8_t>(layout);
  StoreLittleEndian(static_cast<uint32_t>(raw.size()), header + 2);
  size_t end = start + header_bytes;
  for (size_t i = 0; i < plane_count; ++i) {
    const uint8_t* plane = planes + i * plane_bytes;
    uint8_t* out = blob->data() + end;
    PlaneCoding coding = PlaneCoding::kRaw;
    size_t stored_bytes = plane_bytes;
    if (plane_bytes > 0) {
      // One byte less than raw: what does not get smaller is an error here.
      const size_t compressed_bytes = ZSTD_compress2(
          workspace_->compressor, out, plane_bytes - 1, plane, plane_bytes);
      if (ZSTD_isError(compressed_bytes)) {
        std::memcpy(out, plane, plane_bytes);
      } else {
        coding = PlaneCoding::kZstd;
        stored_bytes = compressed_bytes;
      }
      if (plane_bytes >= kMinBitsPlaneBytes &&
          BitsBytes(plane_bytes) < stored_bytes &&
          IsBits({plane, plane_bytes})) {
        coding = PlaneCoding::kBits;
        stored_bytes = BitsBytes(plane_bytes);
        PackBits({plane, plane_bytes}, out);
      }
    }
    uint8_t* entry = header + kFixedHeaderBytes + i * kPlaneHeaderBytes;
    entry[0] = static_cast<uint8_t>(coding);
    StoreLittleEndian(static_cast<uint32_t>(stored_bytes), entry + 1);
    end += stored_bytes;
  }
  blob->resize(end);
  return absl::OkStatus();
}

absl::Status PlainCodec::Decode(ByteView blob, MutableByteView raw) {
  BlobHeader header;
  QSTORE_RETURN_IF_ERROR(ParseHeader(blob, raw.size(), &header));
  if (raw.empty()) return absl::OkStatus();

  // Raw planes are merged from where they lie; the others are decoded into
  // scratch first, or, when there is but one, into place.
  std::array<const uint8_t*, kMaxPlainPlanes> planes = {};
  for (size_t i = 0; i < header.plane_count; ++i) {
    if (header.codings[i] == PlaneCoding::kRaw) {
      planes[i] = header.planes[i].data();
      continue;
    }
    uint8_t* out = header.plane_count == 1 ? raw.data()
                                           : workspace_->Planes(raw.size()) +
                                                 i * header.plane_bytes;
    if (header.codings[i] == PlaneCoding::kBits) {
      UnpackBits(header.planes[i], {out, header.plane_bytes});
    } else {
      QSTORE_RETURN_IF_ERROR(workspace_->DecompressPlane(
          i, header.planes[i], {out, header.plane_bytes}));
    }
    planes[i] = out;
  }
  if (planes[0] != raw.data()) Merge(header.layout, planes, raw);
  return absl::OkStatus();
}

}  // namespace qstore::codec
