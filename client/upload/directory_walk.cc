#include "client/upload/directory_walk.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "base/file.h"
#include "base/quote.h"
#include "base/status.h"
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

// What a link stands for; only links to regular files are taken.
absl::StatusOr<uint64_t> LinkedFileSize(const fs::path& link) {
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
  const uint64_t size_bytes = fs::file_size(link, error);
  if (error) return Unreadable(link, error);
  return size_bytes;
}

absl::Status AddFile(const fs::path& location, std::string path,
                     uint64_t size_bytes, std::vector<SourceFile>* files) {
  QSTORE_RETURN_IF_ERROR(Annotate(ValidateRelativePath(path),
                                  absl::StrCat("file ", Name(location))));
  if (const std::string_view part = ReservedPart(path); !part.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("file ", Name(location), " lies at ", Quoted(part),
                     ", a name that qstore-client keeps for what downloads "
                     "have not finished: remove or rename it"));
  }
  files->push_back({.path = std::move(path),
                    .location = location,
                    .size_bytes = size_bytes});
  return absl::OkStatus();
}

absl::Status Walk(const fs::path& directory, const std::string& prefix,
                  std::vector<SourceFile>* files) {
  std::error_code error;
  fs::directory_iterator entries(directory, error);
  if (error) return Unreadable(directory, error);
  for (; entries != fs::directory_iterator(); entries.increment(error)) {
    const fs::path& location = entries->path();
    const std::string name = location.filename().native();
    std::string path = absl::StrCat(prefix, name);
    const fs::file_status status = fs::symlink_status(location, error);
    if (error) return Unreadable(location, error);
    switch (status.type()) {
      case fs::file_type::directory: {
        if (name == ".git") break;
        QSTORE_RETURN_IF_ERROR(Walk(location, absl::StrCat(path, "/"), files));
        break;
      }
      case fs::file_type::symlink: {
        QSTORE_ASSIGN_OR_RETURN(const uint64_t size_bytes,
                                LinkedFileSize(location));
        QSTORE_RETURN_IF_ERROR(
            AddFile(location, std::move(path), size_bytes, files));
        break;
      }
      case fs::file_type::regular: {
        const uint64_t size_bytes = fs::file_size(location, error);
        if (error) return Unreadable(location, error);
        QSTORE_RETURN_IF_ERROR(
            AddFile(location, std::move(path), size_bytes, files));
        break;
      }
      default:
        return UnsupportedType(location);
    }
  }
  if (error) return Unreadable(directory, error);
  return absl::OkStatus();
}

}  // namespace

bool IsSafetensorsPath(const std::string& path) {
  return absl::EndsWith(path, ".safetensors");
}

absl::StatusOr<std::vector<SourceFile>> ListModelFiles(const fs::path& source) {
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
    QSTORE_RETURN_IF_ERROR(Walk(source, "", &files));
  } else if (status.type() == fs::file_type::regular &&
             IsSafetensorsPath(source.native())) {
    const uint64_t size_bytes = fs::file_size(source, error);
    if (error) return Unreadable(source, error);
    QSTORE_RETURN_IF_ERROR(
        AddFile(source, source.filename().native(), size_bytes, &files));
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
