#include "client/upload/upload_plan.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "client/upload/hub_cache.h"
#include "client/upload/upload_checks.h"
#include "codec/quantizer.h"
#include "model/quantization/tensor_rules.h"

namespace qstore::client {
namespace {

// An index of 300,000 tensors takes a third of it.
constexpr uint64_t kMaxPlanDocumentBytes = 64u << 20;

absl::StatusOr<model::ModelFiles> ReadModelFiles(
    const std::vector<SourceFile>& files,
    std::map<std::string, SafetensorsHeader>* headers) {
  model::ModelFiles model;
  for (auto& [path, header] : *headers) {
    model.weights.push_back({path, std::move(header.tensors)});
  }
  for (const SourceFile& file : files) {
    if (model::IsModelDocument(file.path) &&
        file.size_bytes <= kMaxPlanDocumentBytes) {
      QSTORE_ASSIGN_OR_RETURN(
          model.documents[file.path],
          ReadWholeFile(file.location, kMaxPlanDocumentBytes));
    }
  }
  return model;
}

std::string DescribeLeftOut(const std::vector<std::string>& paths) {
  constexpr size_t kNamedPaths = 4;
  std::string text = "not uploading ";
  for (size_t i = 0; i < std::min(kNamedPaths, paths.size()); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ", ", Quoted(paths[i]));
  }
  if (paths.size() > kNamedPaths) {
    absl::StrAppend(&text, " and ", paths.size() - kNamedPaths, " more");
  }
  return absl::StrCat(text, ": no part of a model");
}

}  // namespace

absl::StatusOr<UploadPlan> PlanUpload(const UploadOptions& options) {
  UploadPlan plan;
  if (!options.force) {
    QSTORE_RETURN_IF_ERROR(CheckIsNoHubCache(options.source));
  }
  std::vector<std::string> left_out;
  QSTORE_ASSIGN_OR_RETURN(
      plan.files, ListModelFiles(options.source,
                                 {.all_files = options.all_files}, &left_out));
  QSTORE_ASSIGN_OR_RETURN(UploadChecks checks,
                          CheckUploadFiles(options.force, &plan.files));
  plan.notes = std::move(checks.notes);
  if (!left_out.empty()) plan.notes.push_back(DescribeLeftOut(left_out));
  QSTORE_ASSIGN_OR_RETURN(plan.model,
                          ReadModelFiles(plan.files, &checks.headers));
  if (options.quantizer == codec::kNoQuantizer) return plan;
  plan.quantization = model::PlanQuantization(
      plan.model, {.ask = options.quantize,
                   .include = options.include,
                   .exclude = options.exclude,
                   .no_default_excludes = options.no_default_excludes});
  return plan;
}

std::map<std::string, v1::TensorSelection> SelectionsOf(
    const model::QuantizationPlan& plan) {
  std::map<std::string, v1::TensorSelection> selections;
  for (const model::FilePlan& file : plan.files) {
    std::string bits((file.tensors.size() + 7) / 8, '\0');
    for (size_t i = 0; i < file.tensors.size(); ++i) {
      if (file.tensors[i].quantized) {
        bits[i / 8] = static_cast<char>(bits[i / 8] | 1 << (i % 8));
      }
    }
    selections[file.path].set_bits(std::move(bits));
  }
  return selections;
}

std::vector<std::string> NotesOf(const UploadPlan& plan) {
  std::vector<std::string> notes = plan.notes;
  notes.insert(notes.end(), plan.quantization.notes.begin(),
               plan.quantization.notes.end());
  for (const std::string& pattern : plan.quantization.unused_patterns) {
    notes.push_back(absl::StrCat("the pattern ", Quoted(pattern),
                                 " fits no tensor's name"));
  }
  return notes;
}

}  // namespace qstore::client
