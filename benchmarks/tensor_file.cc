#include "benchmarks/tensor_file.h"

#include "base/file.h"
#include "base/status.h"

namespace qstore::codec {

absl::StatusOr<TensorFile> TensorFile::Read(const std::string& path) {
  TensorFile result;
  QSTORE_ASSIGN_OR_RETURN(const File file, File::OpenForRead(path));
  QSTORE_ASSIGN_OR_RETURN(const uint64_t size_bytes, file.SizeBytes());
  result.file_.resize(size_bytes);
  QSTORE_RETURN_IF_ERROR(file.ReadAt(0, result.file_));
  const ByteView bytes = result.file_;
  QSTORE_ASSIGN_OR_RETURN(const uint64_t length,
                          ParseSafetensorsLength(bytes, size_bytes));
  result.content_start_ = kSafetensorsLengthBytes + length;
  QSTORE_ASSIGN_OR_RETURN(
      result.header_,
      ParseSafetensorsHeader(bytes.subspan(kSafetensorsLengthBytes, length),
                             size_bytes - result.content_start_));
  return result;
}

const TensorEntry* TensorFile::Find(std::string_view name) const {
  for (const TensorEntry& tensor : header_.tensors) {
    if (tensor.name == name) {
      return &tensor;
    }
  }
  return nullptr;
}

}  // namespace qstore::codec
