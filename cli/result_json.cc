#include "cli/result_json.h"

#include <string>

#include "cli/two_copies.h"
#include "client/rpc_status.h"
#include "model/dtype.h"

namespace qstore::client {
namespace {

using nlohmann::ordered_json;

ordered_json BytesJson(const v1::BytesByKind& bytes) {
  return {{"int8", bytes.int8()},
          {"residual", bytes.residual()},
          {"plain", bytes.plain()},
          {"other", bytes.other()}};
}

ordered_json TensorJson(const std::string& file,
                        const v1::TensorSummary& tensor) {
  return {{"name", tensor.name()},
          {"file", file},
          {"dtype", tensor.dtype()},
          {"shape", ordered_json(tensor.shape())},
          {"quantized", tensor.quantized()},
          {"int8_coder", tensor.int8_coder().empty()
                             ? ordered_json(nullptr)
                             : ordered_json(tensor.int8_coder())},
          {"raw_bytes", tensor.raw_bytes()},
          {"int8_bytes", tensor.int8_bytes()},
          {"residual_bytes", tensor.residual_bytes()},
          {"plain_bytes", tensor.plain_bytes()},
          {"two_copies_bytes", TwoCopiesBytes(tensor)}};
}

}  // namespace

ordered_json ToJson(const UploadResult& result) {
  const v1::UploadResponse& response = result.response;
  v1::BytesByKind received;
  received.set_other(result.bytes_received);
  return {{"model", response.model()},
          {"tag", response.tag()},
          {"revision", response.revision()},
          {"created", response.created()},
          {"quantizer", result.quantizer},
          {"quantized_tensors", result.quantized_tensors},
          {"files", result.file_count},
          {"file_bytes", result.file_bytes},
          {"stored_bytes", BytesJson(response.stored())},
          {"two_copies_bytes", response.two_copies_bytes()},
          {"bytes_sent", result.bytes_sent},
          {"bytes_received", result.bytes_received},
          {"received_bytes", BytesJson(received)},
          {"resumed_bytes", result.resumed_bytes},
          {"attempts", result.attempts},
          {"seconds", result.seconds}};
}

ordered_json ToJson(const UploadPlan& plan) {
  ordered_json tensors = ordered_json::array();
  for (size_t i = 0; i < plan.quantization.files.size(); ++i) {
    const model::WeightFile& file = plan.model.weights[i];
    for (size_t j = 0; j < file.tensors.size(); ++j) {
      const model::TensorPlan& planned = plan.quantization.files[i].tensors[j];
      tensors.push_back(
          {{"name", file.tensors[j].name},
           {"file", file.path},
           {"dtype", std::string(DtypeName(file.tensors[j].dtype))},
           {"shape", ordered_json(file.tensors[j].shape)},
           {"quantized", planned.quantized},
           {"rule", planned.rule},
           {"reason", planned.reason}});
    }
  }
  return {{"dry_run", true},
          {"files", plan.files.size()},
          {"quantized_tensors", plan.quantization.quantized_count},
          {"notes", NotesOf(plan)},
          {"tensors", tensors}};
}

ordered_json ToJson(const DownloadResult& result) {
  return {{"model", result.model},
          {"revision", result.revision},
          {"precision", result.precision},
          {"format", result.format.empty() ? ordered_json(nullptr)
                                           : ordered_json(result.format)},
          {"files", result.file_count},
          {"file_bytes", result.file_bytes},
          {"bytes_sent", result.bytes_sent},
          {"bytes_received", result.bytes_received},
          {"received_bytes", BytesJson(result.received)},
          {"resumed_bytes", result.resumed_bytes},
          {"attempts", result.attempts},
          {"seconds", result.seconds}};
}

ordered_json ToJson(const v1::ListModelsResponse& response) {
  ordered_json models = ordered_json::array();
  for (const v1::ModelSummary& model : response.models()) {
    ordered_json tags = ordered_json::object();
    for (const v1::TagSummary& tag : model.tags()) {
      tags[tag.name()] = tag.revision();
    }
    models.push_back({{"name", model.name()},
                      {"tags", tags},
                      {"revisions", ordered_json(model.revisions())}});
  }
  return {{"models", models}};
}

ordered_json ToJson(const v1::GetRevisionResponse& response) {
  ordered_json files = ordered_json::array();
  ordered_json tensors = ordered_json::array();
  for (const v1::FileSummary& file : response.files()) {
    files.push_back({{"path", file.path()},
                     {"size_bytes", file.size_bytes()},
                     {"other_bytes", file.other_bytes()}});
    for (const v1::TensorSummary& tensor : file.tensors()) {
      tensors.push_back(TensorJson(file.path(), tensor));
    }
  }
  const QuantizedTotals quantized = SumQuantized(response);
  return {{"model", response.model()},
          {"revision", response.revision()},
          {"tags", ordered_json(response.tags())},
          {"created_unix_seconds", response.created_unix_seconds()},
          {"quantizer", response.quantizer()},
          {"original_bytes", response.original_bytes()},
          {"stored_bytes", BytesJson(response.stored())},
          {"two_copies_bytes", response.two_copies_bytes()},
          {"quantized",
           {{"tensors", quantized.tensor_count},
            {"weights", quantized.weight_count},
            {"int8_bytes", quantized.int8_bytes},
            {"residual_bytes", quantized.residual_bytes},
            {"two_copies_bytes", quantized.two_copies_bytes}}},
          {"files", files},
          {"tensors", tensors}};
}

ordered_json ToJson(const v1::DeleteResponse& response) {
  return {{"revision", response.revision()},
          {"removed_tags", ordered_json(response.removed_tags())},
          {"revision_deleted", response.revision_deleted()},
          {"reclaimed_bytes", response.reclaimed_bytes()}};
}

ordered_json ToJson(const v1::VerifyResponse& response) {
  return {{"revision", response.revision()},
          {"ok", response.problems().empty()},
          {"checked_objects", response.checked_objects()},
          {"total_objects", response.total_objects()},
          {"checked_bytes", response.checked_bytes()},
          {"problems", ordered_json(response.problems())}};
}

ordered_json ToJson(const absl::Status& error) {
  return {{"code", StatusCodeName(error.code())},
          {"message", std::string(error.message())}};
}

}  // namespace qstore::client
