#include "client/export/documents.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "client/export/compressed_tensors_config.h"
#include "model/model_files.h"

namespace qstore::client {
namespace {

bool HoldsInt8(const std::vector<ExportTensor>& tensors) {
  return std::any_of(
      tensors.begin(), tensors.end(),
      [](const ExportTensor& tensor) { return tensor.quantized; });
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ExportDocuments(
    const ExportFormat& format, const TensorsByFile& files,
    std::map<std::string, std::string>* documents) {
  std::vector<std::string> notes;
  model::ModelFiles model;
  for (const auto& [path, tensors] : files) {
    if (!tensors.empty()) model.weights.push_back({path, {}});
  }
  model.documents = *documents;
  const model::GoverningConfigs configs(model);
  std::map<std::string, std::vector<const ExportTensor*>> governed;
  std::set<std::string> exported;  // directories with INT8
  for (const auto& [path, tensors] : files) {
    const std::string* const directory = configs.Of(path).directory;
    if (directory == nullptr) {
      // An engine may read it all the same, beside those that it should.
      for (const ExportTensor& tensor : tensors) {
        governed[model::DirectoryOf(path)].push_back(&tensor);
      }
      if (HoldsInt8(tensors)) {
        notes.push_back(absl::StrCat(
            "no Transformers config.json speaks for file ", Quoted(path),
            ": nothing but its tensors says that it holds INT8"));
      }
      continue;
    }
    if (HoldsInt8(tensors)) exported.insert(*directory);
    for (const ExportTensor& tensor : tensors) {
      governed[*directory].push_back(&tensor);
    }
  }
  for (const std::string& directory : exported) {
    const std::string path = model::PathIn(directory, "config.json");
    absl::StatusOr<std::string> text =
        RewriteConfig(format, model.documents.at(path), governed[directory]);
    if (!text.ok()) {
      return WithReason(
          Annotate(text.status(),
                   absl::StrCat("preparing ", Quoted(path), " for INT8")),
          kReasonInt8NotExportable);
    }
    (*documents)[path] = *std::move(text);
  }
  for (const auto& [path, text] : model.documents) {
    if (!model::IsShardIndex(path)) continue;
    absl::StatusOr<std::string> rewritten =
        RewriteIndex(format, path, text, files);
    if (!rewritten.ok()) {
      notes.push_back(absl::StrCat("index ", Quoted(path), " stays as it is: ",
                                   std::string(rewritten.status().message())));
    } else {
      (*documents)[path] = *std::move(rewritten);
    }
  }
  return notes;
}

}  // namespace qstore::client
