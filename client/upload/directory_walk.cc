#include "client/upload/directory_walk.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "client/upload/file_stamp.h"
#include "model/names.h"
#include "model/reserved_names.h"

namespace qstore::client {
namespace {

namespace fs = std::filesystem;

std::string Name(const fs::path& path) { return Quoted(path.native()); }

absl::Status Unreadable(const fs::path& path, const std::error_code& error) {
  return ErrnoStatus(error.value(), absl::StrCat("reading ", Name(path)));
}

absl::Status UnsupportedType(const fs::path& path) {
  return absl::InvalidArgumentError(
      absl::StrCat(Name(path),
                   " is neither a regular file nor a directory: take it out "
                   "of the model directory"));
}

absl::Status Malformed(const absl::Status& why, const SourceFile& file) {
  return WithReason(Annotate(why, absl::StrCat("file ", Name(file.location))),
                    kReasonInvalidSafetensors);
}

// Whether a link stands for a regular file; no other is taken.
absl::Status CheckLink(const fs::path& link) {
  std::error_code error;
  const fs::file_status target = fs::status(link, error);
  // For a link to nothing there is an error too.
  if (target.type() == fs::file_type::not_found) {
    return absl::InvalidArgumentError(
        absl::StrCat(Name(link),
                     " is a symbolic link to a file that does not exist: mend "
                     "or remove it"));
  }
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat(
        Name(link), " is a symbolic link that cannot be followed (",
        error.message(), "): mend or remove it"));
  }
  if (target.type() == fs::file_type::directory) {
    return absl::InvalidArgumentError(
        absl::StrCat(Name(link),
                     " is a symbolic link to a directory, which is not "
                     "followed: put the directory itself in its place"));
  }
  if (target.type() != fs::file_type::regular) return UnsupportedType(link);
  return absl::OkStatus();
}

absl::Status AddFile(const fs::path& location, std::string path,
                     std::vector<SourceFile>* files) {
  QSTORE_RETURN_IF_ERROR(Annotate(ValidateRelativePath(path),
                                  absl::StrCat("file ", Name(location))));
  if (const std::string_view part = ReservedPart(path); !part.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("file ", Name(location), " lies at ", Quoted(part),
                     ", a name that qstore-client keeps for what downloads "
                     "have not finished: remove or rename it"));
  }
  QSTORE_ASSIGN_OR_RETURN(const FileStamp stamp, StampOf(location));
  files->push_back({.path = std::move(path),
                    .location = location,
                    .size_bytes = stamp.size_bytes,
                    .modified_nanoseconds = stamp.modified_nanoseconds});
  return absl::OkStatus();
}

bool IsHuggingFaceCache(const std::string& path) {
  constexpr char kCache[] = ".cache/huggingface";
  return path == kCache || absl::EndsWith(path, absl::StrCat("/", kCache));
}

// No part of a model, whoever left it there; secrets among it.
bool IsNoPartOfAModel(const std::string& path, const std::string& name,
                      bool is_directory) {
  if (!is_directory) return name == ".env" || absl::StartsWith(name, ".env.");
  return name == "__pycache__" || name == ".ipynb_checkpoints" ||
         IsHuggingFaceCache(path);
}

class Walker {
 public:
  Walker(const WalkOptions& options, std::vector<SourceFile>* files,
         std::vector<std::string>* left_out)
      : options_(options), files_(*files), left_out_(left_out) {}

  // `prefix`: of the paths, with a slash at its end unless it is empty.
  absl::Status Walk(const fs::path& directory, const std::string& prefix) {
    std::error_code error;
    fs::directory_iterator entries(directory, error);
    if (error) return Unreadable(directory, error);
    for (; entries != fs::directory_iterator(); entries.increment(error)) {
      QSTORE_RETURN_IF_ERROR(Add(entries->path(), prefix));
    }
    if (error) return Unreadable(directory, error);
    return absl::OkStatus();
  }

 private:
  absl::Status Add(const fs::path& location, const std::string& prefix) {
    const std::string name = location.filename().native();
    std::string path = absl::StrCat(prefix, name);
    std::error_code error;
    const fs::file_status status = fs::symlink_status(location, error);
    if (error) return Unreadable(location, error);
    const bool is_directory = status.type() == fs::file_type::directory;
    if (is_directory && name == ".git") return absl::OkStatus();
    if (!options_.all_files && IsNoPartOfAModel(path, name, is_directory)) {
      if (left_out_ != nullptr) left_out_->push_back(std::move(path));
      return absl::OkStatus();
    }
    switch (status.type()) {
      case fs::file_type::directory:
        return Walk(location, absl::StrCat(path, "/"));
      case fs::file_type::symlink:
        QSTORE_RETURN_IF_ERROR(CheckLink(location));
        return AddFile(location, std::move(path), &files_);
      case fs::file_type::regular:
        return AddFile(location, std::move(path), &files_);
      default:
        return UnsupportedType(location);
    }
  }

  const WalkOptions options_;
  std::vector<SourceFile>& files_;
  std::vector<std::string>* const left_out_;
};

}  // namespace

bool IsSafetensorsPath(const std::string& path) {
  return absl::EndsWith(path, ".safetensors");
}

absl::StatusOr<std::vector<SourceFile>> ListModelFiles(
    const fs::path& source, const WalkOptions& options,
    std::vector<std::string>* left_out) {
  std::error_code error;
  const fs::file_status status = fs::status(source, error);
  if (status.type() == fs::file_type::not_found) {
    return absl::NotFoundError(absl::StrCat(
        Name(source),
        " does not exist: give a model directory or a .safetensors file"));
  }
  if (error) return Unreadable(source, error);
  std::vector<SourceFile> files;
  if (status.type() == fs::file_type::directory) {
    QSTORE_RETURN_IF_ERROR(Walker(options, &files, left_out).Walk(source, ""));
    if (left_out != nullptr) std::sort(left_out->begin(), left_out->end());
  } else if (status.type() == fs::file_type::regular &&
             IsSafetensorsPath(source.native())) {
    QSTORE_RETURN_IF_ERROR(AddFile(source, source.filename().native(), &files));
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat(Name(source),
                     " is neither a directory nor a .safetensors file: give "
                     "one of these"));
  }
  if (files.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        Name(source), " holds no files: give the directory of a model"));
  }
  std::sort(
      files.begin(), files.end(),
      [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

absl::StatusOr<SafetensorsHeader> ReadSafetensorsHeader(
    const SourceFile& file) {
  QSTORE_ASSIGN_OR_RETURN(const File opened, File::OpenForRead(file.location));
  ByteVector length(
      std::min<uint64_t>(kSafetensorsLengthBytes, file.size_bytes));
  QSTORE_RETURN_IF_ERROR(opened.ReadAt(0, length));
  const absl::StatusOr<uint64_t> header_bytes =
      ParseSafetensorsLength(length, file.size_bytes);
  if (!header_bytes.ok()) return Malformed(header_bytes.status(), file);
  ByteVector json(*header_bytes);
  QSTORE_RETURN_IF_ERROR(opened.ReadAt(kSafetensorsLengthBytes, json));
  absl::StatusOr<SafetensorsHeader> header = ParseSafetensorsHeader(
      json, file.size_bytes - kSafetensorsLengthBytes - *header_bytes);
  if (!header.ok()) return Malformed(header.status(), file);
  return header;
}

}  // namespace qstore::client
