// What a directory holds beside the files of a revision that is written into
// it, as far as that matters to whoever loads the model from there.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "client/sinks/sink.h"

namespace qstore::client {

struct Leftovers {
  // Paths of files that a download of another revision of the same model wrote,
  // and that nobody has changed since.
  std::vector<std::string> of_other_revisions;
  // Paths of other files that engines would take for weights, or for the list
  // of them, in the directories that the revision has files in.
  std::vector<std::string> weights;
};

// `files`: of the revision. Follows no link; looks at no more than about as
// many files as a model may have.
Leftovers FindLeftovers(const std::filesystem::path& directory,
                        const std::vector<std::string>& files,
                        const std::string& model);

// Removes those of other revisions, once the files of `origin` are there, so
// that an engine does not load them instead; nothing when it is only a part of
// its revision. Notes for the person: what was removed, and what else is there
// that an engine may load.
std::vector<std::string> ClearLeftovers(const std::filesystem::path& directory,
                                        const std::vector<std::string>& files,
                                        const DownloadOrigin& origin);

}  // namespace qstore::client
