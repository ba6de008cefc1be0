// A directory in which a download is prepared, out of sight, until all of it is
// there.
//
//  - DIR does not exist: files are staged in a sibling `.NAME.qstore-partial-…`
//    and appear by one rename.
//  - DIR exists (a mounted volume, say): they are staged in
//    `DIR/.qstore-partial-…` and moved file by file, config.json last. Files of
//    the same name are replaced, others stay.
//
// A staging directory is locked while its process lives. What a killed process
// left, or one that kept it, is taken over by the next download of the same to
// the same place, and removed by any other.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace qstore::client {

class Staging {
 public:
  // `identity`: of the download's journal; empty: nothing is taken over. Fails
  // when `directory` is something else.
  static absl::StatusOr<std::unique_ptr<Staging>> Create(
      const std::filesystem::path& directory, const std::string& identity);

  // Paths that will be published. Removes what a staging directory that was
  // taken over holds beside them. Fails, before anything is written, when one
  // of them cannot be put into the directory.
  absl::Status Expect(std::vector<std::string> files);

  // Removes what has not been published, unless it is to be kept.
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // Where to write; has no entries unless it was taken over.
  const std::filesystem::path& path() const { return path_; }
  bool taken_over() const { return taken_over_; }

  // Whether the destructor leaves it for another download to go on with.
  void set_keep(bool keep) { keep_ = keep; }

  // Makes the expected files, which must be whole and synced, and nothing else
  // appear in the directory and survive power loss. Call at most once.
  absl::Status Publish();

 private:
  explicit Staging(std::filesystem::path directory)
      : directory_(std::move(directory)) {}
  // Also finds out whether the directory exists.
  absl::Status CheckDirectory();
  absl::Status CreateParents();
  absl::Status RemoveUnexpected();
  // Takes one of the directories that processes which are gone left in
  // `parent`, and removes the others.
  void TakeOver(const std::filesystem::path& parent, const std::string& prefix,
                const std::string& identity);
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
  bool taken_over_ = false;
  bool keep_ = false;
  bool published_ = false;
};

}  // namespace qstore::client
