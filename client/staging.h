// A directory in which a download is prepared, out of sight, until all of it is
// there.
//
//  - DIR does not exist: files are staged in a sibling `.NAME.qstore-partial-…`
//    and appear by one rename.
//  - DIR exists (a mounted volume, say): they are staged in
//    `DIR/.qstore-partial-…` and moved file by file, config.json last. Files of
//    the same name are replaced, others stay.
//
// A staging directory is locked while its process lives; what a killed process
// left is removed by the next download to the same place.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace qstore::client {

class Staging {
 public:
  // `files`: paths that will be published. Fails, before anything is written,
  // when one of them cannot be put into `directory`.
  static absl::StatusOr<std::unique_ptr<Staging>> Create(
      const std::filesystem::path& directory,
      const std::vector<std::string>& files);

  // Removes what has not been published.
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // Where to write; has no entries at first.
  const std::filesystem::path& path() const { return path_; }

  // Makes the files, which must be whole and synced, appear in the directory
  // and survive power loss. Call at most once.
  absl::Status Publish();

 private:
  Staging(std::filesystem::path directory, std::vector<std::string> files);
  // Also finds out whether the directory exists.
  absl::Status CheckTargets();
  absl::Status CreateParents();
  absl::Status CreateLocked(const std::filesystem::path& parent,
                            const std::string& prefix);
  absl::Status PublishWhole();
  absl::Status PublishByFile();

  const std::filesystem::path directory_;
  std::vector<std::string> files_;
  bool directory_exists_ = false;
  std::filesystem::path path_;
  int lock_descriptor_ = -1;
  std::vector<std::filesystem::path> created_parents_;  // outermost first
  bool published_ = false;
};

}  // namespace qstore::client
