// A safetensors file in memory.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "model/safetensors.h"

namespace qstore::codec {

class TensorFile {
 public:
  static absl::StatusOr<TensorFile> Read(const std::string& path);

  const std::vector<TensorEntry>& tensors() const { return header_.tensors; }
  ByteView Content(const TensorEntry& tensor) const {
    return ByteView(file_).subspan(content_start_ + tensor.begin_bytes,
                                   tensor.size_bytes());
  }
  // nullptr when there is none.
  const TensorEntry* Find(std::string_view name) const;

 private:
  ByteVector file_;
  size_t content_start_ = 0;
  SafetensorsHeader header_;
};

}  // namespace qstore::codec
