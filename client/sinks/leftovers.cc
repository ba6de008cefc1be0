#include "client/sinks/leftovers.h"

#include <unistd.h>

#include <algorithm>
#include <set>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/text/quote.h"
#include "client/sinks/file_origin.h"
#include "model/model_files.h"
#include "model/reserved_names.h"

namespace qstore::client {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxVisited = 200'000;
constexpr size_t kNamedLeftovers = 4;

// As the engines look for them: PyTorch's, TensorFlow's and Flax's weights
// beside safetensors, GGUF, ONNX, and the indexes that name shards.
bool IsWeights(const std::string& path) {
  static constexpr const char* kSuffixes[] = {
      ".safetensors", ".bin", ".pt",      ".pth",  ".ckpt",
      ".gguf",        ".h5",  ".msgpack", ".onnx", ".index.json"};
  return std::any_of(
      std::begin(kSuffixes), std::end(kSuffixes),
      [&](const char* suffix) { return absl::EndsWith(path, suffix); });
}

bool IsOfModel(const std::string& revision, const std::string& model) {
  return absl::StartsWith(revision, model + "@");
}

// "a", "b" and 7 more
std::string SomeOf(const std::vector<std::string>& paths) {
  std::string text;
  const size_t named = std::min(kNamedLeftovers, paths.size());
  for (size_t i = 0; i < named; ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ", ", Quoted(paths[i]));
  }
  if (paths.size() > named) {
    absl::StrAppend(&text, " and ", paths.size() - named, " more");
  }
  return text;
}

// Takes the file away, and directories that are empty without it.
bool RemoveFile(const fs::path& directory, const std::string& file) {
  std::error_code error;
  if (!fs::remove(directory / file, error)) return false;
  for (std::string parent = model::DirectoryOf(file); !parent.empty();
       parent = model::DirectoryOf(parent)) {
    if (rmdir((directory / parent).c_str()) != 0) break;
  }
  return true;
}

}  // namespace

Leftovers FindLeftovers(const fs::path& directory,
                        const std::vector<std::string>& files,
                        const std::string& model) {
  Leftovers found;
  const std::set<std::string> expected(files.begin(), files.end());
  std::set<std::string> directories = {""};
  for (const std::string& file : files) {
    directories.insert(model::DirectoryOf(file));
  }
  size_t visited = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator entries(directory, error);
       !error && entries != fs::recursive_directory_iterator() &&
       visited < kMaxVisited;
       entries.increment(error), ++visited) {
    const fs::path& path = entries->path();
    std::error_code ignored;
    const fs::file_type type = entries->symlink_status(ignored).type();
    if (type == fs::file_type::directory) {
      if (!OwnPart(path.filename().native()).empty()) {
        entries.disable_recursion_pending();
      }
      continue;
    }
    const std::string relative = path.lexically_relative(directory).native();
    if (expected.contains(relative)) continue;
    if (IsOfModel(UnchangedOrigin(directory, relative), model)) {
      found.of_other_revisions.push_back(relative);
    } else if (IsWeights(relative) &&
               directories.contains(model::DirectoryOf(relative))) {
      found.weights.push_back(relative);
    }
  }
  std::sort(found.of_other_revisions.begin(), found.of_other_revisions.end());
  std::sort(found.weights.begin(), found.weights.end());
  return found;
}

std::vector<std::string> ClearLeftovers(const fs::path& directory,
                                        const std::vector<std::string>& files,
                                        const DownloadOrigin& origin) {
  std::vector<std::string> notes;
  if (!origin.whole) return notes;
  const Leftovers found = FindLeftovers(directory, files, origin.model);
  std::vector<std::string> removed;
  for (const std::string& file : found.of_other_revisions) {
    if (RemoveFile(directory, file)) removed.push_back(file);
  }
  if (!removed.empty()) {
    notes.push_back(absl::StrCat(
        "removed ", SomeOf(removed), " from ", Quoted(directory.native()),
        ": an earlier download of ", origin.model,
        " wrote that, and this revision does not have it"));
  }
  if (!found.weights.empty()) {
    notes.push_back(absl::StrCat(
        Quoted(directory.native()), " also holds ", SomeOf(found.weights),
        ", which this revision does not have: an engine may load that "
        "instead; remove it, or download into an empty directory"));
  }
  return notes;
}

}  // namespace qstore::client
