#include "client/upload/upload_checks.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "model/model_files.h"

namespace qstore::client {
namespace {

namespace fs = std::filesystem;

// A pointer is shorter than this and begins so, by the specification of LFS.
constexpr uint64_t kMaxPointerBytes = 1024;
constexpr char kPointerBegin[] = "version https://git-lfs.github.com/spec/";

constexpr char kIndexSuffix[] = ".index.json";
// Several times what the largest models have.
constexpr uint64_t kMaxIndexBytes = 64u << 20;
constexpr size_t kNamedShards = 3;

absl::StatusOr<bool> IsLfsPointer(const SourceFile& file) {
  if (file.size_bytes >= kMaxPointerBytes) return false;
  QSTORE_ASSIGN_OR_RETURN(const std::string text,
                          ReadWholeFile(file.location, kMaxPointerBytes));
  return absl::StartsWith(text, kPointerBegin);
}

struct IndexShards {
  std::string malformed;          // why it cannot be understood; empty: it can
  std::set<std::string> missing;  // shards that it names
};

// The shards of an index that are not among `paths`. Errors are those of
// reading it.
absl::StatusOr<IndexShards> FindMissingShards(
    const SourceFile& index, const std::set<std::string>& paths) {
  IndexShards shards;
  if (index.size_bytes > kMaxIndexBytes) {
    shards.malformed =
        absl::StrCat("is longer than ", kMaxIndexBytes, " bytes");
    return shards;
  }
  QSTORE_ASSIGN_OR_RETURN(const std::string text,
                          ReadWholeFile(index.location, kMaxIndexBytes));
  const auto weight_map = model::ReadWeightMap(index.path, text);
  if (!weight_map.ok()) {
    shards.malformed = absl::StrCat(
        "cannot be read (", std::string(weight_map.status().message()), ")");
    return shards;
  }
  for (const auto& [tensor, shard] : *weight_map) {
    if (!paths.contains(shard)) shards.missing.insert(shard);
  }
  return shards;
}

std::string DescribeMissing(const std::set<std::string>& missing) {
  std::string text;
  size_t named = 0;
  for (const std::string& shard : missing) {
    if (named == kNamedShards) {
      return absl::StrCat(text, " and ", missing.size() - named, " more");
    }
    absl::StrAppend(&text, named == 0 ? "" : ", ", Quoted(shard));
    ++named;
  }
  return text;
}

class Checker {
 public:
  Checker(const std::vector<SourceFile>& files, bool force) : force_(force) {
    for (const SourceFile& file : files) paths_.insert(file.path);
  }

  absl::Status Check(SourceFile* file) {
    QSTORE_ASSIGN_OR_RETURN(const bool pointer, IsLfsPointer(*file));
    if (pointer) {
      file->as_bytes = IsSafetensorsPath(file->path);
      return Refuse(
          absl::StrCat("file ", Quoted(file->location.native()),
                       " is a Git LFS pointer, not the file it stands for"),
          "run `git lfs pull` where it was cloned");
    }
    if (IsSafetensorsPath(file->path)) return CheckTensors(file);
    if (absl::EndsWith(file->path, kIndexSuffix)) return CheckIndex(*file);
    return absl::OkStatus();
  }

  UploadChecks TakeResult() && { return std::move(result_); }

 private:
  absl::Status Refuse(const std::string& accident, const char* remedy) {
    if (!force_) {
      return WithReason(
          absl::FailedPreconditionError(absl::StrCat(accident, ": ", remedy)),
          kReasonAccident);
    }
    result_.notes.push_back(absl::StrCat(accident, "; uploading it as it is"));
    return absl::OkStatus();
  }

  absl::Status CheckTensors(SourceFile* file) {
    absl::StatusOr<SafetensorsHeader> header = ReadSafetensorsHeader(*file);
    if (header.ok()) {
      result_.headers[file->path] = *std::move(header);
      return absl::OkStatus();
    }
    if (ReasonOf(header.status()) != kReasonInvalidSafetensors) {
      return header.status();
    }
    file->as_bytes = true;
    result_.notes.push_back(
        absl::StrCat(std::string(header.status().message()),
                     "; storing its bytes as they are, without "
                     "INT8"));
    return absl::OkStatus();
  }

  absl::Status CheckIndex(const SourceFile& file) {
    QSTORE_ASSIGN_OR_RETURN(const IndexShards shards,
                            FindMissingShards(file, paths_));
    const std::string name =
        absl::StrCat("index ", Quoted(file.location.native()), " ");
    if (!shards.malformed.empty()) {
      result_.notes.push_back(
          absl::StrCat(name, shards.malformed, "; storing it as it is"));
      return absl::OkStatus();
    }
    if (shards.missing.empty()) return absl::OkStatus();
    const std::string accident =
        absl::StrCat(name, "names files that are not there, ",
                     DescribeMissing(shards.missing));
    // What is left of a download of one format alone.
    if (!model::IsShardIndex(file.path) &&
        HasSafetensors(model::DirectoryOf(file.path))) {
      result_.notes.push_back(accident);
      return absl::OkStatus();
    }
    return Refuse(
        accident,
        "finish their download, or remove the index if nothing reads it");
  }

  bool HasSafetensors(const std::string& directory) const {
    return std::any_of(paths_.begin(), paths_.end(),
                       [&](const std::string& path) {
                         return IsSafetensorsPath(path) &&
                                model::DirectoryOf(path) == directory;
                       });
  }

  const bool force_;
  std::set<std::string> paths_;
  UploadChecks result_;
};

}  // namespace

absl::StatusOr<UploadChecks> CheckUploadFiles(bool force,
                                              std::vector<SourceFile>* files) {
  Checker checker(*files, force);
  for (SourceFile& file : *files) QSTORE_RETURN_IF_ERROR(checker.Check(&file));
  return std::move(checker).TakeResult();
}

}  // namespace qstore::client
