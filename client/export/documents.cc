#include "client/export/documents.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/quote.h"
#include "base/status.h"
#include "client/export/compressed_tensors_config.h"
#include "model/model_files.h"

namespace qstore::client {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxDocumentBytes = 64u << 20;

absl::Status ReplaceContents(const fs::path& path, const std::string& text) {
  QSTORE_ASSIGN_OR_RETURN(File file, File::Create(path));
  QSTORE_RETURN_IF_ERROR(file.WriteAt(0, AsBytes(text)));
  QSTORE_RETURN_IF_ERROR(file.Sync());
  return file.Close();
}

bool HoldsInt8(const std::vector<ExportTensor>& tensors) {
  return std::any_of(
      tensors.begin(), tensors.end(),
      [](const ExportTensor& tensor) { return tensor.quantized; });
}

absl::StatusOr<model::ModelFiles> ReadModelFiles(
    const fs::path& root, const std::vector<std::string>& paths,
    const TensorsByFile& files) {
  model::ModelFiles model;
  for (const auto& [path, tensors] : files) {
    if (!tensors.empty()) model.weights.push_back({path, {}});
  }
  for (const std::string& path : paths) {
    if (!model::IsModelDocument(path)) continue;
    QSTORE_ASSIGN_OR_RETURN(model.documents[path],
                            ReadWholeFile(root / path, kMaxDocumentBytes));
  }
  return model;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ExportDocuments(
    const ExportFormat& format, const fs::path& root,
    const std::vector<std::string>& paths, const TensorsByFile& files) {
  std::vector<std::string> notes;
  QSTORE_ASSIGN_OR_RETURN(const model::ModelFiles model,
                          ReadModelFiles(root, paths, files));
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
    const absl::StatusOr<std::string> text =
        RewriteConfig(format, model.documents.at(path), governed[directory]);
    if (!text.ok()) {
      return Annotate(text.status(),
                      absl::StrCat("preparing ", Quoted(path), " for INT8"));
    }
    QSTORE_RETURN_IF_ERROR(ReplaceContents(root / path, *text));
  }
  for (const auto& [path, text] : model.documents) {
    if (!model::IsShardIndex(path)) continue;
    const absl::StatusOr<std::string> rewritten =
        RewriteIndex(format, path, text, files);
    if (!rewritten.ok()) {
      notes.push_back(absl::StrCat("index ", Quoted(path), " stays as it is: ",
                                   std::string(rewritten.status().message())));
    } else if (*rewritten != text) {
      QSTORE_RETURN_IF_ERROR(ReplaceContents(root / path, *rewritten));
    }
  }
  return notes;
}

}  // namespace qstore::client
