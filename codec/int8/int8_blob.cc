#include "codec/int8/int8_blob.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "codec/int8/code_entropy.h"

namespace qstore::codec {
namespace {

// A zstd skippable frame: magic, u32 length of what follows (RFC 8878, 3.1.2).
constexpr uint32_t kSkippableMagic = 0x184D2A50;
constexpr size_t kFrameHeaderBytes = 8;
// Version, coder, format, strategy, scale coding, 3 reserved bytes, rows,
// columns, group size.
constexpr size_t kFieldsBytes = 20;

absl::Status CheckField(const char* name, uint32_t stored, uint32_t expected) {
  if (stored == expected) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat("the INT8 blob has ", name, " ",
                                          stored, " instead of ", expected));
}

absl::Status CheckFields(const ChunkShape& shape, const uint8_t* fields) {
  QSTORE_RETURN_IF_ERROR(CheckField("version", fields[0], kInt8Version));
  if (FindInt8Coder(fields[1]) == nullptr) {
    return absl::DataLossError(
        absl::StrCat("the INT8 blob has unknown coder ", fields[1]));
  }
  QSTORE_RETURN_IF_ERROR(CheckField("float format", fields[2],
                                    static_cast<uint32_t>(shape.format)));
  QSTORE_RETURN_IF_ERROR(CheckField("scale strategy", fields[3],
                                    static_cast<uint32_t>(shape.strategy)));
  if (fields[4] > static_cast<uint8_t>(ScaleCoding::kAbsmax)) {
    return absl::DataLossError(
        absl::StrCat("the INT8 blob has unknown scale coding ", fields[4]));
  }
  for (int i = 5; i < 8; ++i) {
    QSTORE_RETURN_IF_ERROR(CheckField("reserved byte", fields[i], 0));
  }
  QSTORE_RETURN_IF_ERROR(CheckField(
      "row count", LoadLittleEndian<uint32_t>(fields + 8), shape.rows));
  QSTORE_RETURN_IF_ERROR(CheckField(
      "column count", LoadLittleEndian<uint32_t>(fields + 12), shape.columns));
  return CheckField("group size", LoadLittleEndian<uint32_t>(fields + 16),
                    shape.group_size);
}

// Coders are made when they are first needed.
template <typename Coder>
Coder* Made(uint8_t number, std::unique_ptr<Coder> (*make)(),
            std::vector<std::unique_ptr<Coder>>* coders) {
  if (coders->size() <= number) {
    coders->resize(number + 1u);
  }
  std::unique_ptr<Coder>& coder = (*coders)[number];
  if (coder == nullptr) {
    coder = make();
  }
  return coder.get();
}

// Whether kZstd could store codes in fewer bytes than another coder: when they
// are much alike, or when that coder did not get near their entropy, because
// their distribution is odd or because they are few. It gets about 1 % above.
bool ZstdCouldWin(std::span<const int8_t> codes, uint64_t bytes) {
  return bytes * 4 < codes.size() * 3 || bytes >= codes.size() ||
         bytes * 8 * 100 > EstimateEntropyBits(codes) * 103;
}

}  // namespace

absl::Status Int8Encoder::AppendCodes(const ChunkShape& shape, Int8Coder coder,
                                      std::span<const int8_t> codes,
                                      ByteVector* blob) {
  const auto number = static_cast<uint8_t>(coder);
  const Int8CoderEntry* entry = FindInt8Coder(number);
  if (entry == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown INT8 coder ", number));
  }
  return Made(number, entry->make_encoder, &coders_)
      ->Append(shape, codes, blob);
}

