#include "model/safetensors_layout.h"

#include <algorithm>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/text/quote.h"

namespace qstore {
namespace {

std::string SpanText(const TensorEntry& tensor) {
  return absl::StrCat("[", tensor.begin_bytes, ", ", tensor.end_bytes, "]");
}

absl::Status CheckNamesAreDistinct(const std::vector<TensorEntry>& tensors) {
  std::vector<const std::string*> names;
  names.reserve(tensors.size());
  for (const TensorEntry& tensor : tensors) names.push_back(&tensor.name);
  std::sort(names.begin(), names.end(),
            [](const auto* a, const auto* b) { return *a < *b; });
  const auto duplicate =
      std::adjacent_find(names.begin(), names.end(),
                         [](const auto* a, const auto* b) { return *a == *b; });
  if (duplicate == names.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("tensor ", Quoted(**duplicate), " is listed twice"));
}

}  // namespace

absl::Status CheckTensorSpan(const TensorEntry& tensor, uint64_t data_bytes) {
  if (tensor.begin_bytes > tensor.end_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "data_offsets ", SpanText(tensor), " are in reverse order"));
  }
  if (tensor.end_bytes > data_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("data_offsets ", SpanText(tensor), " pass the end of the ",
                     data_bytes, " data bytes in the file"));
  }
  QSTORE_ASSIGN_OR_RETURN(const uint64_t needed_bytes,
                          TensorBytes(tensor.dtype, tensor.shape));
  if (needed_bytes != tensor.size_bytes()) {
    return absl::InvalidArgumentError(
        absl::StrCat("shape [", absl::StrJoin(tensor.shape, ", "), "] of ",
                     AbslView(DtypeName(tensor.dtype)), " needs ", needed_bytes,
                     " bytes, but data_offsets ", SpanText(tensor), " span ",
                     tensor.size_bytes()));
  }
  return absl::OkStatus();
}

absl::Status SortAndCheckCoverage(uint64_t data_bytes,
                                  std::vector<TensorEntry>* tensors) {
  QSTORE_RETURN_IF_ERROR(CheckNamesAreDistinct(*tensors));
  std::sort(tensors->begin(), tensors->end(),
            [](const TensorEntry& a, const TensorEntry& b) {
              return std::tie(a.begin_bytes, a.name) <
                     std::tie(b.begin_bytes, b.name);
            });
  const TensorEntry* previous = nullptr;
  uint64_t covered_bytes = 0;
  for (const TensorEntry& tensor : *tensors) {
    if (tensor.size_bytes() == 0) continue;
    if (tensor.begin_bytes < covered_bytes) {
      return absl::InvalidArgumentError(absl::StrCat(
          "tensor ", Quoted(tensor.name), " begins at byte ",
          tensor.begin_bytes, ", inside tensor ", Quoted(previous->name),
          ", which ends at byte ", covered_bytes));
    }
    if (tensor.begin_bytes > covered_bytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("no tensor covers data bytes ", covered_bytes, " to ",
                       tensor.begin_bytes, ", where tensor ",
                       Quoted(tensor.name), " begins"));
    }
    covered_bytes = tensor.end_bytes;
    previous = &tensor;
  }
  if (covered_bytes != data_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the tensors end at data byte ", covered_bytes,
                     ", but the file has ", data_bytes, " data bytes"));
  }
  return absl::OkStatus();
}

}  // namespace qstore
