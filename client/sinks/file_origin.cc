#include "client/sinks/file_origin.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include "absl/strings/str_cat.h"
#include "base/hash.h"

namespace qstore::client {
namespace {

constexpr char kAttribute[] = "user.qstore.origin";
constexpr size_t kMaxAttributeBytes = 512;

// Where the file lies, and what changes when somebody writes to it.
std::string OriginStamp(const struct stat& status, const std::string& file) {
  return absl::StrCat("1 ", status.st_size, " ", status.st_mtim.tv_sec, ".",
                      status.st_mtim.tv_nsec, " ",
                      absl::Hex(Xxh3(AsBytes(file)), absl::kZeroPad16), " ");
}

}  // namespace

void RememberOrigin(const std::filesystem::path& root, const std::string& file,
                    const std::string& revision) {
  const std::filesystem::path path = root / file;
  struct stat status = {};
  if (lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
  const std::string text = OriginStamp(status, file) + revision;
  lsetxattr(path.c_str(), kAttribute, text.data(), text.size(), 0);
}

std::string UnchangedOrigin(const std::filesystem::path& root,
                            const std::string& file) {
  const std::filesystem::path path = root / file;
  struct stat status = {};
  if (lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return "";
  char text[kMaxAttributeBytes];
  const ssize_t size =
      lgetxattr(path.c_str(), kAttribute, text, kMaxAttributeBytes);
  if (size <= 0) return "";
  const std::string origin(text, static_cast<size_t>(size));
  const std::string stamp = OriginStamp(status, file);
  return origin.starts_with(stamp) ? origin.substr(stamp.size()) : "";
}

}  // namespace qstore::client
