// A directory of its own for each test, removed afterwards.
#pragma once

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>

namespace qstore::storage {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    static std::atomic<int> number = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("qstore-storage-test-" + std::to_string(::getpid()) + "-" +
             std::to_string(number++));
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace qstore::storage
