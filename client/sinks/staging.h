// A directory in which a download is prepared, out of sight, until all of it is
// there.
//
//  - DIR does not exist: files are staged in a sibling `.NAME.qstore-partial-…`
//    and appear by one rename.
//  - DIR exists (a mounted volume, say): they are staged in
//    `DIR/.qstore-partial-…` and moved file by file, config.json last. Files of
//    the same name are replaced; those that a download of another revision of
//    the model wrote are removed, if nobody has changed them; others stay.
//
// A staging directory is locked while its process lives. What a killed process
// left, or one that kept it, is taken over by the next download of the same to
// the same place, and removed by any other.
#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/sinks/sink.h"

namespace qstore::client {

class Staging {
 public:
  // `identity`: of the download's journal; empty: nothing is taken over. Fails
  // when `directory` is something else; with BeingWritten when another process
  // is preparing a download of the same identity for it.
  static absl::StatusOr<std::unique_ptr<Staging>> Create(
      const std::filesystem::path& directory, const std::string& identity);

  // Paths that will be published. Removes what a staging directory that was
  // taken over holds beside them. Fails, before anything is written, when one
  // of them cannot be put into the directory.
  absl::Status Expect(std::vector<std::string> files);

  // Removes what processes that are gone have left of downloads to
  // `directory`.
  static void RemoveAbandoned(const std::filesystem::path& directory);

  static absl::Status BeingWritten(const std::filesystem::path& directory);

  // Whether another process prepares the same. Ask once the journal is there,
  // since both may have begun at the same moment.
  bool HasRival(const std::string& identity) const;

  // Removes what has not been published, unless it is to be kept.
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // Where to write; has no entries unless it was taken over.
  const std::filesystem::path& path() const { return path_; }
  bool taken_over() const { return taken_over_; }

  // Whether the destructor leaves it for another download to go on with, which
  // it does not when a part of it has been published.
  void set_keep(bool keep) { keep_ = keep; }

  // Makes the expected files, which must be whole and synced, and nothing else
  // appear in the directory and survive power loss. Gives notes for the person.
  // ALREADY_EXISTS: somebody else has made the directory meanwhile. Call at
  // most once.
  absl::StatusOr<std::vector<std::string>> Publish(
      const DownloadOrigin& origin = {});

 private:
  explicit Staging(std::filesystem::path directory)
      : directory_(std::move(directory)) {}
  // Also finds out whether the directory exists.
  absl::Status CheckDirectory();
  // That it can be made, when it does not.
  absl::Status CheckParents() const;
  // That the files can be put into a directory that exists.
  absl::Status CheckTargets() const;
  absl::Status CreateParents();
  absl::Status RemoveUnexpected();
  // Takes one of the directories that processes which are gone left in
  // `parent`, and removes the others.
  // Whether another process prepares the same.
  bool TakeOver(const std::filesystem::path& parent,
                const std::string& identity);
  absl::Status CreateLocked(const std::filesystem::path& parent);
  absl::Status PublishWhole();
  absl::Status PublishByFile(const DownloadOrigin& origin);
  absl::Status PublishFile(const std::string& file,
                           std::set<std::filesystem::path>* directories);

  const std::filesystem::path directory_;
  std::vector<std::string> files_;
  std::vector<std::string> notes_;
  std::string prefix_;  // of the names of staging directories
  bool directory_exists_ = false;
  std::filesystem::path path_;
  int lock_descriptor_ = -1;
  std::vector<std::filesystem::path> created_parents_;  // outermost first
  bool taken_over_ = false;
  bool keep_ = false;
  bool published_some_ = false;
  bool published_ = false;
};

}  // namespace qstore::client
