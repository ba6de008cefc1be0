#include "model/safetensors.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"

namespace qstore {
namespace {

// Tensor data starts at a multiple of this, as in files that others write.
constexpr size_t kHeaderAlignmentBytes = 8;

// `text` as a JSON string. UTF-8 is kept; what is not UTF-8, which no parsed
// header holds, becomes U+FFFD.
std::string JsonString(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', /*ensure_ascii=*/false,
                                   nlohmann::json::error_handler_t::replace);
}

void AppendTensor(const TensorEntry& tensor, std::string* json) {
  absl::StrAppend(json, JsonString(tensor.name), ":{\"dtype\":\"",
                  AbslView(DtypeName(tensor.dtype)), "\",\"shape\":[",
                  absl::StrJoin(tensor.shape, ","), "],\"data_offsets\":[",
                  tensor.begin_bytes, ",", tensor.end_bytes, "]}");
}

}  // namespace

absl::StatusOr<uint64_t> ParseSafetensorsLength(ByteView prefix,
                                                uint64_t file_bytes,
                                                uint64_t max_header_bytes) {
  if (prefix.size() < kSafetensorsLengthBytes ||
      file_bytes < kSafetensorsLengthBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the file has ", std::min<uint64_t>(prefix.size(), file_bytes),
        " bytes, too few for the ", kSafetensorsLengthBytes,
        " of a header length"));
  }
  const auto length_bytes = LoadLittleEndian<uint64_t>(prefix.data());
  // Compared without adding to the length, which would wrap.
  if (length_bytes > file_bytes - kSafetensorsLengthBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the header length is ", length_bytes, " bytes, but only ",
        file_bytes - kSafetensorsLengthBytes, " bytes follow it in the file"));
  }
  if (length_bytes > max_header_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the header length is ", length_bytes,
                     " bytes, more than the ", max_header_bytes, " allowed"));
  }
  return length_bytes;
}

ByteVector WriteSafetensorsHeader(const SafetensorsHeader& header) {
  std::string json = "{";
  const char* separator = "";
  if (!header.metadata.empty()) {
    json += "\"__metadata__\":{";
    for (const auto& [key, value] : header.metadata) {
      absl::StrAppend(&json, separator, JsonString(key), ":",
                      JsonString(value));
      separator = ",";
    }
    json += "}";
    separator = ",";
  }
  for (const TensorEntry& tensor : header.tensors) {
    json += separator;
    AppendTensor(tensor, &json);
    separator = ",";
  }
  json += "}";
  const size_t excess_bytes = json.size() % kHeaderAlignmentBytes;
  if (excess_bytes != 0) {
    json.append(kHeaderAlignmentBytes - excess_bytes, ' ');
  }

  ByteVector bytes(kSafetensorsLengthBytes + json.size());
  StoreLittleEndian<uint64_t>(json.size(), bytes.data());
  std::memcpy(bytes.data() + kSafetensorsLengthBytes, json.data(), json.size());
  return bytes;
}

}  // namespace qstore