absl::Status Int8Encoder::AppendSmaller(const ChunkShape& shape,
                                        std::span<const int8_t> codes,
                                        ByteVector* blob, Int8Coder* coder) {
  const size_t start = blob->size();
  QSTORE_RETURN_IF_ERROR(AppendCodes(shape, *coder, codes, blob));
  const size_t bytes = blob->size() - start;
  if (*coder == Int8Coder::kZstd || !ZstdCouldWin(codes, bytes)) {
    return absl::OkStatus();
  }
  zstd_codes_.clear();
  QSTORE_RETURN_IF_ERROR(
      AppendCodes(shape, Int8Coder::kZstd, codes, &zstd_codes_));
  if (zstd_codes_.size() < bytes) {
    *coder = Int8Coder::kZstd;
    blob->resize(start);
    blob->insert(blob->end(), zstd_codes_.begin(), zstd_codes_.end());
  }
  return absl::OkStatus();
}

absl::Status Int8Encoder::Encode(const ChunkShape& shape, Int8Coder coder,
                                 std::span<const int8_t> codes,
                                 std::span<const float> scales,
                                 ByteVector* blob) {
  blob->assign(kFrameHeaderBytes + kFieldsBytes, 0);
  ScaleCoding scale_coding = ScaleCoding::kFloat32;
  QSTORE_RETURN_IF_ERROR(
      scales_.Append(shape.format, scales, &zstd_, blob, &scale_coding));
  uint8_t* header = blob->data();
  StoreLittleEndian(kSkippableMagic, header);
  StoreLittleEndian(static_cast<uint32_t>(blob->size() - kFrameHeaderBytes),
                    header + 4);
  uint8_t* fields = header + kFrameHeaderBytes;
  fields[0] = kInt8Version;
  fields[2] = static_cast<uint8_t>(shape.format);
  fields[3] = static_cast<uint8_t>(shape.strategy);
  fields[4] = static_cast<uint8_t>(scale_coding);
  StoreLittleEndian(shape.rows, fields + 8);
  StoreLittleEndian(shape.columns, fields + 12);
  StoreLittleEndian(shape.group_size, fields + 16);
  QSTORE_RETURN_IF_ERROR(AppendSmaller(shape, codes, blob, &coder));
  (*blob)[kFrameHeaderBytes + 1] = static_cast<uint8_t>(coder);
  return absl::OkStatus();
}

absl::Status Int8Decoder::Decode(const ChunkShape& shape, ByteView blob,
                                 std::span<int8_t> codes,
                                 std::span<float> scales) {
  if (blob.size() < kFrameHeaderBytes + kFieldsBytes ||
      LoadLittleEndian<uint32_t>(blob.data()) != kSkippableMagic) {
    return absl::DataLossError("the INT8 blob does not start with its header");
  }
  const auto frame_bytes = LoadLittleEndian<uint32_t>(blob.data() + 4);
  if (frame_bytes < kFieldsBytes ||
      frame_bytes > blob.size() - kFrameHeaderBytes) {
    return absl::DataLossError(
        absl::StrCat("the INT8 blob's header has length ", frame_bytes,
                     " in a blob of ", blob.size(), " bytes"));
  }
  const uint8_t* fields = blob.data() + kFrameHeaderBytes;
  QSTORE_RETURN_IF_ERROR(CheckFields(shape, fields));
  ByteView planes = blob.subspan(kFrameHeaderBytes + kFieldsBytes,
                                 frame_bytes - kFieldsBytes);
  const absl::Status scales_status =
      DecodeScales(shape.format, static_cast<ScaleCoding>(fields[4]), &planes,
                   &zstd_, &scratch_, scales);
  QSTORE_RETURN_IF_ERROR(Annotate(scales_status, "scales"));
  if (!planes.empty()) {
    return absl::DataLossError(absl::StrCat("the INT8 blob has ", planes.size(),
                                            " bytes behind its scales"));
  }
  const Int8CoderEntry* entry = FindInt8Coder(fields[1]);
  CodesDecoder* decoder = Made(fields[1], entry->make_decoder, &coders_);
  return Annotate(
      decoder->Decode(shape, blob.subspan(kFrameHeaderBytes + frame_bytes),
                      codes),
      "codes");
}

}  // namespace qstore::codec
