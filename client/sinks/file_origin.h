// Remembers in a file's own attributes (user.qstore.origin) that a download
// wrote it. Where the file system has no such attributes nothing is remembered.
#pragma once

#include <filesystem>
#include <string>

namespace qstore::client {

// `revision`: "org/name@revision". `file`: its path in the model, and below
// `root`, where it is whole. A failure is no harm: the file then counts as
// somebody else's.
void RememberOrigin(const std::filesystem::path& root, const std::string& file,
                    const std::string& revision);

// The revision that a regular file came with, if it lies at its path in the
// model and nobody has written to it since; else empty. (One that lies deeper
// is of a download into a directory of its own.) Follows no link.
std::string UnchangedOrigin(const std::filesystem::path& root,
                            const std::string& file);

}  // namespace qstore::client
