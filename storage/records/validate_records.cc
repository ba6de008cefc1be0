#include "storage/records/validate_records.h"

#include <limits>
#include <set>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/quote.h"
#include "base/status.h"
#include "base/utf8.h"
#include "codec/chunk.h"
#include "model/dtype.h"
#include "model/names.h"
#include "model/safetensors.h"

namespace qstore::storage {
namespace {

absl::Status Invalid(const std::string& text) {
  return absl::InvalidArgumentError(text);
}

// Adds to `sum`; false when it would overflow.
bool AddTo(uint64_t* sum, uint64_t term) {
  return !__builtin_add_overflow(*sum, term, sum);
}

absl::Status ValidateTensor(const v1::Object& object) {
  const absl::StatusOr<Dtype> dtype = DtypeFromNumber(object.dtype());
  if (!dtype.ok())
    return Invalid(absl::StrCat("unknown dtype ", object.dtype()));
  if (static_cast<size_t>(object.shape_size()) > kMaxTensorRank) {
    return Invalid(absl::StrCat("rank ", object.shape_size(), " is over ",
                                kMaxTensorRank));
  }
  const absl::StatusOr<uint64_t> raw_bytes = TensorBytes(
      *dtype,
      {object.shape().data(), static_cast<size_t>(object.shape_size())});
  if (!raw_bytes.ok() || *raw_bytes != object.raw_bytes()) {
    return Invalid(absl::StrCat("shape and dtype do not give the ",
                                object.raw_bytes(), " bytes of the tensor"));
  }
  return absl::OkStatus();
}

absl::Status ValidateQuantization(const v1::Object& object) {
  if (!IsQuantizable(static_cast<Dtype>(object.dtype())) ||
      object.shape_size() != 2) {
    return Invalid("only matrices of F32, F16 and BF16 can be quantized");
  }
  if (object.shape(0) > std::numeric_limits<uint32_t>::max() ||
      object.shape(1) > codec::kMaxColumns) {
    return Invalid("the matrix has more rows or columns than can be quantized");
  }
  const v1::Quantization& quantization = object.quantization();
  const uint32_t strategy = quantization.strategy();
  const bool grouped =
      strategy == static_cast<uint32_t>(codec::ScaleStrategy::kGroup);
  if (strategy < static_cast<uint32_t>(codec::ScaleStrategy::kTensor) ||
      strategy > static_cast<uint32_t>(codec::ScaleStrategy::kGroup) ||
      grouped != (quantization.group_size() != 0) ||
      quantization.group_size() > codec::kMaxColumns) {
    return Invalid(absl::StrCat("unknown scale strategy ", strategy,
                                " with group size ",
                                quantization.group_size()));
  }
  if (quantization.quantizer().empty() ||
      !IsValidUtf8(quantization.quantizer()) || quantization.coder() == 0 ||
      quantization.coder() > std::numeric_limits<uint8_t>::max()) {
    return Invalid("quantizer or coder is missing");
  }
  return absl::OkStatus();
}

bool BlobFits(const v1::Blob& blob) {
  return blob.size_bytes() <= kMaxBlobBytes;
}

absl::Status ValidateQuantizedChunk(const v1::Object& object,
                                    const v1::Chunk& chunk) {
  if (!chunk.has_int8() || chunk.has_plain() || chunk.residual().empty()) {
    return Invalid("a quantized chunk has one int8 blob and residual blobs");
  }
  if (chunk.int8().subgroup() != 0 || !BlobFits(chunk.int8())) {
    return Invalid("the int8 blob has a subgroup or is too large");
  }
  int64_t previous = -1;
  for (const v1::Blob& blob : chunk.residual()) {
    if (blob.subgroup() <= previous ||
        blob.subgroup() > std::numeric_limits<uint8_t>::max() ||
        !BlobFits(blob)) {
      return Invalid(absl::StrCat("residual blob ", blob.subgroup(),
                                  " does not ascend or is too large"));
    }
    previous = blob.subgroup();
  }
  const uint64_t row_bytes =
      object.shape(1) * DtypeBits(static_cast<Dtype>(object.dtype())) / 8;
  if (chunk.raw_bytes() != chunk.rows() * row_bytes) {
    return Invalid(absl::StrCat(chunk.rows(), " rows do not take ",
                                chunk.raw_bytes(), " bytes"));
  }
  return absl::OkStatus();
}

absl::Status ValidatePlainChunk(const v1::Chunk& chunk) {
  if (!chunk.has_plain() || chunk.has_int8() || !chunk.residual().empty()) {
    return Invalid("a chunk that is not quantized has one plain blob");
  }
  if (chunk.plain().subgroup() != 0 || !BlobFits(chunk.plain())) {
    return Invalid("the plain blob has a subgroup or is too large");
  }
  if (chunk.rows() != 0) return Invalid("only quantized chunks have rows");
  return absl::OkStatus();
}

absl::Status ValidateChunks(const v1::Object& object) {
  const bool quantized = object.kind() == v1::OBJECT_KIND_QUANTIZED;
  uint64_t raw_bytes = 0;
  uint64_t rows = 0;
  for (int i = 0; i < object.chunks_size(); ++i) {
    const v1::Chunk& chunk = object.chunks(i);
    const std::string where = absl::StrCat("chunk ", i);
    QSTORE_RETURN_IF_ERROR(Annotate(quantized
                                        ? ValidateQuantizedChunk(object, chunk)
                                        : ValidatePlainChunk(chunk),
                                    where));
    rows += chunk.rows();
    if (chunk.raw_bytes() > kMaxChunkRawBytes ||
        !AddTo(&raw_bytes, chunk.raw_bytes())) {
      return Invalid(absl::StrCat(where, " has ", chunk.raw_bytes(),
                                  " bytes; at most ", kMaxChunkRawBytes,
                                  " are allowed"));
    }
  }
  if (raw_bytes != object.raw_bytes()) {
    return Invalid(absl::StrCat("chunks have ", raw_bytes,
                                " bytes, the object has ", object.raw_bytes()));
  }
  if (quantized && rows != object.shape(0)) {
    return Invalid(absl::StrCat("chunks have ", rows, " rows, the tensor has ",
                                object.shape(0)));
  }
  return absl::OkStatus();
}

absl::Status ValidateFile(const v1::File& file) {
  uint64_t size_bytes = 0;
  for (const v1::Segment& segment : file.segments()) {
    // Protobuf would write such a name and refuse to read it.
    if (!IsValidUtf8(segment.tensor_name())) {
      return Invalid("the name of a tensor is not UTF-8");
    }
    if (segment.object_id() == 0 ||
        segment.content_hash().size() != sizeof(Sha256Digest)) {
      return Invalid("a segment names no object");
    }
    if (!AddTo(&size_bytes, segment.raw_bytes())) {
      return Invalid("the sizes of its segments overflow");
    }
  }
  if (size_bytes != file.size_bytes()) {
    return Invalid(absl::StrCat("its segments have ", size_bytes,
                                " bytes, the file has ", file.size_bytes()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateObject(const v1::Object& object) {
  if (object.object_id() == 0) return Invalid("the object has no id");
  if (object.content_hash().size() != sizeof(Sha256Digest)) {
    return Invalid(absl::StrCat("the content hash has ",
                                object.content_hash().size(), " bytes"));
  }
  switch (object.kind()) {
    case v1::OBJECT_KIND_QUANTIZED:
      QSTORE_RETURN_IF_ERROR(ValidateTensor(object));
      QSTORE_RETURN_IF_ERROR(ValidateQuantization(object));
      break;
    case v1::OBJECT_KIND_PLAIN:
      QSTORE_RETURN_IF_ERROR(ValidateTensor(object));
      break;
    case v1::OBJECT_KIND_OPAQUE:
      if (object.dtype() != 0 || !object.shape().empty()) {
        return Invalid("an opaque object has neither dtype nor shape");
      }
      break;
    default:
      return Invalid(absl::StrCat("unknown object kind ",
                                  static_cast<int>(object.kind())));
  }
  if (object.kind() != v1::OBJECT_KIND_QUANTIZED && object.has_quantization()) {
    return Invalid("only quantized objects have a quantization");
  }
  return ValidateChunks(object);
}

absl::Status ValidateRevision(const v1::Revision& revision) {
  QSTORE_RETURN_IF_ERROR(ValidateModelName(revision.model()));
  if (!IsValidUtf8(revision.quantizer())) {
    return Invalid("the name of the quantizer is not UTF-8");
  }
  std::set<std::string_view> paths;
  uint64_t original_bytes = 0;
  for (const v1::File& file : revision.files()) {
    QSTORE_RETURN_IF_ERROR(ValidateRelativePath(file.path()));
    const std::string where = absl::StrCat("file ", Quoted(file.path()));
    if (!paths.insert(file.path()).second) {
      return Invalid(absl::StrCat(where, " appears twice"));
    }
    QSTORE_RETURN_IF_ERROR(Annotate(ValidateFile(file), where));
    if (!AddTo(&original_bytes, file.size_bytes())) {
      return Invalid(absl::StrCat(where, ": the sizes of all files overflow"));
    }
  }
  for (const std::string_view path : paths) {
    for (size_t slash = path.find('/'); slash != std::string_view::npos;
         slash = path.find('/', slash + 1)) {
      if (paths.contains(path.substr(0, slash))) {
        return Invalid(
            absl::StrCat("file ", Quoted(path), " lies inside another file"));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace qstore::storage
