// One changed byte in any file of a small store: opening or reading says so, or
// everything is as it was. Never other bytes, never an unknown revision.
//
// QSTORE_FLIP_STRIDE (101): 1 tries every byte. QSTORE_FLIP_SEED (1) chooses
// what each byte becomes.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "base/status.h"
#include "tests/storage/store_fixture.h"
#include "tests/storage/table_files.h"

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
    QSTORE_ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine,
                            OpenRocksDbEngine(directory, {}));
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
        all += reader->revision().SerializeAsString();
        QSTORE_RETURN_IF_ERROR(AppendObjects(reader.get(), &all));
      }
    }
    return all;
  }

  static absl::Status AppendObjects(RevisionReader* reader, std::string* all) {
    for (const v1::File& file : reader->revision().files()) {
      for (const v1::Segment& segment : file.segments()) {
        QSTORE_ASSIGN_OR_RETURN(const v1::Object object,
                                reader->GetObject(segment.object_id()));
        *all += object.SerializeAsString();
        for (int i = 0; i < object.chunks_size(); ++i) {
          QSTORE_RETURN_IF_ERROR(AppendChunk(reader, object.object_id(),
                                             static_cast<uint32_t>(i),
                                             object.chunks(i), all));
        }
      }
    }
    return absl::OkStatus();
  }

  static absl::Status AppendChunk(RevisionReader* reader, uint64_t object_id,
                                  uint32_t index, const v1::Chunk& chunk,
                                  std::string* all) {
    const auto append = [&](Family family, const v1::Blob& blob) {
      const auto value = reader->GetBlob(family, object_id, index, blob);
      if (value.ok()) *all += AsStringView(value->bytes());
      return value.status();
    };
    if (chunk.has_int8()) {
      QSTORE_RETURN_IF_ERROR(append(Family::kInt8, chunk.int8()));
    }
    for (const v1::Blob& blob : chunk.residual()) {
      QSTORE_RETURN_IF_ERROR(append(Family::kResidual, blob));
    }
    return chunk.has_plain() ? append(Family::kPlain, chunk.plain())
                             : absl::OkStatus();
  }

  TemporaryDirectory directory_;
};

TEST_F(FlippedBytesTest, IsDetectedOrChangesNothing) {
  std::string expected;
  {
    auto store = Open(whole());
    ASSERT_TRUE(store.ok()) << store.status();
    ASSERT_TRUE(UploadSamples(store->get(), "org/a", "main",
                              {QuantizedSample(1, 8, 16), PlainSample(2, 30)})
                    .ok());
    ASSERT_TRUE(
        UploadSamples(store->get(), "org/b", "main", {PlainSample(3, 30)}, 2)
            .ok());
    const auto contents = Contents(store->get());
    ASSERT_TRUE(contents.ok()) << contents.status();
    expected = *contents;
  }
  const uint64_t stride = Setting("QSTORE_FLIP_STRIDE", 101);
  std::minstd_rand random(
      static_cast<uint32_t>(Setting("QSTORE_FLIP_SEED", 1)));
  std::map<fs::path, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(whole())) {
    if (entry.is_regular_file()) {
      files[fs::relative(entry.path(), whole())] = FileBytes(entry.path());
    }
  }
  int detected = 0;
  int unchanged = 0;
  uint64_t number = 0;
  for (const auto& [path, bytes] : files) {
    for (size_t at = 0; at < bytes.size(); ++at) {
      const auto mask = static_cast<char>(1 + random() % 255);
      if (number++ % stride != 0) continue;
      fs::remove_all(flipped());
      fs::copy(whole(), flipped(), fs::copy_options::recursive);
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ mask);
      std::ofstream(flipped() / path, std::ios::binary) << changed;
      auto store = Open(flipped());
      const auto contents = store.ok()
                                ? Contents(store->get())
                                : absl::StatusOr<std::string>(store.status());
      if (!contents.ok()) {
        ++detected;
        continue;
      }
      EXPECT_TRUE(*contents == expected)
          << path << ": byte " << at << " xor " << int{mask};
      ++unchanged;
    }
  }
  std::printf("%d bytes changed, %d detected\n", detected + unchanged,
              detected);
  EXPECT_GT(detected, 0);
  EXPECT_GT(unchanged, 0);  // OPTIONS and LOCK have no say
}

}  // namespace
}  // namespace qstore::storage
