// One changed byte in any file of a small store: opening or reading says so, or
// everything is as it was. Never other bytes, never an unknown revision.
//
// QSTORE_FLIP_COUNT (500) bytes are tried, in an order and with values that
// follow from QSTORE_FLIP_SEED (1), for at most QSTORE_FLIP_SECONDS.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "base/status.h"
#include "storage/records/record_messages.h"
#include "tests/storage/rocksdb/table_files.h"
#include "tests/storage/store_fixture.h"

namespace qstore::storage {
namespace {

namespace fs = std::filesystem;

uint64_t Setting(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class FlippedBytesTest : public ::testing::Test {
 protected:
  fs::path whole() const { return directory_.path() / "whole"; }
  fs::path flipped() const { return directory_.path() / "flipped"; }

  static absl::StatusOr<std::unique_ptr<ModelStore>> Open(
      const fs::path& directory) {
    QSTORE_ASSIGN_OR_RETURN(Engine engine, OpenRocksDbEngine(directory, {}));
    return ModelStore::Open(std::move(engine));
  }

  // All that a client can see: the listing and every byte of every revision.
  static absl::StatusOr<std::string> Contents(ModelStore* store) {
    QSTORE_ASSIGN_OR_RETURN(const auto models, store->ListModels());
    std::string all;
    for (const ModelSummary& model : models) {
      all += model.name;
      for (const auto& tag : model.tags) all += tag.name + tag.revision;
      for (const std::string& revision : model.revisions) {
        QSTORE_ASSIGN_OR_RETURN(
            const auto reader,
            store->OpenRevision(Ref(model.name + "@" + revision)));
        all += ToMessage(reader->revision()).SerializeAsString();
        QSTORE_RETURN_IF_ERROR(AppendObjects(reader.get(), &all));
      }
    }
    return all;
  }

  static absl::Status AppendObjects(RevisionReader* reader, std::string* all) {
    for (const StoredFile& file : reader->revision().files) {
      for (const StoredSegment& segment : file.segments) {
        QSTORE_ASSIGN_OR_RETURN(const model::Object object,
                                reader->GetObject(segment.object_id));
        *all += ToMessage(object).SerializeAsString();
        QSTORE_RETURN_IF_ERROR(ForEachValue(
            reader, object, [all](const model::ValueAddress&, ByteView value) {
              *all += AsStringView(value);
            }));
      }
    }
    return absl::OkStatus();
  }

  // By path relative to `directory`.
  static std::map<fs::path, std::string> FilesOf(const fs::path& directory) {
    std::map<fs::path, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(directory)) {
      // RocksDB does not read its options back.
      if (!entry.is_regular_file() ||
          entry.path().filename().string().starts_with("OPTIONS")) {
        continue;
      }
      files[fs::relative(entry.path(), directory)] = FileBytes(entry.path());
    }
    return files;
  }

  // Runs `work` in a process of its own and returns how that ended: RocksDB
  // keeps threads, and Debian builds it with assertions.
  template <typename Work>
  static int StatusOfChild(const Work& work) {
    const pid_t child = ::fork();
    EXPECT_GE(child, 0);
    if (child == 0) ::_exit(work());
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  static absl::StatusOr<std::string> MakeStore(const fs::path& directory) {
    QSTORE_ASSIGN_OR_RETURN(const auto store, Open(directory));
    QSTORE_RETURN_IF_ERROR(
        UploadSamples(store.get(), "org/a", "main",
                      {QuantizedSample(1, 8, 16), PlainSample(2, 30)})
            .status());
    QSTORE_RETURN_IF_ERROR(
        UploadSamples(store.get(), "org/b", "main", {PlainSample(3, 30)}, 2)
            .status());
    return Contents(store.get());
  }

  static absl::StatusOr<std::string> OpenAndRead(const fs::path& directory) {
    QSTORE_ASSIGN_OR_RETURN(const auto store, Open(directory));
    return Contents(store.get());
  }

  TemporaryDirectory directory_;
};

TEST_F(FlippedBytesTest, IsDetectedOrChangesNothing) {
  const fs::path answer = directory_.path() / "expected";
  ASSERT_EQ(StatusOfChild([&] {
              const auto contents = MakeStore(whole());
              if (!contents.ok()) return 1;
              std::ofstream(answer, std::ios::binary) << *contents;
              return 0;
            }),
            0);
  const std::string expected = FileBytes(answer);
  ASSERT_GT(expected.size(), 1000u);

  const std::map<fs::path, std::string> files = FilesOf(whole());
  std::vector<std::pair<fs::path, size_t>> positions;
  for (const auto& [path, bytes] : files) {
    for (size_t at = 0; at < bytes.size(); ++at) {
      positions.emplace_back(path, at);
    }
  }
  std::minstd_rand random(
      static_cast<uint32_t>(Setting("QSTORE_FLIP_SEED", 1)));
  std::shuffle(positions.begin(), positions.end(), random);
  positions.resize(
      std::min<size_t>(positions.size(), Setting("QSTORE_FLIP_COUNT", 500)));
  const auto end = std::chrono::steady_clock::now() +
                   std::chrono::seconds(Setting("QSTORE_FLIP_SECONDS", 3600));
  enum Outcome : uint8_t { kAsExpected, kDetected, kDifferent };
  std::map<int, int> counts;
  for (const auto& [path, at] : positions) {
    if (std::chrono::steady_clock::now() > end) break;
    const auto mask = static_cast<char>(1 + random() % 255);
    fs::remove_all(flipped());
    fs::copy(whole(), flipped(), fs::copy_options::recursive);
    std::string bytes = files.at(path);
    bytes[at] = static_cast<char>(bytes[at] ^ mask);
    std::ofstream(flipped() / path, std::ios::binary) << bytes;
    const int outcome = StatusOfChild([&]() -> int {
      const auto contents = OpenAndRead(flipped());
      if (!contents.ok()) return kDetected;
      return *contents == expected ? kAsExpected : kDifferent;
    });
    ++counts[outcome];
    EXPECT_TRUE(outcome == kAsExpected || outcome == kDetected)
        << path << " of " << bytes.size() << " bytes: byte " << at << " xor "
        << int{mask} << ": outcome " << outcome;
  }
  int tried = 0;
  for (const auto& [outcome, count] : counts) tried += count;
  std::printf("%d bytes changed, %d detected\n", tried, counts[kDetected]);
  EXPECT_GT(counts[kDetected], 0);
  EXPECT_GT(counts[kAsExpected], 0);  // IDENTITY has no say
}

}  // namespace
}  // namespace qstore::storage
