#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "client/manifest_query.h"
#include "client/reason.h"
#include "client/unary_call.h"
#include "model/dtype.h"

namespace qstore::client {
namespace {

const std::map<std::string, Dtype>& PrecisionDtypes() {
  static const std::map<std::string, Dtype> kDtypes = {
      {"fp16", Dtype::kF16}, {"bf16", Dtype::kBF16}, {"fp32", Dtype::kF32}};
  return kDtypes;
}

// Types of the quantized tensors or, where nothing is quantized, of all
// floating-point tensors.
std::set<std::string> WeightDtypes(const v1::GetRevisionResponse& revision) {
  std::set<std::string> quantized;
  std::set<std::string> floating;
  for (const v1::FileSummary& file : revision.files()) {
    for (const v1::TensorSummary& tensor : file.tensors()) {
      if (tensor.quantized()) quantized.insert(tensor.dtype());
      const absl::StatusOr<Dtype> dtype = ParseDtype(tensor.dtype());
      if (dtype.ok() && IsQuantizable(*dtype)) floating.insert(tensor.dtype());
    }
  }
  return quantized.empty() ? floating : quantized;
}

}  // namespace

void ToProto(const ModelReference& reference, v1::Reference* proto) {
  proto->set_model(reference.model);
  if (!reference.revision_prefix.empty()) {
    proto->set_revision(reference.revision_prefix);
  } else {
    proto->set_tag(reference.tag);
  }
}

absl::StatusOr<v1::GetRevisionResponse> GetRevision(
    Connection* connection, const ModelReference& reference,
    Cancellation* cancellation) {
  v1::GetRevisionRequest request;
  ToProto(reference, request.mutable_reference());
  v1::GetRevisionResponse response;
  QSTORE_RETURN_IF_ERROR(CallOnce(*connection, &connection->stub(),
                                  &v1::ModelStore::Stub::GetRevision, request,
                                  cancellation, &response));
  return response;
}

absl::StatusOr<v1::Precision> ResolvePrecision(
    const std::string& precision, const v1::GetRevisionResponse& revision) {
  if (precision == "original") return v1::PRECISION_ORIGINAL;
  if (precision == "int8") return v1::PRECISION_INT8;
  const auto wanted = PrecisionDtypes().find(precision);
  if (wanted == PrecisionDtypes().end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no precision ", precision,
                     ": use original, int8, fp16, bf16 or fp32"));
  }
  const std::set<std::string> stored = WeightDtypes(revision);
  if (stored == std::set<std::string>{std::string(DtypeName(wanted->second))}) {
    return v1::PRECISION_ORIGINAL;
  }
  return WithReason(
      absl::FailedPreconditionError(absl::StrCat(
          "model ", revision.model(), " cannot be had as ", precision,
          stored.empty() ? std::string(": it has no floating-point weights")
                         : absl::StrCat(": its weights were uploaded as ",
                                        absl::StrJoin(stored, " and ")))),
      kReasonOtherPrecision);
}

absl::Status CheckHasInt8(const v1::GetRevisionResponse& revision) {
  for (const v1::FileSummary& file : revision.files()) {
    for (const v1::TensorSummary& tensor : file.tensors()) {
      if (tensor.quantized()) return absl::OkStatus();
    }
  }
  return WithReason(
      absl::FailedPreconditionError(absl::StrCat(
          "model ", revision.model(),
          " has no INT8, since none of its weights was quantized when it was "
          "uploaded")),
      kReasonNoInt8);
}

}  // namespace qstore::client
