#include "cli/reports/upload_plan_report.h"

#include "absl/strings/str_cat.h"
#include "cli/phrases.h"
#include "cli/reports/text_table.h"
#include "model/dtype.h"

namespace qstore::cli {
namespace {

using nlohmann::ordered_json;

constexpr size_t kMaxPlanNameColumns = 60;

}  // namespace

std::string DescribePlan(const client::UploadPlan& plan) {
  TextTable table;
  for (const char* heading :
       {"file", "tensor", "dtype", "shape", "stored", "since"}) {
    table.AddColumn(heading, TextTable::Align::kLeft);
  }
  for (size_t i = 0; i < plan.quantization.files.size(); ++i) {
    const model::WeightFile& file = plan.model.weights[i];
    for (size_t j = 0; j < file.tensors.size(); ++j) {
      const TensorEntry& tensor = file.tensors[j];
      const model::TensorPlan& planned = plan.quantization.files[i].tensors[j];
      table.AddRow({file.path, Shorten(tensor.name, kMaxPlanNameColumns),
                    std::string(DtypeName(tensor.dtype)),
                    FormatShape(tensor.shape),
                    planned.quantized ? "INT8" : "as it is", planned.reason});
    }
  }
  std::string text =
      plan.quantization.files.empty() ? "" : table.Format() + "\n";
  absl::StrAppend(&text, Count(plan.quantization.quantized_count, "tensor"),
                  " would be quantized; nothing was sent\n");
  return text;
}

ordered_json ToJson(const client::UploadPlan& plan) {
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

}  // namespace qstore::cli
