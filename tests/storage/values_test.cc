// Blobs as they lie in the engine: cut into values of 1 MiB and a rest, each
// under its own key and checked by itself.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "codec/layers.h"
#include "storage/records/keys.h"
#include "tests/storage/store_fixture.h"
#include "tests/storage/families.h"

namespace qstore::storage {
namespace {

using ::testing::ElementsAre;

constexpr uint64_t kMiB = 1u << 20;

// A tensor of one plain chunk whose blob has `blob_bytes`. `large`: two blobs
// of 5 MiB come first, so that it gets a table of its own.
SampleObject SampleOfBlob(uint64_t seed, uint64_t blob_bytes, bool large) {
  SampleObject sample = PlainSample(seed, 0);
  std::vector<uint64_t> sizes = {blob_bytes};
  if (large) sizes = {5 * kMiB, 5 * kMiB, blob_bytes};
  for (const uint64_t size : sizes) {
    SampleObject::SampleChunk& chunk = sample.chunks.emplace_back();
    chunk.chunk.raw_bytes = 4000;
    chunk.layers.push_back(
        {3, {{0, PatternBytes(size, seed + sample.chunks.size())}}});
  }
  sample.object.raw_bytes = 4000 * sizes.size();
  sample.object.shape = {1000 * sizes.size()};
  return sample;
}

template <typename Maker>
class ValuesTest : public StoreTest<Maker> {
 protected:
  using Values = std::map<std::string, std::string>;

  // Of an object, by key.
  Values ValuesOfObject(Family family, uint64_t object_id) {
    Values values;
    EXPECT_TRUE(this->engine_
                    ->Scan(family, DataKeyBound(object_id),
                           DataKeyBound(object_id + 1),
                           [&values](std::string_view key, ByteView value) {
                             values.emplace(key, AsStringView(value));
                             return true;
                           })
                    .ok());
    return values;
  }

  // Of model.safetensors.
  absl::StatusOr<model::Object> ObjectOf(RevisionReader* reader,
                                         size_t segment_index) {
    return reader->GetObject(
        reader->revision().files[0].segments[segment_index].object_id);
  }

  void Overwrite(Family family, const std::string& key, std::string value) {
    WriteBatch batch;
    batch.Put(family, key, std::move(value));
    ASSERT_TRUE(this->engine_->Commit(batch).ok());
  }
  void Remove(Family family, const std::string& key) {
    WriteBatch batch;
    batch.Delete(family, key);
    ASSERT_TRUE(this->engine_->Commit(batch).ok());
  }
};
TYPED_TEST_SUITE(ValuesTest, Makers);

TYPED_TEST(ValuesTest, BlobsAreCutIntoValues) {
  struct Case {
    uint64_t blob_bytes;
    std::vector<uint64_t> value_bytes;
  };
  const std::vector<Case> cases = {
      {kMiB / 2, {kMiB / 2}},
      {kMiB, {kMiB}},
      {kMiB + 1, {kMiB, 1}},
      {3 * kMiB + kMiB / 2, {kMiB, kMiB, kMiB, kMiB / 2}},
  };
  for (const bool large : {false, true}) {
    std::vector<SampleObject> samples;
    for (size_t i = 0; i < cases.size(); ++i) {
      samples.push_back(SampleOfBlob(100 * (i + 1) + (large ? 50 : 0),
                                     cases[i].blob_bytes, large));
    }
    this->MustUpload("org/m", "main", samples);
    this->Reopen();
    auto reader = this->store_->OpenRevision(Ref("org/m:main"));
    ASSERT_TRUE(reader.ok()) << reader.status();
    for (size_t i = 0; i < cases.size(); ++i) {
      SCOPED_TRACE(i);
      const auto object = this->ObjectOf(reader->get(), i);
      ASSERT_TRUE(object.ok()) << object.status();
      const auto chunk_index = static_cast<uint32_t>(large ? 2 : 0);
      const ByteVector& whole =
          samples[i].chunks[chunk_index].layers[0].blobs[0].bytes;
      const model::Blob& record =
          object->chunks[chunk_index].layers[0].blobs[0];
      EXPECT_EQ(record.size_bytes, cases[i].blob_bytes);
      ASSERT_EQ(record.value_xxh3.size(), cases[i].value_bytes.size());

      const auto stored = this->ValuesOfObject(kPlainFamily, object->id);
      EXPECT_EQ(stored.size(), cases[i].value_bytes.size() + (large ? 10 : 0));
      ByteVector joined;
      for (size_t v = 0; v < cases[i].value_bytes.size(); ++v) {
        const auto found = stored.find(
            DataKey{object->id, chunk_index, 0, static_cast<uint16_t>(v)}
                .Encode());
        ASSERT_NE(found, stored.end()) << v;
        const ByteView bytes = AsBytes(found->second);
        EXPECT_EQ(bytes.size(), cases[i].value_bytes[v]);
        EXPECT_EQ(Xxh3(bytes), record.value_xxh3[v]);
        joined.insert(joined.end(), bytes.begin(), bytes.end());
      }
      EXPECT_TRUE(joined == whole);
      for (const auto& [key, value] : stored) {
        EXPECT_LE(value.size(), model::kMaxValueBytes);
      }
    }
    reader->reset();
    ASSERT_TRUE(this->store_->Delete(Ref("org/m:main")).ok());
    EXPECT_EQ(this->DataKeyCount(), 0);
  }
}

// Whatever happens to one value, it is found and named, and its neighbours can
// be read.
TYPED_TEST(ValuesTest, EachValueIsCheckedByItself) {
  for (const bool large : {false, true}) {
    const uint64_t seed = large ? 7 : 8;
    this->MustUpload("org/m", "main", {SampleOfBlob(seed, 4 * kMiB, large)});
    auto reader = this->store_->OpenRevision(Ref("org/m:main"));
    ASSERT_TRUE(reader.ok()) << reader.status();
    const auto object = this->ObjectOf(reader->get(), 0);
    ASSERT_TRUE(object.ok()) << object.status();
    const auto chunk_index = static_cast<uint32_t>(large ? 2 : 0);
    const std::vector<model::ValueAddress> values =
        model::ValuesOf(object->chunks[chunk_index], 1);
    ASSERT_EQ(values.size(), 4u);
    const auto key_of = [&](uint16_t index) {
      return DataKey{object->id, chunk_index, 0, index}.Encode();
    };
    const auto stored = this->ValuesOfObject(kPlainFamily, object->id);
    const std::string whole = stored.at(key_of(2));
    std::string flipped = whole;
    flipped[flipped.size() - 1] = static_cast<char>(flipped.back() ^ 1);
    const std::vector<std::pair<std::string, std::string>> damages = {
        {flipped, "checksum"},
        {whole.substr(1), "bytes"},
        {whole + "x", "bytes"},
        {"", "bytes"},
        // That of its neighbour, which is as long.
        {stored.at(key_of(1)), "checksum"}};
    const auto expect_damage = [&](const std::string& why) {
      for (uint16_t i = 0; i < 4; ++i) {
        const absl::Status status =
            (*reader)->GetValue(object->id, chunk_index, values[i]).status();
        if (i != 2) {
          EXPECT_TRUE(status.ok()) << status;
          continue;
        }
        EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, why));
        EXPECT_THAT(status,
                    StatusIs(absl::StatusCode::kDataLoss,
                             "plain: object " + std::to_string(object->id) +
                                 ", chunk " + std::to_string(chunk_index) +
                                 ", subgroup 0, value 2"));
      }
    };
    for (const auto& [value, why] : damages) {
      this->Overwrite(kPlainFamily, key_of(2), value);
      expect_damage(why);
    }
    this->Remove(kPlainFamily, key_of(2));
    expect_damage("missing");
    this->Overwrite(kPlainFamily, key_of(2), whole);
    EXPECT_TRUE(ReadAllValues(reader->get()).ok());
    // Found damaged, the object is not used again: an upload repairs.
    EXPECT_TRUE(UploadSamples(this->store_.get(), "org/m", "main",
                              {SampleOfBlob(seed, 4 * kMiB, large)})
                    ->replaced);
  }
}

// What a revision says of its size, against a recount of what lies there.
TYPED_TEST(ValuesTest, BytesAddUpByLayer) {
  SampleObject matrix = QuantizedSample(1);
  matrix.chunks[0].layers[0].blobs[0].bytes =
      PatternBytes(2 * kMiB + 1, 1);  // does not compress at all
  matrix.chunks[1].layers[1].blobs[2].bytes = PatternBytes(kMiB + 5, 2);
  const std::vector<SampleObject> samples = {
      matrix, PlainSample(2), LargeSample(3), SampleOfBlob(4, 3 * kMiB, true)};
  const auto result =
      UploadSamples(this->store_.get(), "org/m", "main", samples);
  ASSERT_TRUE(result.ok()) << result.status();
  const StoredRevision& revision = result->revision;

  // The file is the one object that is no tensor.
  const uint64_t file_id = revision.files[1].segments[0].object_id;
  model::LayerBytes counted;
  int key_count = 0;
  for (const codec::Layer* layer : codec::Layers()) {
    ASSERT_TRUE(this->engine_
                    ->Scan(FamilyOf(layer->number), "", "\xff",
                           [&](std::string_view key, ByteView value) {
                             ++key_count;
                             const uint64_t bytes = key.size() + value.size();
                             EXPECT_EQ(key.size(), kDataKeyBytes);
                             EXPECT_LE(value.size(), model::kMaxValueBytes);
                             if (LeadingId(key) == file_id) {
                               counted.AddOther(bytes);
                             } else {
                               counted.Add(layer->number, bytes);
                             }
                             return true;
                           })
                    .ok());
  }
  int expected_count = OpaqueSample(1).value_count();
  uint64_t original_bytes = OpaqueSample(1).object.raw_bytes;
  for (const SampleObject& sample : samples) {
    expected_count += sample.value_count();
    original_bytes += sample.object.raw_bytes;
  }
  EXPECT_EQ(key_count, expected_count);
  ASSERT_TRUE(this->engine_
                  ->Scan(Family::kManifest, "", "\xff",
                         [&counted](std::string_view key, ByteView value) {
                           // Neither version, next id nor tags.
                           if (key.size() > 1 && key[0] != 't') {
                             counted.AddOther(key.size() + value.size());
                           }
                           return true;
                         })
                  .ok());
  EXPECT_EQ(revision.stored, counted);
  EXPECT_EQ(revision.stored.total(), counted.total());
  std::vector<int> layers;
  for (const auto& [layer, bytes] : revision.stored.by_layer()) {
    layers.push_back(layer);
  }
  EXPECT_THAT(layers, ElementsAre(1, 2, 3));

  // The matrix takes a byte a weight and four a row in INT8, the rest is as it
  // is.
  EXPECT_EQ(revision.original_bytes, original_bytes);
  EXPECT_EQ(revision.two_copies_bytes,
            2 * original_bytes - 2 * 64 * 128 + 64 * 128 + 64 * 4);

  const auto deleted = this->store_->Delete(Ref("org/m:main"));
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_EQ(deleted->stored_bytes, counted.total());
  for (const codec::Layer* layer : codec::Layers()) {
    EXPECT_EQ(this->KeyCount(FamilyOf(layer->number)), 0);
  }
}

}  // namespace
}  // namespace qstore::storage
